// A black sheet and a white pen. Strokes are lists of points in sheet pixels, so that the last one can be taken back.

const WIDTH = 22; // of the pen, in sheet pixels: about 2 pixels of a digit of 28
const KEY_STEP = 14;
const APART = 5; // of the points that are kept
const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
const views = new WeakMap();

class View {
  constructor(root, strokes) {
    this.root = root;
    this.sheet = root.querySelector(".sheet");
    this.undo = root.querySelector(".undo");
    this.clear = root.querySelector(".clear");
    this.words = root.querySelector(".words");
    this.strokes = strokes.map((stroke) => stroke.map((point) => [...point]));
    this.current = null; // the stroke that is being drawn
    this.cursor = null; // where the keyboard is, while it is used
    this.sheet.addEventListener("pointerdown", (event) => this.down(event));
    this.sheet.addEventListener("pointermove", (event) => this.move(event));
    for (const name of ["pointerup", "pointercancel", "lostpointercapture"]) {
      this.sheet.addEventListener(name, (event) => { if (event.pointerId === this.pointer) this.end(); });
    }
    this.away = () => this.end(); // of a window that lost the focus no pointer is heard to lift
    this.sheet.addEventListener("keydown", (event) => this.key(event));
    this.sheet.addEventListener("blur", () => { this.end(); this.cursor = null; this.paint(); });
    this.undo.addEventListener("click", () => { this.strokes.pop(); this.report(); });
    this.clear.addEventListener("click", () => { this.strokes = []; this.report(); });
    this.paint();
  }

  point(event) {
    const box = this.sheet.getBoundingClientRect();
    const at = (offset, length) => Math.round(Math.max(0, Math.min(1, offset / length)) * this.sheet.width);
    return [at(event.clientX - box.left, box.width), at(event.clientY - box.top, box.height)];
  }

  down(event) {
    if (event.button !== 0 || this.pointer !== undefined) return; // one finger draws
    this.lift();
    this.cursor = null;
    this.pointer = event.pointerId;
    window.addEventListener("blur", this.away);
    this.sheet.setPointerCapture(event.pointerId);
    this.start(this.point(event));
  }

  move(event) {
    if (event.pointerId !== this.pointer) return;
    if (!event.buttons) { // it was lifted where nobody heard of it
      this.end();
      return;
    }
    // A fast pen makes several events a frame.
    const events = event.getCoalescedEvents ? event.getCoalescedEvents() : [];
    for (const one of events.length ? events : [event]) this.current.push(this.point(one));
    this.paint();
  }

  end() {
    this.pointer = undefined;
    window.removeEventListener("blur", this.away);
    this.lift();
  }

  key(event) {
    const arrow = ARROWS[event.key];
    if (!arrow && event.key !== " ") return;
    event.preventDefault();
    if (this.pointer !== undefined) return;
    if (!this.cursor) this.cursor = [this.sheet.width / 2, this.sheet.height / 2];
    if (arrow) {
      this.cursor = this.cursor.map((at, axis) => Math.max(0, Math.min(this.sheet.width, at + KEY_STEP * arrow[axis])));
      if (this.current) this.current.push([...this.cursor]);
    } else if (this.current) this.lift();
    else this.start([...this.cursor]);
    this.paint();
  }

  start(point) {
    this.current = [point];
    this.strokes.push(this.current);
    this.paint();
  }

  lift() {
    if (!this.current) return;
    // Fewer points, for they travel in the page's link; at this distance the stroke looks the same.
    const last = this.current.pop();
    const thin = [];
    for (const point of this.current) {
      if (!thin.length || Math.hypot(point[0] - thin.at(-1)[0], point[1] - thin.at(-1)[1]) >= APART) thin.push(point);
    }
    this.current.splice(0, this.current.length, ...thin, last);
    this.current = null;
    this.report();
  }

  paint() {
    const context = this.sheet.getContext("2d");
    context.fillStyle = "#000";
    context.fillRect(0, 0, this.sheet.width, this.sheet.height);
    context.strokeStyle = "#fff";
    context.lineWidth = WIDTH;
    context.lineCap = context.lineJoin = "round";
    for (const stroke of this.strokes) {
      context.beginPath();
      context.moveTo(...stroke[0]);
      for (const point of stroke.length > 1 ? stroke.slice(1) : stroke) context.lineTo(...point);
      context.stroke();
    }
    if (this.cursor) {
      context.beginPath();
      context.arc(...this.cursor, WIDTH / 2 + 3, 0, 2 * Math.PI);
      context.lineWidth = 2;
      context.strokeStyle = this.current ? "#f7a26c" : "#7ea2f5";
      context.stroke();
    }
    this.undo.disabled = this.clear.disabled = !this.strokes.length;
    const drawing = this.current ? "Pen down: lift it to see the map." : "Lift the pen to see the map.";
    this.words.textContent = this.strokes.length || this.cursor ? drawing : "Draw a digit here, as large as the sheet.";
  }

  report() {
    const cursor = this.cursor;
    this.cursor = null; // not part of the drawing
    this.paint();
    const image = this.strokes.length ? this.sheet.toDataURL("image/png") : "";
    this.cursor = cursor;
    this.paint();
    this.send("drawing", { image, strokes: this.strokes });
  }
}

export default function ({ data, parentElement, setStateValue }) {
  const root = parentElement.querySelector(".pen-root");
  let view = views.get(parentElement);
  if (!view || view.root !== root) {
    view = new View(root, (data && data.strokes) || []);
    views.set(parentElement, view);
  }
  view.send = setStateValue;
  if (data && data.report && !view.reported) {
    view.reported = true;
    view.report();
  }
}

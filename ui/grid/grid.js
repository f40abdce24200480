// All maps at one size. Colours, zoom and order are worked out here, so that changing them asks nothing of the server.

const ORDERS = [
  ["", "as chosen", 1],
  ["difference", "insertion - deletion", -1],
  ["insertion", "insertion", -1],
  ["deletion", "deletion", 1],
  ["gap", "completeness gap", 1],
  ["cancellation", "cancellation", 1],
  ["top_share", "concentration", -1],
  ["seconds", "time", 1],
  ["gradients", "gradient evaluations", 1],
];
const views = new WeakMap();

function make(tag, className, text) {
  const made = document.createElement(tag);
  if (className) made.className = className;
  if (text !== undefined) made.textContent = text;
  return made;
}

function decode(card) {
  const bytes = Uint8Array.from(atob(card.values), (c) => c.charCodeAt(0));
  const view = new DataView(bytes.buffer);
  const values = new Float32Array(bytes.length / 2);
  for (let i = 0; i < values.length; i += 1) values[i] = view.getInt16(2 * i, true) * card.unit;
  const sorted = Float32Array.from(values, Math.abs).sort();
  const at = (share) => sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] || sorted[sorted.length - 1] || 1;
  return { source: card.values, values, sorted, p99: at(0.99), p95: at(0.95), ranks: null };
}

// All of a card but its map, as one text.
const described = ({ values, ...rest }) => JSON.stringify(rest);

function rankOf(sorted, value) {
  let low = 0, high = sorted.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (sorted[middle] < value) low = middle + 1; else high = middle;
  }
  return low / sorted.length;
}

class View {
  constructor(root) {
    this.root = root.querySelector(".grid-root");
    this.display = { scale: "map", mode: "signed", opacity: 0.75 };
    this.maps = new Map();
    this.drawn = new Map();
    this.zoom = { factor: 1, x: 0, y: 0 };
    const find = (name) => this.root.querySelector(`.${name}`);
    this.cards = find("cards");
    this.words = find("words");
    this.inputs = { scale: find("scale"), mode: find("mode"), opacity: find("opacity"), zoom: find("zoom"), order: find("order") };
    for (const [value, name] of ORDERS) this.inputs.order.append(new Option(name, value));
    for (const name of ["scale", "mode", "opacity"]) {
      this.inputs[name].addEventListener("input", () => {
        this.display[name] = name === "opacity" ? Number(this.inputs[name].value) : this.inputs[name].value;
        this.paint();
      });
      this.inputs[name].addEventListener("change", () => this.report("display", { ...this.display }));
    }
    this.inputs.order.addEventListener("input", () => this.layout());
    this.inputs.zoom.addEventListener("input", () => this.zoomTo(Number(this.inputs.zoom.value)));
  }

  update(data, report, trigger) {
    this.report = report;
    this.trigger = trigger;
    this.data = data;
    if (!this.inputs.scale.options.length) {
      for (const name of Object.keys(data.scales)) this.inputs.scale.append(new Option(name === "map" ? "per map" : name, name));
      for (const name of ["scale", "mode", "opacity"]) this.inputs[name].value = this.display[name];
    }
    this.root.style.setProperty("--ratio", `${data.width} / ${data.height}`);
    for (const card of data.cards) {
      const known = this.maps.get(card.key);
      if (card.values && (!known || known.source !== card.values)) this.maps.set(card.key, decode(card));
    }
    const wanted = new Set(data.cards.map((card) => card.key));
    for (const key of this.maps.keys()) if (!wanted.has(key)) this.maps.delete(key);
    if (this.source !== data.photo) {
      this.source = data.photo;
      const photo = new Image();
      photo.onload = () => {
        const canvas = make("canvas");
        canvas.width = data.width; canvas.height = data.height;
        const context = canvas.getContext("2d");
        context.drawImage(photo, 0, 0, data.width, data.height);
        const rgb = context.getImageData(0, 0, data.width, data.height).data;
        this.grey = new Float32Array(data.width * data.height);
        for (let i = 0; i < this.grey.length; i += 1) this.grey[i] = 0.299 * rgb[4 * i] + 0.587 * rgb[4 * i + 1] + 0.114 * rgb[4 * i + 2];
        this.paint();
      };
      photo.src = data.photo;
    }
    // While a comparison goes on the same news arrive again and again: what has not changed is left alone.
    const news = [data.photo, data.height, data.width, ...data.cards.flatMap((card) => [card.values, described(card)])];
    if (!this.news || news.length !== this.news.length || news.some((part, k) => part !== this.news[k])) this.layout();
    this.news = news;
  }

  layout() {
    const key = this.inputs.order.value;
    const sign = ORDERS.find((o) => o[0] === key)[2];
    const cards = [...this.data.cards];
    const value = (card) => (card.figures && card.figures[key] !== null && card.figures[key] !== undefined ? sign * card.figures[key] : Infinity);
    if (key) cards.sort((a, b) => value(a) - value(b));
    const drawn = new Map();
    for (const card of [{ key: "", photo: this.data.photo }, ...cards]) {
      const known = this.drawn.get(card.key);
      const words = `${this.data.width} x ${this.data.height} ${described(card)}`;
      drawn.set(card.key, known && known.words === words ? known : { words, ...(card.photo ? this.photo() : this.card(card)) });
    }
    const focused = [...this.drawn].find(([, { box }]) => box.matches(":focus-within"));
    this.drawn = drawn;
    this.cards.replaceChildren(...[...drawn.values()].map(({ box }) => box));
    this.cards.style.setProperty("--count", drawn.size);
    // What is put anew loses the focus, though it may be the same button.
    const button = focused && drawn.has(focused[0]) && drawn.get(focused[0]).box.querySelector(".cancel");
    if (button) button.focus();
    this.paint();
  }

  photo() {
    const box = make("div", "card");
    const picture = Object.assign(make("img"), { src: this.data.photo, alt: "the photo as the network saw it" });
    box.append(make("h4", "", "Photo"), make("p", "place", "as the network saw it"), this.stage(picture));
    return { box };
  }

  card(card) {
    const box = make("div", `card ${card.status}`);
    const title = make("h4", "", card.title);
    const place = make("p", "place", card.place);
    place.title = card.place;
    box.append(title, place);
    let canvas = null;
    if (card.values) {
      title.append(make("small", "", card.words));
      canvas = make("canvas");
      canvas.width = this.data.width; canvas.height = this.data.height;
      canvas.setAttribute("role", "img");
      canvas.setAttribute("aria-label", `attribution map of ${card.title}: ${card.seen}`);
    }
    const stage = this.stage(canvas || make("div", "state", card.error || card.words));
    if (canvas && card.error) stage.append(make("p", "fault", card.error));
    if (card.can_cancel) stage.append(this.cancel(card));
    const list = make("dl");
    for (const [term, words] of card.lines) list.append(make("dt", "", term), make("dd", "", words));
    box.append(stage, list);
    return { box, canvas };
  }

  cancel(card) {
    const button = make("button", "cancel", "\u00d7");
    button.type = "button";
    button.title = `Cancel ${card.title}`;
    button.setAttribute("aria-label", button.title);
    button.addEventListener("pointerdown", (event) => event.stopPropagation()); // a zoomed picture is dragged
    button.addEventListener("click", () => { button.disabled = true; this.trigger("cancel", card.key); });
    return button;
  }

  stage(content) {
    const stage = make("div", "stage");
    stage.append(content);
    stage.addEventListener("pointerdown", (event) => {
      if (this.zoom.factor === 1) return;
      stage.setPointerCapture(event.pointerId);
      let last = [event.clientX, event.clientY];
      const move = (e) => {
        const span = stage.clientWidth * this.zoom.factor;
        this.zoom.x -= (e.clientX - last[0]) / span;
        this.zoom.y -= (e.clientY - last[1]) / (stage.clientHeight * this.zoom.factor);
        last = [e.clientX, e.clientY];
        this.zoomTo(this.zoom.factor);
      };
      stage.addEventListener("pointermove", move);
      stage.addEventListener("pointerup", () => stage.removeEventListener("pointermove", move), { once: true });
    });
    return stage;
  }

  zoomTo(factor) {
    const room = 1 - 1 / factor;
    if (this.zoom.factor === 1 && factor > 1) { this.zoom.x = room / 2; this.zoom.y = room / 2; }
    this.zoom = { factor, x: Math.max(0, Math.min(room, this.zoom.x)), y: Math.max(0, Math.min(room, this.zoom.y)) };
    this.root.style.setProperty("--zoom", factor);
    this.root.style.setProperty("--x", this.zoom.x);
    this.root.style.setProperty("--y", this.zoom.y);
    for (const stage of this.cards.querySelectorAll(".stage")) stage.classList.toggle("zoomed", factor > 1);
  }

  paint() {
    if (!this.data) return;
    const { scale, mode, opacity } = this.display;
    const signs = mode === "signed" ? "blue speaks against the class, orange for it" : "brighter is more, either way";
    this.words.textContent = `Colours ${this.data.scales[scale]}; ${signs}. Zoom in and drag any picture: all move together.`;
    const shared = Math.max(...[...this.maps.values()].map((m) => m.p99), 1e-30);
    const palette = this.data.palettes[mode];
    for (const [key, { canvas }] of this.drawn) {
      if (!canvas) continue;
      const map = this.maps.get(key);
      const context = canvas.getContext("2d");
      const image = context.createImageData(canvas.width, canvas.height);
      if (scale === "rank" && !map.ranks) map.ranks = Float32Array.from(map.values, (v) => Math.sign(v) * rankOf(map.sorted, Math.abs(v)) ** 4);
      const source = scale === "rank" ? map.ranks : map.values;
      const limit = scale === "rank" ? 1 : scale === "shared" ? shared : scale === "map" ? map.p99 : map.p95;
      const weight = this.grey ? opacity : 1;
      for (let i = 0; i < source.length; i += 1) {
        const level = Math.round(128 + 127 * Math.max(-1, Math.min(1, source[i] / limit)));
        const colour = palette[level];
        const light = this.grey ? this.grey[i] * (1 - weight) : 0;
        image.data[4 * i] = light + weight * colour[0];
        image.data[4 * i + 1] = light + weight * colour[1];
        image.data[4 * i + 2] = light + weight * colour[2];
        image.data[4 * i + 3] = 255;
      }
      context.putImageData(image, 0, 0);
    }
  }
}

export default function ({ data, parentElement, setStateValue, setTriggerValue }) {
  if (!data) return;
  const root = parentElement.querySelector(".grid-root");
  let view = views.get(parentElement);
  if (!view || view.root !== root) {
    view = new View(parentElement);
    views.set(parentElement, view);
  }
  view.update(data, setStateValue, setTriggerValue);
}

// The unit square with paths on it, and one path of one's own: points by pointer, or by arrow keys and Enter.

const NS = "http://www.w3.org/2000/svg";
const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] };
const KEY_STEP = 0.05;
const MOST = 40;
const views = new WeakMap();

const make = (name, attributes) => {
  const element = document.createElementNS(NS, name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  return element;
};
// The image of two pixels that each corner of the square stands for, drawn beside the corner.
const SWATCH = 5.5;
const IMAGES = [[0, 0], [1, 0], [0, 1], [1, 1]].map(([x, y]) => ({
  left: x ? 100 - 2 * SWATCH : 0, top: y ? -2 - SWATCH : 102, pixels: [x, y],
}));
const swatches = () => IMAGES.flatMap(({ left, top, pixels }) => pixels.map((on, n) => make("rect", {
  x: left + n * SWATCH, y: top, width: SWATCH, height: SWATCH, fill: on ? "#fff" : "#111", stroke: "#8a8a94", "stroke-width": 0.5,
})));

const corners = (points) => points.map(([x, y]) => `${100 * x},${100 * (1 - y)}`).join(" ");

class View {
  constructor(root, points) {
    this.root = root;
    this.points = points;
    this.cursor = null;
    const find = (name) => root.querySelector(name);
    this.svg = find("svg");
    this.undo = find(".undo");
    this.clear = find(".clear");
    this.svg.addEventListener("click", (event) => this.click(event));
    this.svg.addEventListener("keydown", (event) => this.key(event));
    this.svg.addEventListener("blur", () => { this.cursor = null; this.paint(); });
    this.undo.addEventListener("click", () => this.change(this.points.slice(0, -1)));
    this.clear.addEventListener("click", () => this.change([]));
    find(".corners").replaceChildren(...swatches());
  }

  show(data) {
    this.data = data;
    this.root.querySelector("image").setAttribute("href", data.background);
    this.root.querySelector(".across").textContent = data.across;
    this.root.querySelector(".down").textContent = data.down;
    this.svg.setAttribute("aria-label", data.words);
    this.paint();
  }

  click(event) {
    const at = new DOMPoint(event.clientX, event.clientY).matrixTransform(this.svg.getScreenCTM().inverse());
    this.add([at.x / 100, 1 - at.y / 100]);
  }

  key(event) {
    const arrow = ARROWS[event.key];
    if (!arrow && event.key !== "Enter") return;
    event.preventDefault();
    event.stopPropagation();
    if (!this.cursor) this.cursor = [...(this.points.at(-1) || [0, 0])];
    if (arrow) this.cursor = this.cursor.map((at, axis) => Math.max(0, Math.min(1, at + KEY_STEP * arrow[axis])));
    else this.add(this.cursor);
    this.paint();
  }

  add(point) {
    if (this.points.length >= MOST) return;
    this.change([...this.points, point.map((at) => Math.round(100 * Math.max(0, Math.min(1, at))) / 100)]);
  }

  change(points) {
    this.points = points;
    this.paint();
    this.send("points", points);
  }

  paint() {
    // Halos lie below all, and dashes above what is solid: so paths that share a way are all seen.
    const solidFirst = [...this.data.lines].sort((a, b) => (a.dash ? 1 : 0) - (b.dash ? 1 : 0));
    const wide = (line) => (line.wide ? " wide" : "");
    this.root.querySelector(".lines").replaceChildren(
      ...solidFirst.map((line) => make("polyline", { points: corners(line.points), class: `halo${wide(line)}` })),
      ...solidFirst.map((line) => make("polyline", {
        points: corners(line.points), class: wide(line), stroke: line.colour, "stroke-dasharray": line.dash,
      })),
    );
    const own = [];
    if (this.points.length) {
      const path = corners([[0, 0], ...this.points, [1, 1]]);
      own.push(make("polyline", { points: path, class: "halo" }));
      own.push(make("polyline", { points: path, stroke: this.data.colour }));
    }
    for (const [x, y] of this.points) {
      own.push(make("circle", { cx: 100 * x, cy: 100 * (1 - y), r: 1.6, fill: "#fff", stroke: this.data.colour, "stroke-width": 2 }));
    }
    if (this.cursor) {
      const [x, y] = this.cursor;
      own.push(make("circle", { cx: 100 * x, cy: 100 * (1 - y), r: 3, fill: "none", stroke: "#000", "stroke-width": 2 }));
    }
    this.root.querySelector(".own").replaceChildren(...own);
    this.undo.disabled = this.clear.disabled = !this.points.length;
    const count = this.points.length;
    this.root.querySelector(".words").textContent = count
      ? `Your path has ${count} point${count > 1 ? "s" : ""}; it ends at the image by itself.`
      : "Draw a path of your own: click, or use the arrow keys and Enter.";
  }
}

export default function ({ data, parentElement, setStateValue }) {
  const root = parentElement.querySelector(".board-root");
  let view = views.get(parentElement);
  if (!view || view.root !== root) {
    view = new View(root, data.points || []);
    views.set(parentElement, view);
  }
  view.send = setStateValue;
  view.show(data);
}

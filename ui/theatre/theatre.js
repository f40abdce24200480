// Shows one moment of a run: the states of its paths, the pixels that just moved, the map so far and the score curves.
// While a run is live the newest moment arrives with every update; afterwards all moments are here and can be played.

const SVG = "http://www.w3.org/2000/svg";
const views = new WeakMap();

function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name === "class") made.className = value;
    else if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
    else made.setAttribute(name, value);
  }
  made.append(...children);
  return made;
}

function shape(tag, attributes, text) {
  const made = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  if (text !== undefined) made.textContent = text;
  return made;
}

const short = (value) => {
  if (value === null || value === undefined || !Number.isFinite(value)) return "";
  const size = Math.abs(value);
  if (size !== 0 && (size >= 1e5 || size < 5e-4)) return value.toExponential(1);
  return value.toFixed(size >= 100 ? 0 : size >= 1 ? 1 : 3);
};

class View {
  constructor(root) {
    this.root = root;
    this.box = root.querySelector(".theatre");
    this.panels = root.querySelector(".panels");
    this.curves = root.querySelector(".curves");
    this.play = root.querySelector(".play");
    this.scrub = root.querySelector(".scrub");
    this.where = root.querySelector(".where");
    this.at = 0;
    this.timer = null;
    this.pictures = new Map();
    this.display = { mode: "signed", opacity: 0.75, marks: true };
    this.play.addEventListener("click", () => (this.timer ? this.pause() : this.start()));
    this.scrub.addEventListener("input", () => { this.pause(); this.show(Number(this.scrub.value)); });
    this.observer = new ResizeObserver(() => this.data && this.drawCurves());
    this.observer.observe(this.curves);
  }

  destroy() {
    this.pause();
    this.observer.disconnect();
  }

  update(data, report) {
    this.report = report;
    const replaced = !this.data || this.data.run !== data.run || this.data.live !== data.live;
    if (!this.data && data.display) Object.assign(this.display, data.display);
    const layout = JSON.stringify([data.paths, data.photo.length, data.ratio, data.map_label]);
    this.data = data;
    this.box.classList.toggle("dark", this.isDark());
    if (layout !== this.layout) this.build();
    this.layout = layout;
    this.play.disabled = this.scrub.disabled = data.live || data.frames.length < 2;
    this.scrub.max = Math.max(data.frames.length - 1, 0);
    if (replaced) { this.pause(); this.pictures.clear(); }
    if (replaced || data.live) this.at = data.frames.length - 1;
    this.show(this.at);
  }

  isDark() {
    const probe = getComputedStyle(this.box).getPropertyValue("--st-background-color").trim();
    const hex = probe.match(/^#(..)(..)(..)/);
    return hex ? hex.slice(1).reduce((sum, part) => sum + parseInt(part, 16), 0) < 384 : false;
  }

  build() {
    const data = this.data;
    this.box.style.setProperty("--ratio", data.ratio);
    this.stages = [];
    this.panels.replaceChildren();
    if (data.paths.length === 1) {
      this.panels.append(this.figure("photo", "Photo", "as the network sees it", element("img", { src: data.photo, alt: "the photo" })));
    }
    data.paths.forEach((path) => {
      const image = element("img", { alt: `${path.title}: ${path.way}` });
      const moved = element("div", { class: "moved" });
      const figure = this.figure(path.kind, path.title, path.way, image, moved);
      this.panels.append(figure);
      this.stages.push({ image, moved, score: figure.querySelector(".score") });
    });
    this.canvas = element("canvas", { role: "img", "aria-label": "attribution map over the photo" });
    this.hint = element("div", { class: "hint" });
    const map = this.figure("map", "Attribution", data.map_label, this.canvas, this.hint);
    map.append(this.controls());
    this.panels.append(map);
    const first = this.panels.querySelector("figure.deletion, figure.insertion");
    const marks = element("input", { type: "checkbox" });
    marks.checked = this.display.marks;
    marks.addEventListener("change", () => { this.display.marks = marks.checked; this.box.classList.toggle("marks", marks.checked); });
    this.box.classList.toggle("marks", this.display.marks);
    first.append(element("div", { class: "under" }, element("label", {}, marks, "light up the pixels that just moved")));
    const photo = new Image();
    photo.onload = () => { this.photo = photo; this.drawMap(); };
    photo.src = data.photo;
  }

  figure(kind, title, subtitle, ...content) {
    const words = element("span", {}, element("b", {}, title), element("small", {}, subtitle));
    const score = element("span", { class: "score" });
    return element("figure", { class: kind }, element("figcaption", {}, words, score), element("div", { class: "stage" }, ...content));
  }

  controls() {
    const modes = element("span", { class: "modes", role: "radiogroup", "aria-label": "Colours of the map" });
    for (const [mode, name] of [["signed", "Signed"], ["intensity", "Intensity"]]) {
      const choose = () => {
        this.display.mode = mode;
        for (const other of modes.children) other.setAttribute("aria-checked", String(other.dataset.mode === mode));
        this.tell();
        this.drawMap();
      };
      modes.append(element("button", { type: "button", role: "radio", "data-mode": mode, "aria-checked": String(this.display.mode === mode), onclick: choose }, name));
    }
    const opacity = element("input", { type: "range", min: 0, max: 1, step: 0.05, value: this.display.opacity, "aria-label": "Opacity of the map over the photo" });
    opacity.addEventListener("input", () => { this.display.opacity = Number(opacity.value); this.drawMap(); });
    opacity.addEventListener("change", () => this.tell());
    this.legend = element("span", { class: "legend", "aria-hidden": "true" });
    this.low = element("span", {}, "");
    this.high = element("span");
    return element("div", { class: "under" }, modes, element("label", { class: "opacity" }, "over photo", opacity), element("span", { class: "scale" }, this.low, this.legend, this.high));
  }

  tell() {
    this.report("display", { mode: this.display.mode, opacity: this.display.opacity });
  }

  start() {
    if (this.data.frames.length < 2) return;
    if (this.at >= this.data.frames.length - 1) this.at = -1;
    const pace = Math.max(60, Math.min(260, 7000 / this.data.frames.length));
    const tick = () => {
      if (this.at >= this.data.frames.length - 1) return this.pause();
      this.show(this.at + 1);
    };
    this.timer = setInterval(tick, pace);
    this.labelPlay(true);
    tick();
  }

  pause() {
    clearInterval(this.timer);
    this.timer = null;
    this.labelPlay(false);
  }

  labelPlay(on) {
    this.play.classList.toggle("on", on);
    this.play.setAttribute("aria-label", on ? "Pause" : "Play");
    this.play.title = on ? "Pause" : "Play";
  }

  show(at) {
    const data = this.data;
    this.at = Math.max(0, Math.min(at, data.frames.length - 1));
    const frame = data.frames[this.at];
    this.scrub.value = this.at;
    const last = data.live ? data.expected : data.frames[data.frames.length - 1].step;
    this.where.textContent = data.live || data.frames.length > 1 ? `step ${frame.step} of ${data.live ? "about " : ""}${last}` : "";
    this.stages.forEach((stage, k) => {
      stage.image.src = frame.images[k];
      const mask = frame.moved[k] ? `url(${frame.moved[k]})` : "none";
      stage.moved.style.maskImage = stage.moved.style.webkitMaskImage = mask;
      stage.moved.style.visibility = frame.moved[k] ? "visible" : "hidden";
      const upto = data.curves[k].slice(0, frame.step + 1).filter((v) => v !== null);
      stage.score.textContent = upto.length ? short(upto[upto.length - 1]) : "";
    });
    this.hint.textContent = frame.map ? "" : data.hint;
    this.canvas.setAttribute("aria-label", `attribution map over the photo${this.data.map_words ? `: ${this.data.map_words}` : ""}`);
    this.hint.hidden = Boolean(frame.map);
    this.hint.style.display = frame.map ? "none" : "";
    this.drawMap();
    this.drawCurves();
  }

  async drawMap() {
    const frame = this.data && this.data.frames[this.at];
    this.canvas.hidden = !frame || !frame.map;
    if (!frame || !frame.map) { this.low.textContent = this.high.textContent = ""; this.legend.style.background = "none"; return; }
    const token = (this.token = (this.token || 0) + 1);
    const grey = await this.picture(frame.map);
    if (token !== this.token) return; // a newer moment has overtaken this one
    const { width, height } = grey;
    this.canvas.width = width;
    this.canvas.height = height;
    const context = this.canvas.getContext("2d", { willReadFrequently: true });
    context.drawImage(grey, 0, 0);
    const map = context.getImageData(0, 0, width, height);
    const palette = this.data.palettes[this.display.mode];
    const opacity = this.display.opacity;
    let under = null;
    if (this.photo && opacity < 1) {
      context.drawImage(this.photo, 0, 0, width, height);
      under = context.getImageData(0, 0, width, height).data;
    }
    const pixels = map.data;
    for (let i = 0; i < pixels.length; i += 4) {
      const colour = palette[pixels[i]];
      const light = under ? (0.299 * under[i] + 0.587 * under[i + 1] + 0.114 * under[i + 2]) * (1 - opacity) : 0;
      const weight = under ? opacity : 1;
      pixels[i] = light + weight * colour[0];
      pixels[i + 1] = light + weight * colour[1];
      pixels[i + 2] = light + weight * colour[2];
    }
    context.putImageData(map, 0, 0);
    const signed = this.display.mode === "signed";
    const stops = palette.slice(signed ? 1 : 128).filter((_, k) => k % 16 === 0).map((c) => `rgb(${c.join(",")})`);
    this.legend.style.background = `linear-gradient(90deg, ${stops.join(",")})`;
    this.low.textContent = signed ? "against" : "0";
    this.high.textContent = signed ? "for the class" : "|a|";
  }

  picture(uri) {
    if (!this.pictures.has(uri)) {
      if (this.data.live) this.pictures.clear();
      this.pictures.set(uri, new Promise((resolve, reject) => {
        const image = new Image();
        image.onload = () => resolve(image);
        image.onerror = reject;
        image.src = uri;
      }));
    }
    return this.pictures.get(uri);
  }

  drawCurves() {
    const data = this.data;
    const width = Math.max(this.curves.clientWidth, 240), height = width < 480 ? 150 : 168;
    const left = 46, right = width < 480 ? 66 : 76, top = 22, bottom = 26;
    const values = data.curves.flat().filter((v) => v !== null);
    const svg = shape("svg", { viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": `${data.score} along the path` });
    svg.append(shape("text", { x: 0, y: 11 }, data.score_label));
    if (!values.length) {
      // An empty plot of the same height: nothing below moves when the first scores arrive.
      svg.append(shape("line", { class: "grid", x1: left, x2: width - right, y1: height - bottom, y2: height - bottom }));
      svg.append(shape("line", { class: "grid", x1: left, x2: left, y1: top, y2: height - bottom }));
      svg.append(shape("text", { x: (left + width - right) / 2, y: height - 8, "text-anchor": "middle" }, "step of the path"));
      this.curves.replaceChildren(svg);
      return;
    }
    let low = Math.min(...values), high = Math.max(...values);
    if (high - low < 1e-9) { low -= 1; high += 1; }
    const room = (high - low) * 0.06;
    low -= room; high += room;
    const steps = Math.max(data.live ? data.expected : 0, ...data.curves.map((c) => c.length - 1), 1);
    const x = (k) => left + (k / steps) * (width - left - right);
    const y = (v) => top + (1 - (v - low) / (high - low)) * (height - top - bottom);
    for (const tick of this.ticks(low, high)) {
      svg.append(shape("line", { class: tick === 0 ? "zero" : "grid", x1: left, x2: width - right, y1: y(tick), y2: y(tick) }));
      svg.append(shape("text", { x: left - 7, y: y(tick) + 4, "text-anchor": "end" }, String(Number(tick.toPrecision(6)))));
    }
    const step = data.frames[this.at].step;
    if (!data.live && steps > 1) svg.append(shape("line", { class: "now", x1: x(Math.min(step, steps)), x2: x(Math.min(step, steps)), y1: top, y2: height - bottom }));
    svg.append(shape("text", { x: left, y: height - 8, "text-anchor": "middle" }, "0"));
    svg.append(shape("text", { x: (left + width - right) / 2, y: height - 8, "text-anchor": "middle" }, "step of the path"));
    svg.append(shape("text", { x: width - right, y: height - 8, "text-anchor": "middle" }, String(steps)));
    const labels = [];
    data.curves.forEach((curve, k) => {
      const kind = data.paths[k].kind;
      const points = curve.map((v, n) => [n, v]).filter(([, v]) => v !== null);
      if (!points.length) return;
      svg.append(shape("path", { class: kind, d: points.map(([n, v], i) => `${i ? "L" : "M"}${x(n).toFixed(1)} ${y(v).toFixed(1)}`).join("") }));
      const here = points.filter(([n]) => n <= step).pop() || points[0];
      svg.append(shape("circle", { class: kind, cx: x(here[0]), cy: y(here[1]), r: 4 }));
      const end = points[points.length - 1];
      labels.push({ kind, text: data.paths[k].short, x: x(end[0]) + 8, y: y(end[1]) + 4 });
    });
    if (labels.length === 2 && Math.abs(labels[0].y - labels[1].y) < 15 && Math.abs(labels[0].x - labels[1].x) < 70) {
      const [upper, lower] = labels[0].y <= labels[1].y ? labels : [labels[1], labels[0]];
      const middle = (upper.y + lower.y) / 2;
      upper.y = middle - 7.5; lower.y = middle + 7.5;
    }
    labels.forEach((label) => svg.append(shape("text", { class: label.kind, x: label.x, y: label.y }, label.text)));
    this.curves.replaceChildren(svg);
  }

  ticks(low, high) {
    const rough = (high - low) / 5;
    const power = 10 ** Math.floor(Math.log10(rough));
    const step = [1, 2, 5, 10].map((m) => m * power).find((s) => s >= rough);
    const found = [];
    for (let v = Math.ceil(low / step); v * step <= high; v += 1) found.push(v * step);
    return found;
  }
}

export default function ({ data, parentElement, setStateValue }) {
  if (!data) return;
  let view = views.get(parentElement);
  if (!view || view.box !== parentElement.querySelector(".theatre")) {
    if (view) view.destroy();
    view = new View(parentElement);
    views.set(parentElement, view);
  }
  view.update(data, setStateValue);
  return () => {
    // Called before an update as well as at the end: only what outlives the element has to go.
    if (!parentElement.isConnected) { view.destroy(); views.delete(parentElement); }
  };
}

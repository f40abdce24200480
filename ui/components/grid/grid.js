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
const COLUMNS = ["auto", 1, 2, 3, 4, 5, 6, 8];

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
  return { ...measured(values), exact: true, firm: card.firm ? Uint8Array.from(atob(card.firm), (c) => c.charCodeAt(0)) : null };
}

// As numpy has it; samp_core/compare.py colours figures by the same rules, and a test holds both together.
function percentile(sorted, share) {
  const at = share * (sorted.length - 1), low = Math.floor(at);
  return sorted[low] + (at - low) * (sorted[Math.min(low + 1, sorted.length - 1)] - sorted[low]);
}

function measured(values) {
  const sorted = Float32Array.from(values, Math.abs).sort();
  const at = (share) => percentile(sorted, share) || sorted[sorted.length - 1] || 1;
  return { values, sorted, p99: at(0.99), p95: at(0.95), ranks: null };
}

// Grey levels of a map that grows, as samp_core/film.py describes them.
async function grown({ levels, peak }, width, height) {
  const image = new Image();
  image.src = levels;
  await image.decode();
  const canvas = make("canvas");
  canvas.width = width; canvas.height = height;
  const context = canvas.getContext("2d", { willReadFrequently: true });
  context.drawImage(image, 0, 0, width, height);
  const grey = context.getImageData(0, 0, width, height).data;
  const values = new Float32Array(width * height);
  for (let i = 0; i < values.length; i += 1) {
    const level = (grey[4 * i] - 128) / 127;
    values[i] = Math.sign(level) * peak * level * level;
  }
  return measured(values);
}

// Share of the values up to this one, equals by half.
function rankOf(sorted, value) {
  const count = (below) => {
    let low = 0, high = sorted.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (below(sorted[middle])) low = middle + 1; else high = middle;
    }
    return low;
  };
  return (count((v) => v < value) + count((v) => v <= value) + 1) / 2 / sorted.length;
}

class View {
  constructor(root) {
    this.root = root.querySelector(".grid-root");
    this.mount = Math.random().toString(36).slice(2, 10);
    this.number = 0;
    this.counts = {};
    this.keys = [];
    this.described = new Map(); // what each card says
    this.maps = new Map();
    this.drawn = new Map();
    this.running = null;
    this.zoom = { factor: 1, x: 0, y: 0 };
    const find = (name) => this.root.querySelector(`.${name}`);
    this.cards = find("cards");
    this.words = find("words");
    this.large = find("large");
    this.inputs = Object.fromEntries(["scale", "mode", "opacity", "zoom", "order", "columns", "firm", "firmly"].map((name) => [name, find(name)]));
    for (const [value, name] of ORDERS) this.inputs.order.append(new Option(name, value));
    for (const name of COLUMNS) this.inputs.columns.append(new Option(name));
    for (const name of ["scale", "mode", "opacity", "columns"]) {
      this.inputs[name].addEventListener("input", () => {
        this.display[name] = name === "opacity" ? Number(this.inputs[name].value) : this.inputs[name].value;
        this.arrange();
        this.paint();
      });
      this.inputs[name].addEventListener("change", () => this.report("display", { ...this.display }));
    }
    this.inputs.firm.addEventListener("change", () => this.paint());
    this.inputs.order.addEventListener("input", () => this.layout());
    this.inputs.zoom.addEventListener("input", () => this.zoomTo(Number(this.inputs.zoom.value)));
    this.large.addEventListener("click", (event) => { if (event.target === this.large || event.target.closest(".close")) this.large.close(); });
    // Arrow keys go from map to map while one is large, and begin where the page is presented.
    this.listener = (event) => this.key(event);
    document.addEventListener("keydown", this.listener);
    this.large.addEventListener("close", () => {
      const known = this.drawn.get(this.enlarged);
      this.enlarged = null;
      if (known) known.box.querySelector(".enlarge").focus();
    });
  }

  destroy() {
    document.removeEventListener("keydown", this.listener);
  }

  key(event) {
    const by = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (!by || event.altKey || event.ctrlKey || event.metaKey || (!this.enlarged && !this.presenting) || usesKeys(event)) return;
    const shown = [...this.drawn.keys()].filter((key) => key && this.drawn.get(key).canvas);
    if (!shown.length) return;
    event.preventDefault();
    const at = shown.indexOf(this.enlarged);
    this.enlarge(shown[at < 0 ? (by > 0 ? 0 : shown.length - 1) : clamp(at + by, 0, shown.length - 1)]);
  }

  // What the server sends: see Board.message in ui/grid/__init__.py.
  update(data, report, trigger) {
    this.report = report;
    this.trigger = trigger;
    const size = `${data.width} x ${data.height}`;
    let changed = this.size !== size || data.cards.length > 0 || data.keys.join("\n") !== this.keys.join("\n");
    if (this.size !== size) this.drawn.clear();
    Object.assign(this, { size, width: data.width, height: data.height, keys: data.keys });
    this.root.style.setProperty("--ratio", `${data.width} / ${data.height}`);
    if (data.palettes) { this.palettes = data.palettes; this.scales = data.scales; }
    if (!this.display) this.begin(data.display);
    for (const card of data.cards) this.described.set(card.key, card);
    for (const map of data.maps) { this.maps.set(map.key, { ...decode(map), series: map.series }); this.redo(map.key); changed = true; }
    this.forget(data);
    if (data.photo) { this.takePhoto(data.photo); changed = true; }
    const missing = data.wants.some((series) => !(series in this.counts) && !(series in data.sent));
    for (const [series, count] of Object.entries(data.sent)) this.counts[series] = count;
    this.running = data.running || null;
    if (this.units !== Boolean(data.units)) { this.units = Boolean(data.units); changed = true; }
    if (this.inputs.scale) this.inputs.scale.disabled = this.units;
    this.presenting = Boolean(data.presenting);
    this.root.classList.toggle("presenting", this.presenting);
    if (changed) this.layout();
    this.progress();
    if (this.running && this.running.levels) this.grow(this.running);
    acknowledge(this, missing);
  }

  // News of the maps that are made, between two messages of the page's script.
  hear(news) {
    this.update(news, this.report, this.trigger);
  }

  begin(display) {
    this.display = { scale: "map", mode: "signed", opacity: 0.75, columns: "auto", ...display };
    for (const name of Object.keys(this.scales || {})) this.inputs.scale.append(new Option(name === "map" ? "per map" : name, name));
    for (const name of ["scale", "mode", "opacity", "columns"]) this.inputs[name].value = this.display[name];
    this.arrange();
  }

  // What is not shown any more is dropped, and so is what grew and was not finished.
  forget(data) {
    const wanted = new Set(data.wants), shown = new Set(data.keys);
    for (const series of Object.keys(this.counts)) if (!wanted.has(series)) delete this.counts[series];
    for (const key of this.described.keys()) if (!shown.has(key)) this.described.delete(key);
    for (const [key, map] of this.maps) {
      const card = this.described.get(key);
      if (map.exact ? !wanted.has(map.series) : !card || card.status !== "running") { this.maps.delete(key); this.redo(key); }
    }
  }

  redo(key) {
    const known = this.drawn.get(key);
    if (known) known.words = "";
  }

  async grow(news) {
    const map = await grown(news, this.width, this.height);
    const card = this.described.get(news.key), known = this.maps.get(news.key);
    if (!card || card.status !== "running" || (known && known.exact)) return;
    this.maps.set(news.key, map);
    if (known) { this.paint(news.key); return; }
    this.redo(news.key);
    this.layout();
    this.progress();
  }

  progress() {
    for (const [key, { box }] of this.drawn) {
      const bar = box.querySelector("progress");
      if (!bar) continue;
      if (this.running && this.running.key === key) bar.value = this.running.progress;
      else bar.removeAttribute("value");
    }
  }

  ask(key, what) {
    this.number += 1;
    this.trigger("act", { key, what, number: `${this.mount}-${this.number}` });
  }

  arrange() {
    const chosen = this.display.columns;
    this.cards.style.gridTemplateColumns = chosen === "auto" ? "" : `repeat(${chosen}, minmax(0, 1fr))`;
    this.cards.style.maxWidth = chosen === "auto" ? "" : "none";
  }

  takePhoto(uri) {
    this.source = uri;
    this.redo("");
    const photo = new Image();
    photo.onload = () => {
      if (this.source !== uri) return;
      const canvas = make("canvas");
      canvas.width = this.width; canvas.height = this.height;
      const context = canvas.getContext("2d");
      context.drawImage(photo, 0, 0, this.width, this.height);
      const rgb = context.getImageData(0, 0, this.width, this.height).data;
      this.grey = new Float32Array(this.width * this.height);
      for (let i = 0; i < this.grey.length; i += 1) this.grey[i] = 0.299 * rgb[4 * i] + 0.587 * rgb[4 * i + 1] + 0.114 * rgb[4 * i + 2];
      this.paint();
    };
    photo.src = uri;
  }

  layout() {
    const key = this.inputs.order.value;
    const sign = ORDERS.find((o) => o[0] === key)[2];
    const cards = this.keys.map((k) => this.described.get(k)).filter(Boolean);
    const value = (card) => (card.figures && card.figures[key] !== null && card.figures[key] !== undefined ? sign * card.figures[key] : Infinity);
    if (key) cards.sort((a, b) => value(a) - value(b));
    const drawn = new Map();
    for (const card of [{ key: "" }, ...cards]) {
      const known = this.drawn.get(card.key);
      const words = JSON.stringify(card);
      drawn.set(card.key, known && known.words === words ? known : { words, ...(card.key ? this.card(card) : this.photo()) });
    }
    const inside = this.root.getRootNode().activeElement;
    const focused = [...this.drawn].find(([, { box }]) => box.contains(inside));
    this.drawn = drawn;
    this.cards.replaceChildren(...[...drawn.values()].map(({ box }) => box));
    this.cards.style.setProperty("--count", drawn.size);
    // What is put anew loses the focus, though it may be the same button.
    const button = focused && drawn.has(focused[0]) && drawn.get(focused[0]).box.querySelector(`.${inside.classList[0]}`);
    if (button) button.focus();
    if (this.enlarged) { if (drawn.has(this.enlarged)) this.enlarge(this.enlarged); else this.large.close(); }
    this.zoomTo(this.zoom.factor);
    this.paint();
  }

  photo() {
    const box = make("div", "card");
    const picture = Object.assign(make("img"), { src: this.source || "", alt: "the photo as the network saw it" });
    box.append(make("h4", "", "Photo"), make("p", "settings", "as the network saw it"), make("p", "place"), this.stage(picture));
    return { box };
  }

  card(card) {
    const box = make("div", `card ${card.status}`);
    box.dataset.method = card.method;
    box.dataset.status = card.status;
    const map = this.maps.get(card.key);
    const title = make("h4", "", card.title);
    const settings = make("p", "settings", card.settings);
    settings.title = card.settings;
    const place = make("p", "place", card.place);
    place.title = card.place;
    if (card.other_start) {
      const note = make("b", "", "another start");
      place.title = `${card.place}. Its path starts at another image than most here: ${card.start}.`;
      place.prepend(note, " ");
    }
    box.append(title, settings, place);
    let canvas = null;
    if (map) {
      if (card.status === "cached") title.append(make("small", "", card.words));
      canvas = make("canvas");
      canvas.width = this.width; canvas.height = this.height;
      canvas.setAttribute("role", "img");
      canvas.setAttribute("aria-label", map.exact ? `attribution map of ${card.name}: ${card.seen}` : `attribution map of ${card.name} so far`);
    }
    const stage = this.stage(canvas || make("div", "state", card.error || card.words));
    if (canvas && card.error) stage.append(make("p", "fault", card.error));
    if (card.can_cancel) stage.append(this.cancel(card));
    if (card.status === "running" || card.status === "measuring") {
      const bar = make("progress");
      bar.max = 1;
      bar.setAttribute("aria-label", `Progress of ${card.name}`);
      stage.append(bar);
    }
    const acts = make("p", "acts");
    acts.append(
      this.button("enlarge", "Enlarge", `Enlarge ${card.name}`, () => this.enlarge(card.key)),
      this.button("open", "On the stage", `Open ${card.name} on the stage`, () => this.ask(card.key, "stage")),
    );
    if (card.is_further) {
      const remove = this.button("remove", "Remove", `Remove ${card.name}`, () => this.ask(card.key, "remove"));
      remove.disabled = !card.can_remove;
      acts.append(remove);
    }
    box.append(stage, acts, this.figures(card));
    return { box, canvas };
  }

  figures(card) {
    const list = make("dl");
    for (const [term, words] of card.lines) list.append(make("dt", "", term), make("dd", "", words));
    return list;
  }

  button(name, words, label, act) {
    const button = make("button", name, words);
    button.type = "button";
    button.title = label;
    button.setAttribute("aria-label", label);
    button.addEventListener("click", act);
    return button;
  }

  cancel(card) {
    const button = this.button("cancel", "\u00d7", `Cancel ${card.name}`, () => { button.disabled = true; this.ask(card.key, "cancel"); });
    button.addEventListener("pointerdown", (event) => event.stopPropagation()); // a zoomed picture is dragged
    return button;
  }

  // A large view of one card, which goes on growing; Escape closes it.
  enlarge(key) {
    const card = this.described.get(key), { canvas } = this.drawn.get(key);
    this.enlarged = key;
    const find = (name) => this.large.querySelector(name);
    find("h3").textContent = card.name;
    find(".settings").textContent = [card.settings, card.place, card.other_start ? `starts at another image than most here (${card.start})` : ""].filter(Boolean).join("; ");
    let shown = make("p", "state", card.error || card.words);
    if (canvas) {
      shown = make("canvas");
      shown.width = this.width; shown.height = this.height;
      shown.setAttribute("role", "img");
      shown.setAttribute("aria-label", canvas.getAttribute("aria-label"));
    }
    find(".view").replaceChildren(shown);
    find("dl").replaceWith(this.figures(card));
    this.copy();
    if (!this.large.open) this.large.showModal();
  }

  copy() {
    const known = this.drawn.get(this.enlarged), shown = this.large.querySelector("canvas");
    if (known && known.canvas && shown) shown.getContext("2d").drawImage(known.canvas, 0, 0);
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
      // However a drag ends (let go, taken by a scroll, window left), the capture is lost.
      stage.addEventListener("lostpointercapture", () => stage.removeEventListener("pointermove", move), { once: true });
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

  // Colour all maps, or one.
  paint(only) {
    if (!this.display || !this.palettes) return;
    const { mode, opacity } = this.display;
    const scale = this.units ? "shared" : this.display.scale;
    const signs = mode === "signed" ? "blue speaks against the class, orange for it" : "brighter is more, either way";
    const units = this.units ? " Maps are calibrated: in units of the score, each in its method's order of pixels." : "";
    this.words.textContent = `Colours ${this.scales[scale]}; ${signs}.${units} Zoom in and drag any picture: all move together.`;
    const finished = [...this.maps.values()].filter((m) => m.exact);
    this.inputs.firmly.hidden = !finished.some((m) => m.firm);
    const firmly = this.inputs.firm.checked && !this.inputs.firmly.hidden;
    if (firmly) this.words.textContent += " Bare: pixels on whose sign the copies of the photo do not agree; of one copy, nothing is known.";
    const shared = Math.max(...finished.map((m) => m.p99), 1e-30);
    const palette = this.palettes[mode];
    for (const [key, { canvas }] of this.drawn) {
      const map = this.maps.get(key);
      if (!canvas || !map || (only && key !== only)) continue;
      const context = canvas.getContext("2d");
      const image = context.createImageData(canvas.width, canvas.height);
      if (scale === "rank" && !map.ranks) map.ranks = Float32Array.from(map.values, (v) => Math.sign(v) * rankOf(map.sorted, Math.abs(v)) ** 4);
      const source = scale === "rank" ? map.ranks : map.values;
      const own = scale === "percentile" ? map.p95 : map.p99;
      const limit = scale === "rank" ? 1 : scale === "shared" && finished.length ? shared : own;
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
      if (firmly && map.firm) leaveBare(image.data, (k) => !map.firm[k], this.grey);
      context.putImageData(image, 0, 0);
    }
    this.copy();
  }
}

export default function ({ parentElement }) {
  const root = parentElement.querySelector(".grid-root");
  const grid = (window.sampGrid ||= { view: null, waiting: [] });
  if (!grid.view || grid.view.root !== root) {
    if (grid.view) grid.view.destroy();
    grid.view = new View(parentElement);
    for (const message of grid.waiting.splice(0)) grid.view.update(...message);
  }
  const mine = grid.view;
  return () => {
    // Called before an update as well as at the end.
    if (root.isConnected) return;
    clearTimeout(mine.teller);
    mine.destroy();
    if (grid.view === mine) grid.view = null;
  };
}

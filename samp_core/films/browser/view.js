// Plays N lanes on one clock. Pictures of a run arrive once, in the order in which they were taken, and are kept here;
// the server is told what has arrived. While a run is live its lane shows the newest picture.

const ICONS = {
  left: "M10 4 6 8l4 4", right: "M6 4l4 4-4 4", twin: "M5 5h8v8H5zM3 11V3h8", away: "M4 4l8 8M12 4l-8 8",
  back: "M11 4 6 8l5 4zM4 4v8", on: "M5 4l5 4-5 4zM12 4v8", full: "M3 6V3h3M10 3h3v3M13 10v3h-3M6 13H3v-3",
};
const LABELS = { way: "share of the way", pixels: "share of the pixels", evaluations: "gradient evaluations", seconds: "seconds" };
const KEPT = 12; // runs whose pictures are kept

const icon = (name) => shape("svg", { viewBox: "0 0 16 16", "aria-hidden": "true" }, shape("path", { d: ICONS[name] }));

function loaded(uri) {
  return new Promise((resolve, reject) => {
    const image = new Image();
    image.onload = () => resolve(image);
    image.onerror = reject;
    image.src = uri;
  });
}

// Grey levels of a picture, one byte a pixel.
async function levels(uri, scratch) {
  const image = await loaded(uri);
  scratch.width = image.naturalWidth;
  scratch.height = image.naturalHeight;
  const context = scratch.getContext("2d", { willReadFrequently: true });
  context.drawImage(image, 0, 0);
  const pixels = context.getImageData(0, 0, scratch.width, scratch.height).data;
  const grey = new Uint8Array(pixels.length / 4);
  for (let i = 0; i < grey.length; i += 1) grey[i] = pixels[4 * i];
  return { grey, width: scratch.width, height: scratch.height };
}

// The value that a level stands for, as a share of the strongest (see compand in the engine).
const expand = (level) => Math.sign(level - 128) * ((level - 128) / 127) ** 2;

// Colour number of each level when colours saturate at `limit`.
function colourTable(peak, limit) {
  return Uint8Array.from({ length: 256 }, (_, level) => Math.round(128 + 127 * clamp((expand(level) * peak) / limit, -1, 1)));
}

// One run: its pictures, and where each was by every measure of the clock.
class Run {
  constructor() {
    this.frames = [];
    this.scores = [];
    this.maps = [];
    this.sketch = null;
    this.seen = performance.now();
  }

  take(frame) {
    const before = this.frames[this.frames.length - 1];
    if (before && !frame.states.length) Object.assign(frame, { states: before.states, moved: before.moved, dot: before.dot });
    else frame.dot = before ? before.dot + 1 : 0;
    this.frames.push(frame);
    frame.trace.forEach((part, d) => (this.scores[d] = (this.scores[d] || []).concat(part)));
  }

  get last() {
    return this.frames[this.frames.length - 1];
  }

  // Which picture's map and sums belong to the states of this one: itself, or a later one. Rules that deal out measured
  // changes know what a move brought with the next score only.
  mapped(index) {
    const { move } = this.frames[index];
    let at = index;
    while (at + 1 < this.frames.length && this.frames[at + 1].move > move && this.frames[at + 1].credited <= move) at += 1;
    return at;
  }

  // Which picture's sums speak of no more moves than the scores that are known, while the run is under way.
  settled(index, known) {
    let at = this.mapped(index);
    while (at > 0 && this.frames[at].credited >= known && this.frames[at - 1].move < this.frames[at].move) at -= 1;
    return this.frames[at];
  }

  places(measure) {
    return this.frames.map((frame) => frame[measure]);
  }

  // Where a move was on the clock: between the two pictures around it.
  place(move, measure) {
    const moves = this.places("move");
    const at = lastUpTo(moves, move);
    const here = this.frames[at], next = this.frames[Math.min(at + 1, this.frames.length - 1)];
    if (next.move <= here.move) return here[measure];
    return here[measure] + ((move - here.move) / (next.move - here.move)) * (next[measure] - here[measure]);
  }
}

class View {
  constructor(root) {
    this.box = root.querySelector(".stage");
    const find = (name) => this.box.querySelector(name);
    this.parts = Object.fromEntries(["lanes", "play", "clock", "where", "measure", "speed", "loop", "back", "on", "full", "opacity", "same", "firm", "firmly", "marks", "plane", "scores", "sums", "notes", "tip", "smooth", "smoothness", "bright", "first", "second", "kind", "swiper", "swipebox", "edge", "overnote", "choices", "pen", "pin", "clear", "table", "slowly", "slow", "slowtitle", "sides", "slowback", "slowon", "slowmove", "predict", "guess", "guessbox", "verdict", "answer", "wipe", "unfold", "tour", "guide"].map((n) => [n, find(`.${n}`)]));
    for (const name of ["back", "on", "full"]) this.parts[name].append(icon(name));
    this.mount = Math.random().toString(36).slice(2, 10);
    this.number = 0;
    this.counts = {};
    this.runs = new Map();
    this.panels = new Map();
    this.photos = new Map();
    this.starts = new Map();
    this.display = { mode: "signed", opacity: 0.75 };
    this.scratch = document.createElement("canvas");
    this.sigma = 0; // pixels by which maps are smoothed
    this.at = 1; // share of the clock's whole run
    this.movers = { plane: [], scores: [], sums: [] }; // what moves with the clock in each picture
    this.plane = 0;
    this.wire();
  }

  wire() {
    const { play, clock, measure, speed, back, on, full, opacity, same, marks } = this.parts;
    play.addEventListener("click", () => (this.timer ? this.pause() : this.start()));
    clock.addEventListener("input", () => { this.pause(); this.go(Number(clock.value) / 1000); });
    measure.addEventListener("change", () => { const lane = this.hand(); this.go(this.at); if (lane) this.drawCharts(); });
    speed.addEventListener("change", () => { if (this.timer) { this.pause(); this.start(); } });
    back.addEventListener("click", () => this.step(-1));
    on.addEventListener("click", () => this.step(1));
    full.addEventListener("click", () => this.fullScreen());
    opacity.addEventListener("input", () => { this.display.opacity = Number(opacity.value); this.drawMaps(); });
    opacity.addEventListener("change", () => this.tell());
    for (const each of [same, this.parts.firm]) each.addEventListener("change", () => this.drawMaps());
    this.parts.smooth.addEventListener("input", () => { this.sigma = Number(this.parts.smooth.value); this.parts.smoothness.textContent = `${this.sigma} px`; this.drawMaps(); });
    this.parts.bright.addEventListener("input", () => { for (const photo of this.photos.values()) photo.shaded = null; this.drawMaps(); });
    this.parts.smooth.addEventListener("change", () => this.tell());
    this.wirePointing();
    this.wireOverlay();
    this.wireSlow();
    this.wireTour();
    marks.addEventListener("change", () => this.box.classList.toggle("marks", marks.checked));
    this.box.classList.add("marks");
    for (const button of this.box.querySelectorAll(".modes button")) {
      button.addEventListener("click", () => {
        this.display.mode = button.dataset.mode;
        for (const other of button.parentElement.children) other.setAttribute("aria-checked", String(other === button));
        this.tell();
        this.drawMaps();
      });
    }
    this.keys = (event) => this.key(event);
    document.addEventListener("keydown", this.keys);
    this.sizes = {};
    this.observer = new ResizeObserver(() => { this.sizes = {}; if (this.data) this.drawCharts(); });
    for (const name of ["plane", "scores", "sums"]) this.observer.observe(this.parts[name]);
  }

  destroy() {
    this.pause();
    clearTimeout(this.teller);
    this.observer.disconnect();
    document.removeEventListener("keydown", this.keys);
  }

  key(event) {
    const inside = event.composedPath()[0];
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (((usesKeys(event) && !inside.classList.contains("clock")) || (inside.closest && inside.closest(".pin")))) return;
    // A film beside other things has only the keys that are pressed in it.
    if (this.data && this.data.compact && !event.composedPath().includes(this.box)) return;
    if (this.slow.open && (event.key === "ArrowLeft" || event.key === "ArrowRight") && !event.shiftKey) {
      event.preventDefault();
      return this.stepSlow(event.key === "ArrowLeft" ? -1 : 1);
    }
    const acts = {
      " ": () => (this.timer ? this.pause() : this.start()), ArrowLeft: () => this.step(-1), ArrowRight: () => this.step(1),
      Home: () => this.go(0), End: () => this.go(1), l: () => { this.parts.loop.checked = !this.parts.loop.checked; }, f: () => this.fullScreen(),
    };
    // A button that has the focus keeps its space bar.
    if (!acts[event.key] || (event.key === " " && inside.closest && inside.closest("button, a, summary"))) return;
    event.preventDefault();
    acts[event.key]();
  }

  fullScreen() {
    if (document.fullscreenElement) document.exitFullscreen();
    else if (this.box.requestFullscreen) this.box.requestFullscreen();
  }

  // What the server sends: see ui/stage/scene.py.
  update(data, report, trigger) {
    this.report = report;
    this.trigger = trigger;
    this.data = data;
    this.box.classList.toggle("dark", isDark(this.box));
    this.box.style.setProperty("--ratio", data.ratio);
    this.box.classList.toggle("alone", Boolean(data.alone));
    this.box.classList.toggle("presenting", Boolean(data.presenting));
    // Keys work right after the click on the switch, which would otherwise keep them.
    if (data.presenting && !this.presenting) this.box.focus({ preventScroll: true });
    this.presenting = data.presenting;
    this.box.classList.toggle("compact", Boolean(data.compact));
    if (data.palettes) this.palettes = data.palettes;
    if (this.photoKey !== data.photo_key) { this.photoKey = data.photo_key; this.marked = []; this.hovered = null; this.drawMarks(); }
    for (const [key, uri] of Object.entries(data.photos || {})) this.takePhoto(key, uri);
    let missing = data.wants.some((series) => !(series in this.counts) && !(series in data.sent));
    for (const lane of data.lanes) missing = this.takeLane(lane) || missing;
    for (const [series, count] of Object.entries(data.sent)) if (!this.runs.has(series)) this.counts[series] = count;
    if (data.ground && data.ground.views) { this.ground = data.ground; this.groundKey = data.ground.key; }
    if (data.ground) this.groundState = data.ground;
    this.forget();
    this.build();
    if (data.active) { this.pause(); this.at = 1; }
    if (data.active && !this.wasActive) this.comeIntoSight();
    const moving = data.active || this.wasActive;
    this.wasActive = data.active;
    this.parts.play.disabled = this.parts.clock.disabled = this.parts.back.disabled = this.parts.on.disabled = data.active || !this.playable();
    this.parts.notes.replaceChildren(...data.notes.map((note) => element("p", {}, note)));
    for (const panel of this.panels.values()) panel.index = -1;
    this.go(this.at);
    this.drawCharts();
    // What has buttons is not drawn anew while somebody may be pressing them, unless there is something new in it.
    const standing = JSON.stringify([data.hand, data.active, data.lanes.map((lane) => [lane.id, lane.run, lane.status, lane.title, lane.colour])]);
    if (standing !== this.standing) this.drawTable();
    if (standing !== this.standing || data.lanes.some((lane) => lane.slow)) this.drawSlow();
    this.standing = standing;
    this.offerTour();
    if (data.part) this.showPart(data.part);
    else if (data.compact && !this.begun) this.playWhenSeen();
    // A word to the server while nothing moves could cut into the visitor's way to another page.
    if (moving || missing) acknowledge(this, missing, data.active);
  }

  // News of the lanes that run, between two messages of the page's script. What does not change comes once.
  hear({ lanes, ...news }) {
    if (!this.data) return;
    const once = { starts: null, sketch: null, points: null, slow: null, frames: [] };
    const ground = this.data.ground && { ...this.data.ground, views: null };
    const all = this.data.lanes.map((lane) => {
      const mine = lanes[lane.id] || {}, other = mine.run && mine.run !== lane.run;
      if (other && !mine.directions) return { ...lane, ...once }; // its description was lost; it will come again
      return { ...(other ? {} : lane), ...once, ...mine };
    });
    this.update({ ...this.data, photos: null, palettes: null, ground, ...news, lanes: all }, this.report, this.trigger);
  }

  // One part of a film alone: a guess at its moves, a move unfolded, or lanes and plane.
  showPart(part) {
    if (this.part === part) return;
    this.part = part;
    for (const other of ["guess", "slow", "paths"]) this.box.classList.toggle(`part-${other}`, other === part);
    this.parts.predict.checked = part === "guess";
    Object.assign(this.slow, { guess: part === "guess", answered: false, mask: null });
    this.openSlow(part !== "paths");
    if (part === "paths") this.go(0);
  }

  // A film that is shown by the way plays by itself, over and over; not for who asked for less motion.
  playWhenSeen() {
    this.begun = true;
    if (matchMedia("(prefers-reduced-motion: reduce)").matches) return;
    this.parts.loop.checked = true;
    const sight = new IntersectionObserver(([entry]) => {
      if (!entry.isIntersecting) return;
      sight.disconnect();
      this.go(0);
      this.start();
    });
    sight.observe(this.box);
  }

  async takePhoto(key, uri) {
    const image = await loaded(uri);
    const { naturalWidth: width, naturalHeight: height } = image;
    this.scratch.width = width;
    this.scratch.height = height;
    const context = this.scratch.getContext("2d", { willReadFrequently: true });
    context.drawImage(image, 0, 0);
    const pixels = context.getImageData(0, 0, width, height).data;
    const light = new Float32Array(pixels.length / 4);
    for (let i = 0; i < light.length; i += 1) light[i] = 0.299 * pixels[4 * i] + 0.587 * pixels[4 * i + 1] + 0.114 * pixels[4 * i + 2];
    this.photos.set(key, { uri, light, width, height });
    this.build();
    this.drawMaps();
  }

  // Returns whether something sent before has not arrived.
  takeLane(lane) {
    if (lane.starts) this.starts.set(lane.id, lane.starts.states);
    if (!lane.run) return false;
    let run = this.runs.get(lane.run);
    if (!run) this.runs.set(lane.run, (run = new Run()));
    run.seen = performance.now();
    run.targets = lane.targets || run.targets;
    if (lane.sketch) this.takeSketch(lane, run);
    if (lane.points) this.takePoints(lane, run);
    if (lane.slow) this.takeSlow(lane.slow, run);
    if (lane.first > run.frames.length) return true;
    lane.frames.slice(run.frames.length - lane.first).forEach((frame) => {
      run.take({ ...frame }); // a film's message may be shown once more, elsewhere
      this.decode(run, run.frames.length - 1);
    });
    this.counts[lane.run] = run.frames.length;
    return run.frames.length < lane.total;
  }

  async decode(run, index) {
    const frame = run.frames[index];
    if (!frame.map) return;
    run.maps[index] = await levels(frame.map, this.scratch);
    frame.map = null; // the levels are all that is needed
    const panel = [...this.panels.values()].find((p) => p.run === run);
    if (panel && (this.seen(panel) === index || run.mapped(this.seen(panel)) === index)) this.drawMap(panel);
  }

  async takeSketch(lane, run) {
    run.sketch = { ...(await levels(lane.sketch.map, this.scratch)), peak: lane.sketch.peak, words: lane.sketch.words, states: lane.sketch.states };
    run.sketch.limit = saturation(run.sketch);
    for (const panel of this.panels.values()) if (panel.run === run && panel.lane) this.showStates(panel);
    this.drawMaps();
  }

  async takePoints(lane, run) {
    run.points = await Points.from(lane.points);
    run.words = lane.points.words;
    this.tellPixel();
    this.drawTable();
    this.drawMaps();
  }

  takeSlow({ first, moves }, run) {
    run.slow ||= [];
    moves.forEach((move, k) => { run.slow[first + k] = move; });
  }

  forget() {
    const photos = new Set([this.data.photo_key, ...this.data.lanes.map((lane) => lane.photo_key)]);
    for (const key of this.photos.keys()) if (!photos.has(key)) {
      this.photos.delete(key);
      delete this.counts[key];
    }
    const shown = new Set(this.data.lanes.map((lane) => lane.run));
    const old = [...this.runs.entries()].filter(([name]) => !shown.has(name)).sort((a, b) => a[1].seen - b[1].seen);
    for (const [name] of old.slice(0, Math.max(0, this.runs.size - KEPT))) {
      this.runs.delete(name);
      delete this.counts[name];
      for (const part of ["lane", "sketch", "points", "slow"]) delete this.counts[`${name} ${part}`];
    }
  }

  tell() {
    this.report("display", { mode: this.display.mode, opacity: this.display.opacity, slow: this.slow.open, steady: this.sigma > 0 });
  }

  ask(lane, what) {
    if (this.data.alone) { // a film has nobody to ask
      if (what === "hand") this.update({ ...this.data, hand: lane, lanes: this.data.lanes.map((each) => ({ ...each, points: null, slow: null })) }, this.report, this.trigger);
      return;
    }
    this.number += 1;
    this.trigger("act", { lane, what, number: `${this.mount}-${this.number}` });
  }

  // Lanes are built once and then only changed, so that nothing flickers.
  build() {
    const { data } = this;
    const names = data.lanes.map((lane) => lane.id);
    for (const [name, panel] of this.panels) if (!names.includes(name)) { panel.section.remove(); this.panels.delete(name); }
    data.lanes.forEach((lane, place) => {
      const layout = JSON.stringify([lane.directions, lane.colour]);
      let panel = this.panels.get(lane.id);
      if (!panel || panel.layout !== layout) {
        const built = this.lane(lane);
        if (panel) { built.ghost = panel.ghost || panel.drawn; built.photo = panel.photo; panel.section.replaceWith(built.section); }
        panel = built;
        panel.layout = layout;
        this.panels.set(lane.id, panel);
        this.unmarked = true;
      }
      if (this.parts.lanes.children[place] !== panel.section) this.parts.lanes.insertBefore(panel.section, this.parts.lanes.children[place] || null);
      this.dress(panel, lane, place);
    });
    if (this.unmarked && this.marked.length) this.drawMarks();
    this.unmarked = false;
  }

  lane(lane) {
    const title = element("b"), settings = element("small");
    const take = element("button", { class: "take", type: "button", title: "Take this lane in hand: the knobs are its own", onclick: () => this.ask(lane.id, "hand") }, title, settings);
    const tool = (name, what, label) => element("button", { class: "icon", type: "button", "aria-label": label, title: label, onclick: () => this.ask(lane.id, what) }, icon(name));
    const tools = {
      left: tool("left", "left", "Move to the left"), right: tool("right", "right", "Move to the right"),
      twin: tool("twin", "duplicate", "Put a copy beside it"), away: tool("away", "remove", "Remove this lane"),
    };
    const canvas = element("canvas", { class: "map", role: "img" });
    const hint = element("div", { class: "hint" });
    const badge = element("span", { class: "badge" });
    const scale = element("div", { class: "scale" }, element("span"), element("i"), element("span"));
    const panes = lane.directions.map((direction) => {
      const image = element("img", { class: "state", alt: `${direction.title}: ${direction.way}` });
      const moved = element("div", { class: "moved" });
      const draft = element("span", { class: "half", hidden: true }, "draft, half-way");
      const score = element("span", { class: "score" });
      const caption = element("figcaption", {}, element("span", {}, element("b", {}, direction.title), element("br"), direction.way), score);
      return { image, moved, draft, score, figure: element("figure", { class: "pane" }, element("div", { class: "box" }, image, moved, draft), caption) };
    });
    const map = element("figure", { class: "mapbox" }, element("div", { class: "box" }, canvas, hint, badge), scale);
    const words = element("div", { class: "words" });
    const probe = element("div", { class: "probe", "aria-live": "polite" });
    const steady = element("div", { class: "steady" });
    const gauges = lane.directions.map((direction) => {
      const text = element("span"), sum = element("i"), change = element("u");
      return { text, sum, change, box: element("div", { class: "gauge" }, text, element("div", { class: "bar" }, element("s", { style: "left:50%" }), sum, change)), title: direction.title };
    });
    const section = element("section", { class: "lane", "data-colour": lane.colour, "aria-label": lane.title },
      element("header", {}, take, element("span", { class: "tools" }, ...Object.values(tools))),
      element("div", { class: `panels${panes.length ? "" : " single"}` }, map, ...panes.map((p) => p.figure)),
      steady, probe, element("div", { class: "gauges" }, ...gauges.map((g) => g.box)), words);
    return { section, title, settings, tools, canvas, hint, badge, scale, panes, words, probe, steady, gauges, index: -1 };
  }

  dress(panel, lane, place) {
    const { data } = this;
    const run = lane.run ? this.runs.get(lane.run) : null;
    if (panel.run !== run || panel.photo !== lane.photo_key) {
      // The old map stays, faint, until there is a new one; not under another photo.
      panel.ghost = panel.photo === lane.photo_key ? panel.drawn || panel.ghost : null;
      panel.drawn = null;
      panel.index = -1;
    }
    Object.assign(panel, { run, lane, photo: lane.photo_key });
    const { section } = panel;
    section.dataset.method = lane.method;
    section.dataset.status = { waiting: "running", stopped: "done" }[lane.status] || lane.status;
    section.setAttribute("aria-label", lane.title);
    section.classList.toggle("hand", lane.id === data.hand && data.lanes.length > 1);
    panel.title.textContent = lane.title;
    panel.settings.textContent = lane.settings;
    panel.tools.left.disabled = place === 0;
    panel.tools.right.disabled = place === data.lanes.length - 1;
    panel.tools.twin.disabled = data.lanes.length >= data.most;
    panel.tools.away.disabled = data.lanes.length === 1;
    for (const tool of ["left", "right", "away"]) panel.tools[tool].hidden = data.lanes.length === 1;
    this.say(panel, lane);
    this.saySteady(panel, lane);
  }

  // How far a map would change if the photo changed invisibly, at the scale at which it is looked at.
  saySteady(panel, lane) {
    const { steady } = lane;
    panel.steady.hidden = this.data.alone || !(this.sigma > 0) || !panel.run || !panel.run.points;
    if (panel.steady.hidden) return;
    const what = !steady ? "Stability at this scale: not measured yet."
      : steady.error ? `Stability: ${steady.error}`
        : steady.scales ? `Stability at ${this.sigma} px: ${between(steady.scales, steady.values, this.sigma).toFixed(2)}` : `Measuring stability: ${Math.round(100 * steady.progress)} %`;
    panel.steady.textContent = what;
    panel.steady.title = "Spearman correlation with the map of the same photo under noise of about one grey level, both maps smoothed alike. 1: the same map.";
  }

  say(panel, lane) {
    const live = lane.status === "running" || lane.status === "waiting";
    if (!live) {
      const lines = lane.error ? [element("p", { class: "error", role: "alert" }, lane.error)] : (lane.words || []).map((words) => element("p", {}, words));
      if (lane.stale) lines.push(element("p", { class: "row quiet" }, "What is asked has changed since.", element("button", { class: "small", type: "button", onclick: () => this.ask(lane.id, "run") }, "Run")));
      else if (lane.back) lines.push(element("p", { class: "row quiet" }, "It came back from a file.", element("button", { class: "small", type: "button", onclick: () => this.ask(lane.id, "run") }, "Run it again")));
      else if (lane.status === "idle") lines.push(element("p", { class: "quiet" }, lane.directions.length ? "Its map grows while the path is walked." : "It has no path; its map comes in one piece."));
      if (lane.status === "idle" && this.data.begun) lines.push(element("button", { class: "small", type: "button", onclick: () => this.ask(lane.id, "run") }, "Run"));
      const told = JSON.stringify([lane.error, lane.words, lane.stale, lane.back, lane.status, this.data.begun]);
      if (panel.told !== told) panel.words.replaceChildren(...lines);
      panel.told = told;
      panel.meter = null;
      return;
    }
    if (!panel.meter) {
      panel.meter = element("i");
      panel.now = element("span", { class: "quiet" });
      panel.cancel = element("button", { class: "small", type: "button", onclick: () => this.ask(lane.id, "cancel") }, "Cancel");
      panel.words.replaceChildren(element("div", { class: "meter" }, panel.meter), element("div", { class: "row" }, panel.now, panel.cancel));
      panel.told = null;
    }
    panel.meter.style.width = `${100 * (lane.progress || 0)}%`;
    panel.meter.parentElement.setAttribute("role", "progressbar");
    panel.cancel.disabled = lane.cancelling;
    const left = lane.left === null || lane.left === undefined ? "" : `, about ${lane.left < 90 ? `${Math.max(1, Math.round(lane.left))} s` : `${(lane.left / 60).toFixed(1)} min`} left`;
    const frame = panel.run && panel.run.last;
    panel.now.textContent = lane.cancelling ? "stopping after this move" : lane.status === "waiting" ? "waiting for its turn"
      : `${!frame || !lane.directions.length ? "" : frame.copies ? `${counted(frame.copies)}, ` : frame.move || !lane.progress ? `move ${frame.move}, ` : "finding the path, "}${Math.round(100 * (lane.progress || 0))} %${left}`;
  }

  hand() {
    return this.data.lanes.find((lane) => lane.id === this.data.hand) || this.data.lanes[0];
  }

  filled() {
    return [...this.panels.values()].filter((panel) => panel.run && panel.run.frames.length);
  }

  playable() {
    return this.filled().some((panel) => panel.run.frames.length > 2);
  }

  get measure() {
    return this.parts.measure.value;
  }

  // What the clock's whole run is, in the measure's own unit.
  whole() {
    if (this.measure === "way" || this.measure === "pixels") return 1;
    return Math.max(1e-9, ...this.filled().map((panel) => panel.run.last[this.measure]));
  }

  start() {
    if (!this.playable() || this.data.active) return;
    if (this.at >= 1) this.at = 0;
    const whole = 7 / Number(this.parts.speed.value);
    let before = performance.now();
    const tick = (now) => {
      this.timer = requestAnimationFrame(tick);
      const next = this.at + (now - before) / 1000 / whole;
      before = now;
      if (next < 1) return this.go(next);
      this.go(1);
      if (this.parts.loop.checked) this.at = 0;
      else this.pause();
    };
    this.timer = requestAnimationFrame(tick);
    this.labelPlay(true);
  }

  pause() {
    cancelAnimationFrame(this.timer);
    this.timer = null;
    this.labelPlay(false);
  }

  labelPlay(running) {
    const { play } = this.parts;
    play.classList.toggle("running", running);
    play.setAttribute("aria-label", running ? "Pause" : "Play");
    play.title = `${running ? "Pause" : "Play"} (space)`;
  }

  // One picture of the lane in hand; the others follow by the clock.
  step(by) {
    if (this.data.active) return;
    this.pause();
    const hand = this.panels.get(this.hand().id);
    const panel = hand && hand.run && hand.run.frames.length > 1 ? hand : this.filled()[0];
    if (!panel) return;
    const places = panel.run.places(this.measure);
    let to = clamp(panel.index + by, 0, places.length - 1);
    // The result's own picture is at the same place as the last move's.
    while (to > 0 && to < places.length - 1 && places[to] === places[panel.index]) to += by;
    this.go(places[to] / this.whole(), { panel, to });
  }

  go(at, exact) {
    this.at = clamp(at, 0, 1);
    this.parts.clock.value = Math.round(1000 * this.at);
    const now = this.at * this.whole();
    for (const panel of this.panels.values()) {
      const { run } = panel;
      let index = -1;
      if (run && run.frames.length) {
        const newest = run.frames.length - 1;
        index = exact && exact.panel === panel ? exact.to : this.data.active || this.at >= 1 ? newest : lastUpTo(run.places(this.measure), now + 1e-9);
      }
      if (index === panel.index && index >= 0) continue;
      panel.index = index;
      this.show(panel);
    }
    const hand = this.panels.get(this.hand().id);
    const unfolding = hand ? `${hand.lane.run} ${hand.index}` : "";
    if (unfolding !== this.unfolding) { this.unfolding = unfolding; this.drawSlow(); }
    this.parts.where.textContent = this.playable() ? this.clockWords(now) : "";
    for (const movers of Object.values(this.movers)) for (const move of movers) move(now);
  }

  clockWords(now) {
    if (this.data.active) return "live";
    if (this.measure === "evaluations") return `${Math.round(now)} gradients`;
    if (this.measure === "seconds") return `${now.toFixed(1)} s`;
    return `${Math.round(100 * now)} % of the ${this.measure === "way" ? "way" : "pixels"}`;
  }

  show(panel) {
    const { run, lane } = panel, index = this.seen(panel);
    const frame = run ? run.frames[index] : null;
    this.showStates(panel);
    panel.panes.forEach((pane, d) => {
      const moved = frame && frame.moved[d];
      pane.moved.style.maskImage = pane.moved.style.webkitMaskImage = moved ? `url(${moved})` : "none";
      pane.moved.style.visibility = moved ? "visible" : "hidden";
      pane.moved.title = frame && frame.even ? "how far each pixel moved" : "the pixels that just moved";
      pane.score.textContent = frame ? short(this.scoreAt(run, d, frame.move)) : "";
    });
    this.gauge(panel, frame);
    this.drawMap(panel);
  }

  // The images that the paths have come to; while a path is being found, half of the way along what is known of it.
  showStates(panel) {
    const { run, lane } = panel, index = this.seen(panel);
    const frame = run ? run.frames[index] : null;
    const live = lane.status === "running" || lane.status === "waiting";
    const drafts = live && frame && !frame.move && run.sketch && run.sketch.states.length ? run.sketch.states : null;
    const starts = this.starts.get(lane.id);
    panel.panes.forEach((pane, d) => {
      const uri = drafts ? drafts[d] : frame ? frame.states[d] : starts && starts[d];
      if (uri) pane.image.src = uri;
      else pane.image.removeAttribute("src");
      pane.draft.hidden = !drafts;
    });
  }

  scoreAt(run, d, move) {
    const known = (run.scores[d] || []).slice(0, move + 1).filter((v) => v !== null);
    return known.length ? known[known.length - 1] : null;
  }

  // The running sum against the score's change, on a scale that shows 1 and 100 times as well.
  gauge(panel, frame) {
    panel.gauges.forEach((gauge, d) => {
      const known = frame && panel.run.scores[d] && panel.run.scores[d].length;
      gauge.box.hidden = !known;
      if (!known) return;
      const first = panel.run.scores[d].find((v) => v !== null);
      const away = this.isAway(panel, d) ? -1 : 1;
      const settled = panel.run.settled(this.seen(panel), known), sum = settled.sums[d] ?? 0;
      const change = away * (this.scoreAt(panel.run, d, settled.credited) - first);
      const unit = Math.max(Math.abs(away * (this.scoreAt(panel.run, d, Infinity) - first)), 1e-9);
      const place = (value) => 50 + 48 * clamp(Math.asinh((2 * value) / unit) / Math.asinh(300), -1, 1);
      const a = place(0), b = place(sum);
      gauge.sum.style.left = `${Math.min(a, b)}%`;
      gauge.sum.style.width = `${Math.abs(b - a)}%`;
      gauge.change.style.left = `${place(change)}%`;
      const name = panel.gauges.length > 1 ? `${gauge.title}: s` : "S";
      gauge.text.textContent = `${name}um ${signed(sum)} against a change of ${signed(change)}`;
    });
  }

  // On a phone the knobs fill the screen: after the first press the stage has to be seen.
  comeIntoSight() {
    if (this.box.getBoundingClientRect().top > 0.6 * window.innerHeight) this.box.scrollIntoView({ block: "start" });
  }

  isAway(panel, d) {
    return panel.lane.directions[d].way.startsWith("photo");
  }

  drawMaps() {
    this.parts.firmly.hidden = !this.filled().some((panel) => panel.run.points && panel.run.points.agreement);
    for (const panel of this.panels.values()) this.drawMap(panel);
  }

  orderLegend(panel) {
    const [low, bar, high] = panel.scale.children;
    const points = panel.run && panel.run.points;
    const ordered = points && points.ordered;
    bar.hidden = !ordered;
    bar.style.background = `linear-gradient(90deg, ${this.palettes.order.filter((_, k) => k % 16 === 0).map((c) => `rgb(${c.join(",")})`).join(",")})`;
    low.textContent = ordered ? "first" : points ? (panel.lane.directions.length ? "All pixels move all the time: there is no order." : "No path, so no order.") : "The order is known when the run has ended.";
    high.textContent = ordered ? "last" : "";
    panel.scale.title = "When each pixel moved: mean of the directions";
  }

  photoOf(panel) {
    return this.photos.get(panel.photo) || null;
  }

  drawMap(panel) {
    if (!this.palettes || !panel.lane) return;
    this.overlaySoon();
    const { run, canvas, lane } = panel, index = this.seen(panel);
    const live = lane.status === "running" || lane.status === "waiting";
    let map = null;
    if (run && index >= 0) {
      // A picture that is still being decoded leaves the one before it.
      for (let k = run.mapped(index); k >= 0 && !map; k -= 1) if (run.maps[k]) map = { ...run.maps[k], peak: run.frames[k].peak, limit: run.frames[k].limit };
      if (map && this.sigma > 0) map = this.smooth(panel, map);
      if (map && !live) map.limit = this.finalLimit(run);
      if (map && this.parts.same.checked) map.limit = Math.max(...this.filled().map((p) => this.finalLimit(p.run)));
    }
    const sketch = run && live ? run.sketch : null;
    const under = sketch || (live || !map ? panel.ghost : null);
    panel.hint.hidden = Boolean(map || under);
    panel.hint.style.display = map || under ? "none" : "";
    panel.hint.textContent = lane.error ? "no map" : "The map grows here.";
    // Of several copies the last map stands for itself; on the way there it is said how many are in it.
    const copies = map && (live || index < run.frames.length - 1) ? run.frames[index].copies : 0;
    panel.badge.textContent = copies ? `mean of ${counted(copies)}` : !live || !under ? "" : sketch ? `${map ? "under it: " : ""}${sketch.words}` : "under it: the last map";
    panel.badge.hidden = !panel.badge.textContent;
    panel.badge.style.display = panel.badge.hidden ? "none" : "";
    const shown = map || under;
    canvas.hidden = !shown;
    panel.scale.style.visibility = shown ? "visible" : "hidden";
    if (!shown) return;
    const { width, height } = shown;
    if (canvas.width !== width || canvas.height !== height) { canvas.width = width; canvas.height = height; }
    const context = canvas.getContext("2d");
    if (!this.buffer || this.buffer.width !== width || this.buffer.height !== height) this.buffer = context.createImageData(width, height);
    const photo = this.photoOf(panel);
    const light = photo && photo.width === width && photo.height === height ? this.shade(photo) : null;
    if (this.display.mode === "order") this.paintOrder(panel, light);
    else paint(this.buffer.data, map, under, this.palettes[this.display.mode], light, light ? this.display.opacity : 1);
    const points = run && run.points;
    if (map && !live && points && points.agreement && this.parts.firm.checked && !(this.sigma > 0)) leaveBare(this.buffer.data, (k) => points.doubts(k), light);
    context.putImageData(this.buffer, 0, 0);
    if (map) panel.drawn = map;
    canvas.setAttribute("aria-label", `attribution map of ${lane.title} over the photo${run && run.words ? `: ${run.words}` : ""}`);
    this.legend(panel, shown);
    this.saySteady(panel, lane);
  }

  // The photo below the maps, darker (below 1) or lighter (above 1) by choice.
  shade(photo) {
    const bright = Number(this.parts.bright.value);
    photo.shaded ||= bright === 1 ? photo.light : photo.light.map((v) => (bright < 1 ? v * bright : 255 - (255 - v) * (2 - bright)));
    return photo.shaded;
  }

  // A map at the reader's scale, as levels again; the last one asked for is kept.
  smooth(panel, map) {
    const at = panel.run.mapped(this.seen(panel)), key = `${panel.lane.run} ${at} ${this.sigma}`;
    if (panel.smoothKey === key) return { ...panel.smooth };
    const made = blurred(map, this.sigma);
    // A picture that is still being decoded is stood in for by an earlier one.
    if (panel.run.maps[at]) Object.assign(panel, { smoothKey: key, smooth: made });
    return { ...made };
  }

  // Where the colours of a run's last picture saturate, at the reader's scale.
  finalLimit(run) {
    const last = run.maps[run.frames.length - 1];
    if (!(this.sigma > 0) || !last) return run.last.limit;
    if (!run.blurred || run.blurred.sigma !== this.sigma) run.blurred = { sigma: this.sigma, limit: blurred({ ...last, peak: run.last.peak }, this.sigma).limit };
    return run.blurred.limit;
  }

  // When each pixel moved; those that have not moved yet are bare.
  paintOrder(panel, light) {
    const { points } = panel.run || {};
    const pixels = this.buffer.data, palette = this.palettes.order, opacity = light ? this.display.opacity : 1;
    const bare = this.palettes.signed[128];
    const frame = panel.run && panel.run.frames[this.seen(panel)];
    const early = points && points.ordered ? points.early : null;
    for (let i = 0, k = 0; i < pixels.length; i += 4, k += 1) {
      const there = early && frame && points.when.some((times, d) => !points.even[d] && times[k] && times[k] <= frame.move + 0.05);
      const colour = there ? palette[Math.round(255 * (1 - early[k]))] : bare;
      const rest = light ? (1 - opacity) * light[k] : 0;
      for (let c = 0; c < 3; c += 1) pixels[i + c] = rest + opacity * colour[c];
      pixels[i + 3] = 255;
    }
  }

  legend(panel, shown) {
    if (this.display.mode === "order") return this.orderLegend(panel);
    const signedMode = this.display.mode === "signed";
    const [low, bar, high] = panel.scale.children;
    const draft = shown.states && shown.states.length; // an order that is not walked yet
    const stops = this.palettes[this.display.mode].slice(signedMode && !draft ? 1 : 128).filter((_, k) => k % 16 === 0).map((c) => `rgb(${c.join(",")})`);
    bar.style.background = `linear-gradient(90deg, ${stops.join(",")})`;
    low.textContent = draft ? "later" : signedMode ? `against, -${short(shown.limit)}` : "0";
    high.textContent = draft ? "first" : signedMode ? `for, +${short(shown.limit)}` : `|a| ${short(shown.limit)}`;
    bar.hidden = false;
    panel.scale.title = draft ? "When each pixel would move, as far as the path is known" : "Colours saturate at the 99th percentile of |a|, in units of the score";
  }
}

const counted = (copies) => `${copies} ${copies > 1 ? "copies" : "copy"}`;
const signed = (value) => `${value < 0 ? "-" : "+"}${short(Math.abs(value))}`;

// A value between those known at ascending places.
function between(places, values, at) {
  const k = clamp(lastUpTo(places, at), 0, places.length - 2);
  const share = clamp((at - places[k]) / (places[k + 1] - places[k]), 0, 1);
  return values[k] + share * (values[k + 1] - values[k]);
}

// The 99th percentile of a map's magnitudes, from its levels.
function saturation(map) {
  const sizes = Float32Array.from(map.grey, (level) => Math.abs(expand(level))).sort();
  return map.peak * (sizes[Math.floor(0.99 * (sizes.length - 1))] || sizes[sizes.length - 1] || 1);
}

// A map smoothed by a Gaussian, as levels, with where its colours saturate.
function blurred(map, sigma) {
  const values = smoothed(Float32Array.from(map.grey, (level) => map.peak * expand(level)), map.width, map.height, sigma);
  const peak = values.reduce((most, v) => Math.max(most, Math.abs(v)), 1e-30);
  const made = { ...map, peak, grey: Uint8Array.from(values, (v) => Math.round(128 + 127 * Math.sign(v) * Math.sqrt(Math.abs(v) / peak))) };
  return { ...made, limit: saturation(made) };
}

// Paint a map over the light of a photo. Where a growing map has no credit yet, what lies under it shows through, faint.
function paint(pixels, map, under, palette, light, opacity) {
  const table = map ? colourTable(map.peak, map.limit) : null;
  const below = under ? colourTable(under.peak, under.limit) : null;
  const neutral = palette[128];
  for (let i = 0, k = 0; i < pixels.length; i += 4, k += 1) {
    const level = map ? map.grey[k] : 128;
    const bare = level > 125 && level < 131;
    let r, g, b;
    if (bare && below) {
      const colour = palette[below[under.grey[k]]];
      const faint = map ? 0.4 : 0.6;
      r = neutral[0] + faint * (colour[0] - neutral[0]);
      g = neutral[1] + faint * (colour[1] - neutral[1]);
      b = neutral[2] + faint * (colour[2] - neutral[2]);
    } else {
      const colour = table ? palette[table[level]] : neutral;
      [r, g, b] = colour;
    }
    const rest = light ? (1 - opacity) * light[k] : 0;
    pixels[i] = rest + opacity * r;
    pixels[i + 1] = rest + opacity * g;
    pixels[i + 2] = rest + opacity * b;
    pixels[i + 3] = 255;
  }
}

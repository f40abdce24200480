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
    this.parts = Object.fromEntries(["lanes", "play", "clock", "where", "measure", "speed", "loop", "back", "on", "full", "opacity", "same", "marks", "plane", "scores", "sums", "notes", "tip"].map((n) => [n, find(`.${n}`)]));
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
    same.addEventListener("change", () => this.drawMaps());
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
    this.observer = new ResizeObserver(() => this.data && this.drawCharts());
    this.observer.observe(this.parts.scores);
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
    if (inside.closest && inside.closest("input:not([type=checkbox]), select, textarea, [contenteditable], [role=slider], [role=radio], [role=tab], [role=combobox]") && !inside.classList.contains("clock")) return;
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
    if (data.palettes) this.palettes = data.palettes;
    if (data.photo) this.takePhoto(data.photo_series, data.photo);
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
    // A word to the server while nothing moves could cut into the visitor's way to another page.
    if (moving || missing) acknowledge(this, missing, data.active);
  }

  async takePhoto(series, uri) {
    const image = await loaded(uri);
    const { naturalWidth: width, naturalHeight: height } = image;
    this.scratch.width = width;
    this.scratch.height = height;
    const context = this.scratch.getContext("2d", { willReadFrequently: true });
    context.drawImage(image, 0, 0);
    const pixels = context.getImageData(0, 0, width, height).data;
    const light = new Float32Array(pixels.length / 4);
    for (let i = 0; i < light.length; i += 1) light[i] = 0.299 * pixels[4 * i] + 0.587 * pixels[4 * i + 1] + 0.114 * pixels[4 * i + 2];
    this.photos.set(series, { uri, light, width, height });
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
    if (lane.first > run.frames.length) return true;
    lane.frames.slice(run.frames.length - lane.first).forEach((frame) => {
      run.take(frame);
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
    if (panel && panel.index === index) this.drawMap(panel);
  }

  async takeSketch(lane, run) {
    run.sketch = { ...(await levels(lane.sketch.map, this.scratch)), peak: lane.sketch.peak, moves: lane.sketch.moves };
    run.sketch.limit = saturation(run.sketch);
    this.drawMaps();
  }

  forget() {
    const shown = new Set(this.data.lanes.map((lane) => lane.run));
    const old = [...this.runs.entries()].filter(([name]) => !shown.has(name)).sort((a, b) => a[1].seen - b[1].seen);
    for (const [name] of old.slice(0, Math.max(0, this.runs.size - KEPT))) {
      this.runs.delete(name);
      delete this.counts[name];
      delete this.counts[`${name} sketch`];
    }
  }

  tell() {
    this.report("display", { mode: this.display.mode, opacity: this.display.opacity });
  }

  ask(lane, what) {
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
      }
      if (this.parts.lanes.children[place] !== panel.section) this.parts.lanes.insertBefore(panel.section, this.parts.lanes.children[place] || null);
      this.dress(panel, lane, place);
    });
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
      const score = element("span", { class: "score" });
      const caption = element("figcaption", {}, element("span", {}, element("b", {}, direction.title), element("br"), direction.way), score);
      return { image, moved, score, figure: element("figure", { class: "pane" }, element("div", { class: "box" }, image, moved), caption) };
    });
    const map = element("figure", { class: "mapbox" }, element("div", { class: "box" }, canvas, hint, badge), scale);
    const words = element("div", { class: "words" });
    const gauges = lane.directions.map((direction) => {
      const text = element("span"), sum = element("i"), change = element("u");
      return { text, sum, change, box: element("div", { class: "gauge" }, text, element("div", { class: "bar" }, element("s", { style: "left:50%" }), sum, change)), title: direction.title };
    });
    const section = element("section", { class: "lane", "data-colour": lane.colour, "aria-label": lane.title },
      element("header", {}, take, element("span", { class: "tools" }, ...Object.values(tools))),
      element("div", { class: `panels${panes.length ? "" : " single"}` }, map, ...panes.map((p) => p.figure)),
      element("div", { class: "gauges" }, ...gauges.map((g) => g.box)), words);
    return { section, title, settings, tools, canvas, hint, badge, scale, panes, words, gauges, index: -1 };
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
  }

  say(panel, lane) {
    const live = lane.status === "running" || lane.status === "waiting";
    if (!live) {
      const lines = lane.error ? [element("p", { class: "error", role: "alert" }, lane.error)] : (lane.words || []).map((words) => element("p", {}, words));
      if (lane.stale) lines.push(element("p", { class: "row quiet" }, "Its settings have changed since.", element("button", { class: "small", type: "button", onclick: () => this.ask(lane.id, "run") }, "Run")));
      else if (lane.status === "idle") lines.push(element("p", { class: "quiet" }, lane.directions.length ? "Its map grows while the path is walked." : "It has no path; its map comes in one piece."));
      if (lane.status === "idle" && this.data.begun) lines.push(element("button", { class: "small", type: "button", onclick: () => this.ask(lane.id, "run") }, "Run"));
      const told = JSON.stringify([lane.error, lane.words, lane.stale, lane.status, this.data.begun]);
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
      : `${frame && lane.directions.length ? `move ${frame.move}, ` : ""}${Math.round(100 * (lane.progress || 0))} %${left}`;
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
    const to = clamp(panel.index + by, 0, places.length - 1);
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
    const { run, index, lane } = panel;
    const frame = run ? run.frames[index] : null;
    const starts = this.starts.get(lane.id);
    panel.panes.forEach((pane, d) => {
      const uri = frame ? frame.states[d] : starts && starts[d];
      if (uri) pane.image.src = uri;
      else pane.image.removeAttribute("src");
      const moved = frame && frame.moved[d];
      pane.moved.style.maskImage = pane.moved.style.webkitMaskImage = moved ? `url(${moved})` : "none";
      pane.moved.style.visibility = moved ? "visible" : "hidden";
      pane.moved.title = frame && frame.even ? "how far each pixel moved" : "the pixels that just moved";
      pane.score.textContent = frame ? short(this.scoreAt(run, d, frame.move)) : "";
    });
    this.gauge(panel, frame);
    this.drawMap(panel);
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
      const change = away * (this.scoreAt(panel.run, d, frame.move) - first), sum = frame.sums[d] ?? 0;
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
    for (const panel of this.panels.values()) this.drawMap(panel);
  }

  photoOf(panel) {
    for (const [series, photo] of this.photos) if (series.startsWith(`photo ${panel.photo}`)) return photo;
    return null;
  }

  drawMap(panel) {
    if (!this.palettes || !panel.lane) return;
    const { run, index, canvas, lane } = panel;
    const live = lane.status === "running" || lane.status === "waiting";
    let map = null;
    if (run && index >= 0) {
      // A picture that is still being decoded leaves the one before it.
      for (let k = index; k >= 0 && !map; k -= 1) if (run.maps[k]) map = { ...run.maps[k], peak: run.frames[k].peak, limit: run.frames[k].limit };
      const final = run.last.limit;
      if (map && !live) map.limit = final;
      if (map && this.parts.same.checked) map.limit = Math.max(...this.filled().map((p) => p.run.last.limit));
    }
    const sketch = run && live ? run.sketch : null;
    const under = sketch || (live || !map ? panel.ghost : null);
    panel.hint.hidden = Boolean(map || under);
    panel.hint.style.display = map || under ? "none" : "";
    panel.hint.textContent = lane.error ? "no map" : "The map grows here.";
    panel.badge.textContent = !live || !under ? "" : sketch ? `under it: a sketch, ${sketch.moves} of 4 large moves` : "under it: the last map";
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
    const light = photo && photo.width === width && photo.height === height ? photo.light : null;
    paint(this.buffer.data, map, under, this.palettes[this.display.mode], light, light ? this.display.opacity : 1);
    context.putImageData(this.buffer, 0, 0);
    if (map) panel.drawn = map;
    canvas.setAttribute("aria-label", `attribution map of ${lane.title} over the photo${lane.seen ? `: ${lane.seen}` : ""}`);
    this.legend(panel, shown);
  }

  legend(panel, shown) {
    const signedMode = this.display.mode === "signed";
    const [low, bar, high] = panel.scale.children;
    const stops = this.palettes[this.display.mode].slice(signedMode ? 1 : 128).filter((_, k) => k % 16 === 0).map((c) => `rgb(${c.join(",")})`);
    bar.style.background = `linear-gradient(90deg, ${stops.join(",")})`;
    low.textContent = signedMode ? `against, -${short(shown.limit)}` : "0";
    high.textContent = signedMode ? `for, +${short(shown.limit)}` : `|a| ${short(shown.limit)}`;
    panel.scale.title = "Colours saturate at the 99th percentile of |a|, in units of the score";
  }

  // ---- the three pictures below the lanes

  drawCharts() {
    if (!this.data) return;
    this.drawPlane();
    this.drawScores();
    this.drawSums();
  }

  series(value) {
    const found = [];
    for (const panel of this.filled()) panel.lane.directions.forEach((direction, d) => found.push(...value(panel, d, direction)));
    return found.filter((series) => series.points.length);
  }

  drawScores() {
    const series = this.series((panel, d, direction) => {
      const scores = panel.run.scores[d] || [];
      const points = scores.map((v, move) => [panel.run.place(move, this.measure), v]).filter(([, v]) => v !== null);
      return [{ colour: panel.lane.colour, kind: this.isAway(panel, d) ? "path away" : "path", points, panel, name: `${panel.lane.title}, ${direction.title.toLowerCase()}` }];
    });
    const away = series.some((s) => s.kind.includes("away")) ? "; dashed: walking away from the photo" : "";
    this.chart("scores", `Score along the way: ${this.data.score}`, series, `by ${LABELS[this.measure]}${away}`, (v) => v, "The scores appear while paths are walked.");
  }

  drawSums() {
    let unit = 1e-9;
    const series = this.series((panel, d, direction) => {
      const { run } = panel;
      const scores = run.scores[d] || [];
      const first = scores.find((v) => v !== null && v !== undefined);
      if (first === undefined) return [];
      const sign = this.isAway(panel, d) ? -1 : 1;
      const changes = scores.map((v, move) => [run.place(move, this.measure), v === null ? null : sign * (v - first)]).filter(([, v]) => v !== null);
      unit = Math.max(unit, ...changes.map(([, v]) => Math.abs(v)));
      const common = { colour: panel.lane.colour, panel, name: `${panel.lane.title}, ${direction.title.toLowerCase()}` };
      const style = this.isAway(panel, d) ? "path away" : "path";
      return [
        { ...common, kind: style, points: run.frames.map((f) => [f[this.measure], f.sums[d] ?? 0]) },
        { ...common, kind: "path change", points: changes, quiet: true },
      ];
    });
    // Straight near zero, logarithmic beyond the largest change: a sum may be a hundred times too large.
    this.chart("sums", "Running sum of the map", series, "dotted: the score's change, which it should meet", (v) => Math.asinh((2 * v) / unit), "The sums appear while paths are walked.", (y) => (Math.sinh(y) * unit) / 2);
  }

  chart(name, title, series, under, bend, empty, unbend) {
    const section = this.parts[name];
    const movers = (this.movers[name] = []);
    const field = element("div", { class: "field" });
    section.replaceChildren(element("h3", {}, title), field, element("p", { class: "under" }, series.length ? under : ""));
    if (!series.length) { field.append(element("div", { class: "empty" }, empty)); return; }
    const width = Math.max(field.clientWidth, 200), height = field.clientHeight || 236;
    const left = 46, right = 12, top = 8, bottom = 22;
    const values = series.flatMap((s) => s.points.map(([, v]) => bend(v)));
    let low = Math.min(...values, 0), high = Math.max(...values, 0);
    if (high - low < 1e-9) { low -= 1; high += 1; }
    const room = 0.05 * (high - low);
    low -= room; high += room;
    const whole = this.whole();
    const x = (v) => left + (v / whole) * (width - left - right);
    const y = (v) => top + (1 - (bend(v) - low) / (high - low)) * (height - top - bottom);
    const svg = shape("svg", { viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": title });
    for (const tick of unbend ? bentTicks(unbend(low), unbend(high)) : ticks(low, high)) {
      svg.append(shape("line", { class: tick === 0 ? "zero" : "grid", x1: left, x2: width - right, y1: y(tick), y2: y(tick) }));
      svg.append(shape("text", { x: left - 6, y: y(tick) + 4, "text-anchor": "end" }, unbend ? short(tick).replace(/\.0+$/, "") : String(tick)));
    }
    const percent = this.measure === "way" || this.measure === "pixels";
    for (const tick of ticks(0, percent ? 100 * whole : whole, 4)) svg.append(shape("text", { x: x(percent ? tick / 100 : tick), y: height - 6, "text-anchor": "middle" }, percent ? `${tick} %` : String(tick)));
    if (!this.data.active) {
      const line = shape("line", { class: "now", y1: top, y2: height - bottom });
      movers.push((now) => { line.setAttribute("x1", x(now)); line.setAttribute("x2", x(now)); });
      svg.append(line);
    }
    for (const { colour, kind, points, panel, quiet, name: title } of series) {
      const d = points.map(([a, b], k) => `${k ? "L" : "M"}${x(a).toFixed(1)} ${y(b).toFixed(1)}`).join("");
      svg.append(shape("path", { class: kind, "data-colour": colour, d }, shape("title", {}, title)));
      if (quiet) continue;
      const places = points.map(([a]) => a);
      const dot = shape("circle", { "data-colour": colour, r: 4 });
      movers.push(() => {
        const frame = panel.run && panel.run.frames[panel.index];
        if (!frame) return;
        const here = points[lastUpTo(places, frame[this.measure] + 1e-9)];
        dot.setAttribute("cx", x(here[0]));
        dot.setAttribute("cy", y(here[1]));
      });
      svg.append(dot);
    }
    field.append(svg);
    for (const move of movers) move(this.at * whole);
  }

  drawPlane() {
    const section = this.parts.plane;
    const movers = (this.movers.plane = []);
    const ground = this.ground;
    const shown = new Set(this.filled().map((panel) => panel.lane.run));
    const views = ground ? ground.views.filter((view) => view.tracks.some((track) => shown.has(track.run))) : [];
    const state = this.groundState;
    const head = element("h3", {}, "Path plane");
    if (!views.length) {
      const words = state && state.error ? state.error : this.data.active ? "The plane is computed when all paths have arrived." : state && state.active ? "Working out the plane ..." : this.filled().some((p) => p.lane.directions.length) ? "No plane: a stopped or failed path has none." : "Where the paths run between their two ends, over a ground of the score. It appears after a run of a path method.";
      section.replaceChildren(head, element("div", { class: "field" }, element("div", { class: "empty" }, words)), element("p", { class: "under" }, ""));
      return;
    }
    const view = views[Math.min(this.plane, views.length - 1)];
    const tabs = element("div", { class: "tabs", role: "group", "aria-label": "Planes" });
    views.forEach((other, k) => tabs.append(element("button", { type: "button", "aria-pressed": String(other === view), onclick: () => { this.plane = k; this.drawPlane(); } }, `${other.ends.join(" → ")} (${other.tracks.length})`)));
    const field = element("div", { class: "field" });
    const under = element("p", { class: "under" });
    section.replaceChildren(element("div", { class: "row" }, head, tabs), field, under);
    const width = Math.max(field.clientWidth, 200), height = field.clientHeight || 236;
    const [x0, y0] = view.low, [x1, y1] = view.high;
    const x = (v) => ((v - x0) / (x1 - x0)) * width;
    const y = (v) => (1 - (v - y0) / (y1 - y0)) * height;
    const key = JSON.stringify([ground.version, ground.key, view.ends, this.box.classList.contains("dark"), width, height]);
    if (this.floorKey !== key) { this.floor = floor(view, width, height, this.box.classList.contains("dark")); this.floorKey = key; }
    field.append(this.floor.canvas);
    const svg = shape("svg", { viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": `paths from ${view.ends.join(" to ")} seen in one plane` });
    svg.append(shape("line", { class: "straight", x1: x(0), y1: y(0), x2: x(1), y2: y(0) }));
    const hot = [];
    const away = new Map(); // distance of each path's present state from the plane
    for (const track of view.tracks) {
      const panel = this.filled().find((p) => p.lane.run === track.run);
      if (!panel) continue;
      const d = track.places.map(([a, b], k) => `${k ? "L" : "M"}${x(a).toFixed(1)} ${y(b).toFixed(1)}`).join("");
      const colour = panel.lane.colour;
      const direction = this.directionOf(panel, track);
      svg.append(shape("path", { class: "halo", d }), shape("path", { class: this.isAway(panel, direction) ? "path away" : "path", "data-colour": colour, d }));
      const dots = track.places.map(([a, b]) => shape("circle", { "data-colour": colour, cx: x(a), cy: y(b), r: 2.4 }));
      let large = 0;
      movers.push(() => {
        const frame = panel.run && panel.run.frames[panel.index];
        const now = frame ? Math.min(frame.dot, dots.length - 1) : 0;
        dots[large].setAttribute("r", 2.4);
        dots[now].setAttribute("r", 6);
        large = now;
        away.set(track, `${panel.lane.title} ${track.off[now].toFixed(2)}`);
      });
      svg.append(...dots);
      track.places.forEach(([a, b], k) => {
        const spot = shape("circle", { class: "hot", cx: x(a), cy: y(b), r: 9 });
        spot.addEventListener("pointerenter", () => this.point(panel, direction, track, k, spot));
        spot.addEventListener("pointerleave", () => { this.parts.tip.hidden = true; });
        hot.push(spot);
      });
    }
    svg.append(shape("text", { class: "end", x: clamp(x(0), 4, width - 40), y: y(0) + 18, "text-anchor": "middle" }, view.ends[0]));
    svg.append(shape("text", { class: "end", x: clamp(x(1), 40, width - 22), y: y(0) + 18, "text-anchor": "middle" }, view.ends[1]));
    svg.append(...hot);
    field.append(svg);
    const share = view.share === null ? "All states lie on the line; the second axis is a random direction." : `The second axis holds ${Math.round(100 * view.share)} % of what leaves the line.`;
    const range = this.floor.low === null ? "" : ` Ground: ${view.score}, ${short(this.floor.low)} (dark) to ${short(this.floor.high)} (light).`;
    const busy = state && state.active ? ` Ground ${Math.round(100 * state.progress)} %.` : "";
    const off = element("span");
    movers.push(() => { off.textContent = [...away.values()].join(", "); });
    under.replaceChildren(`${share} Off the plane now, in lengths of the way: `, off, `.${range}${busy}`);
    for (const move of movers) move();
    if (state && state.active) under.append(" ", element("button", { class: "small", type: "button", onclick: () => this.ask("", "no-ground") }, "Stop"));
  }

  directionOf(panel, track) {
    const names = panel.lane.directions.map((direction) => direction.title.toLowerCase());
    return Math.max(0, names.indexOf(track.direction));
  }

  point(panel, d, track, k, spot) {
    const frame = panel.run.frames.find((f) => f.dot === k);
    if (!frame) return;
    const { tip } = this.parts;
    tip.replaceChildren(element("img", { src: frame.states[d], alt: "the image there" }), `${panel.lane.title}, move ${frame.move}: score ${short(this.scoreAt(panel.run, d, frame.move))}, ${track.off[k].toFixed(2)} off the plane`);
    tip.hidden = false;
    const box = this.box.getBoundingClientRect(), place = spot.getBoundingClientRect();
    tip.style.left = `${clamp(place.left - box.left + 16, 0, box.width - 140)}px`;
    tip.style.top = `${Math.max(0, place.top - box.top - tip.offsetHeight - 8)}px`;
  }
}

const signed = (value) => `${value < 0 ? "-" : "+"}${short(Math.abs(value))}`;

// The 99th percentile of a map's magnitudes, from its levels.
function saturation(map) {
  const sizes = Float32Array.from(map.grey, (level) => Math.abs(expand(level))).sort();
  return map.peak * (sizes[Math.floor(0.99 * (sizes.length - 1))] || sizes[sizes.length - 1] || 1);
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

// Round numbers on both sides of zero, a power of ten apart where the scale is logarithmic.
function bentTicks(low, high) {
  const size = Math.max(Math.abs(low), Math.abs(high));
  const top = 10 ** Math.floor(Math.log10(size));
  const found = [0];
  for (const v of [top, top / 10, top / 100]) for (const s of [-1, 1]) if (s * v >= low && s * v <= high) found.push(s * v);
  return found.sort((a, b) => a - b);
}

// The ground as bands of equal score, lighter for higher.
function floor(view, width, height, dark) {
  const canvas = element("canvas");
  canvas.width = Math.round(width / 2);
  canvas.height = Math.round(height / 2);
  const rows = view.values.length, columns = view.values[0].length;
  const known = view.values.flat().filter((v) => v !== null);
  if (!known.length) return { canvas, low: null, high: null };
  const low = Math.min(...known), high = Math.max(...known);
  const values = filled(view.values);
  const context = canvas.getContext("2d");
  const image = context.createImageData(canvas.width, canvas.height);
  const from = dark ? [22, 24, 32] : [176, 186, 204], to = dark ? [104, 118, 150] : [250, 250, 247];
  const bands = 11;
  for (let py = 0; py < canvas.height; py += 1) {
    const v = (1 - (py + 0.5) / canvas.height) * (rows - 1);
    const r = Math.min(Math.floor(v), rows - 2), fr = v - r;
    for (let px = 0; px < canvas.width; px += 1) {
      const u = ((px + 0.5) / canvas.width) * (columns - 1);
      const c = Math.min(Math.floor(u), columns - 2), fc = u - c;
      const value = (1 - fr) * ((1 - fc) * values[r][c] + fc * values[r][c + 1]) + fr * ((1 - fc) * values[r + 1][c] + fc * values[r + 1][c + 1]);
      const band = Math.min(bands - 1, Math.floor((bands * (value - low)) / Math.max(high - low, 1e-9))) / (bands - 1);
      const at = 4 * (py * canvas.width + px);
      for (let k = 0; k < 3; k += 1) image.data[at + k] = from[k] + band * (to[k] - from[k]);
      image.data[at + 3] = 255;
    }
  }
  context.putImageData(image, 0, 0);
  return { canvas, low, high };
}

// Unknown cells take their nearest known neighbour's value until their own is there.
function filled(values) {
  const known = [];
  values.forEach((row, r) => row.forEach((v, c) => { if (v !== null) known.push([r, c, v]); }));
  return values.map((row, r) => row.map((v, c) => {
    if (v !== null) return v;
    let best = known[0], least = Infinity;
    for (const cell of known) {
      const far = (cell[0] - r) ** 2 + (cell[1] - c) ** 2;
      if (far < least) { least = far; best = cell; }
    }
    return best[2];
  }));
}

export default function ({ parentElement }) {
  const box = parentElement.querySelector(".stage");
  const stage = (window.sampStage ||= { view: null, waiting: [] });
  if (!stage.view || stage.view.box !== box) {
    if (stage.view) stage.view.destroy();
    stage.view = new View(parentElement);
    for (const message of stage.waiting.splice(0)) stage.view.update(...message);
  }
  const mine = stage.view;
  return () => {
    // Called before an update as well as at the end: only what outlives the element has to go.
    if (box.isConnected) return;
    mine.destroy();
    if (stage.view === mine) stage.view = null;
  };
}

// The three pictures below the lanes: the path plane, the scores along the way, the running sums.

Object.assign(View.prototype, {
  drawCharts() {
    if (!this.data) return;
    this.drawPlane();
    this.drawScores();
    this.drawSums();
  },

  series(value) {
    const found = [];
    // A lane that still shows another photo, network, class or score has no place among the others.
    for (const panel of this.filled()) if (!panel.lane.apart) panel.lane.directions.forEach((direction, d) => found.push(...value(panel, d, direction)));
    return found.filter((series) => series.points.length);
  },

  drawScores() {
    const series = this.series((panel, d, direction) => {
      const scores = panel.run.scores[d] || [];
      const points = scores.map((v, move) => [panel.run.place(move, this.measure), v]).filter(([, v]) => v !== null);
      return [{ colour: panel.lane.colour, kind: this.isAway(panel, d) ? "path away" : "path", points, panel, name: `${panel.lane.title}, ${direction.title.toLowerCase()}` }];
    });
    const away = series.some((s) => s.kind.includes("away")) ? "; dashed: walking away from the photo" : "";
    const drafts = this.measure === "way" && series.length ? this.drafts().filter(({ track }) => track.scores.length === track.places.length) : [];
    for (const { track, panel, age } of drafts) {
      const kind = `draft${this.isAway(panel, this.directionOf(panel, track)) ? " away" : ""}`;
      series.push({ colour: panel.lane.colour, kind, age, quiet: true, points: track.ways.map((way, k) => [way, track.scores[k]]), panel, name: `${panel.lane.title}, ${track.direction}, ${track.words}` });
    }
    const thin = drafts.length ? "; thin: drafts of the path, the palest first" : "";
    this.chart("scores", `Score along the way: ${this.data.score}`, series, `by ${LABELS[this.measure]}${away}${thin}`, (v) => v, "The scores appear while paths are walked.");
  },

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
        { ...common, kind: style, points: run.frames.map((f) => [f.credited < f.move ? run.place(f.credited, this.measure) : f[this.measure], f.sums[d] ?? 0]) },
        { ...common, kind: "path change", points: changes, quiet: true },
      ];
    });
    // Straight near zero, logarithmic beyond the largest change: a sum may be a hundred times too large.
    this.chart("sums", "Running sum of the map", series, "dotted: the score's change, which it should meet", (v) => Math.asinh((2 * v) / unit), "The sums appear while paths are walked.", (y) => (Math.sinh(y) * unit) / 2);
  },

  // The shown runs' paths as they were known while they were being found; older ones are paler.
  drafts(views = this.ground ? this.ground.views : []) {
    return views.flatMap((view) => view.drafts || []).flatMap((track, _, all) => {
      const panel = this.filled().find((p) => p.lane.run === track.run);
      const siblings = all.filter((other) => other.run === track.run && other.direction === track.direction);
      return panel ? [{ track, panel, age: (0.25 + (0.65 * (1 + siblings.indexOf(track))) / siblings.length).toFixed(2) }] : [];
    });
  },

  // How large a picture's field is. Measured once until something is resized: asking has the browser lay out the page.
  sizeOf(name, field) {
    if (this.sizes[name]) return this.sizes[name];
    const size = { width: Math.max(field.clientWidth, 200), height: field.clientHeight || 236 };
    if (field.clientWidth) this.sizes[name] = size;
    return size;
  },

  chart(name, title, series, under, bend, empty, unbend) {
    const section = this.parts[name];
    const movers = (this.movers[name] = []);
    const field = element("div", { class: "field" });
    section.replaceChildren(element("h3", {}, title), field, element("p", { class: "under" }, series.length ? under : ""));
    if (!series.length) { field.append(element("div", { class: "empty" }, empty)); return; }
    const { width, height } = this.sizeOf(name, field);
    const left = 46, right = 20, top = 8, bottom = 22;
    const values = series.flatMap((s) => s.points.map(([, v]) => bend(v)));
    let low = Math.min(...values, 0), high = Math.max(...values, 0);
    if (high - low < 1e-9) { low -= 1; high += 1; }
    const room = 0.05 * (high - low);
    low -= room; high += room;
    const whole = this.whole();
    const x = (v) => left + (v / whole) * (width - left - right);
    const y = (v) => top + (1 - (bend(v) - low) / (high - low)) * (height - top - bottom);
    const svg = shape("svg", { viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": title });
    const said = unbend ? [0] : [];
    for (const tick of unbend ? bentTicks(unbend(low), unbend(high)) : ticks(low, high)) {
      svg.append(shape("line", { class: tick === 0 ? "zero" : "grid", x1: left, x2: width - right, y1: y(tick), y2: y(tick) }));
      if (tick !== 0 && said.some((other) => Math.abs(y(other) - y(tick)) < 13)) continue; // no room for its number
      said.push(tick);
      svg.append(shape("text", { x: left - 6, y: y(tick) + 4, "text-anchor": "end" }, unbend ? short(tick).replace(/\.0+$/, "") : String(tick)));
    }
    const percent = this.measure === "way" || this.measure === "pixels";
    for (const tick of ticks(0, percent ? 100 * whole : whole, 4)) svg.append(shape("text", { x: x(percent ? tick / 100 : tick), y: height - 6, "text-anchor": "middle" }, percent ? `${tick} %` : String(tick)));
    if (!this.data.active) {
      const line = shape("line", { class: "now", y1: top, y2: height - bottom });
      movers.push((now) => { line.setAttribute("x1", x(now)); line.setAttribute("x2", x(now)); });
      svg.append(line);
    }
    for (const { colour, kind, points, panel, quiet, age, name: title } of series) {
      const d = through(points, x, y);
      svg.append(shape("path", { class: kind, "data-colour": colour, d, ...(age ? { opacity: age } : {}) }, shape("title", {}, title)));
      if (quiet) continue;
      const places = points.map(([a]) => a);
      const dot = shape("circle", { "data-colour": colour, r: 4 });
      movers.push(() => {
        const frame = panel.run && panel.run.frames[this.seen(panel)];
        if (!frame) return;
        const here = points[lastUpTo(places, frame[this.measure] + 1e-9)];
        dot.setAttribute("cx", x(here[0]));
        dot.setAttribute("cy", y(here[1]));
      });
      svg.append(dot);
    }
    field.append(svg);
    for (const move of movers) move(this.at * whole);
  },

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
    views.forEach((other, k) => tabs.append(element("button", { type: "button", "aria-pressed": String(other === view), onclick: () => { this.plane = k; this.drawPlane(); } }, `${other.ends.join(" → ")}${other.note ? `, ${other.note}` : ""} (${other.tracks.length})`)));
    const field = element("div", { class: "field" });
    const under = element("p", { class: "under" });
    section.replaceChildren(element("div", { class: "row" }, head, tabs), field, under);
    const { width, height } = this.sizeOf("plane", field);
    const [x0, y0] = view.low, [x1, y1] = view.high;
    const x = (v) => ((v - x0) / (x1 - x0)) * width;
    const y = (v) => (1 - (v - y0) / (y1 - y0)) * height;
    const key = JSON.stringify([ground.version, ground.key, views.indexOf(view), this.box.classList.contains("dark"), width, height]);
    if (this.floorKey !== key) { this.floor = floor(view, width, height, this.box.classList.contains("dark")); this.floorKey = key; }
    field.append(this.floor.canvas);
    const svg = shape("svg", { viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": `paths from ${view.ends.join(" to ")} seen in one plane` });
    svg.append(shape("line", { class: "straight", x1: x(0), y1: y(0), x2: x(1), y2: y(0) }));
    const hot = [];
    const away = new Map(); // distance of each path's present state from the plane
    const drafts = this.drafts([view]);
    for (const { track, panel, age } of drafts) {
      const d = through(track.places, x, y);
      svg.append(shape("path", { class: "draft", "data-colour": panel.lane.colour, opacity: age, d }, shape("title", {}, `${panel.lane.title}, ${track.direction}, ${track.words}`)));
    }
    for (const track of view.tracks) {
      const panel = this.filled().find((p) => p.lane.run === track.run);
      if (!panel) continue;
      const d = through(track.places, x, y);
      const colour = panel.lane.colour;
      const direction = this.directionOf(panel, track);
      svg.append(shape("path", { class: "halo", d }), shape("path", { class: this.isAway(panel, direction) ? "path away" : "path", "data-colour": colour, d }));
      const dots = track.places.map(([a, b]) => shape("circle", { "data-colour": colour, cx: x(a), cy: y(b), r: 2.4 }));
      let large = 0;
      movers.push(() => {
        const frame = panel.run && panel.run.frames[this.seen(panel)];
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
    svg.append(shape("text", { class: "end", x: clamp(x(0), 46, width - 46), y: y(0) + 18, "text-anchor": "middle" }, view.ends[0]));
    svg.append(shape("text", { class: "end", x: clamp(x(1), 46, width - 46), y: y(0) + 18, "text-anchor": "middle" }, view.ends[1]));
    svg.append(...hot);
    field.append(svg);
    const share = view.share === null ? "All states lie on the line; the second axis is a random direction." : `The second axis holds ${Math.round(100 * view.share)} % of what leaves the line.`;
    const range = this.floor.low === null ? "" : ` Ground: ${view.score}, ${short(this.floor.low)} (dark) to ${short(this.floor.high)} (light).`;
    const thin = drafts.length ? " Thin: drafts of the path, the palest first." : "";
    const busy = state && state.active ? ` Ground ${Math.round(100 * state.progress)} %.` : "";
    const off = element("span");
    movers.push(() => { off.textContent = [...away.values()].join(", "); });
    under.replaceChildren(`${share} Off the plane now, in lengths of the way: `, off, `.${thin}${range}${busy}`);
    for (const move of movers) move();
    if (state && state.active) under.append(" ", element("button", { class: "small", type: "button", onclick: () => this.ask("", "no-ground") }, "Stop"));
  },

  directionOf(panel, track) {
    const names = panel.lane.directions.map((direction) => direction.title.toLowerCase());
    return Math.max(0, names.indexOf(track.direction));
  },

  point(panel, d, track, k, spot) {
    const frame = panel.run.frames.find((f) => f.dot === k);
    if (!frame) return;
    const { tip } = this.parts;
    tip.replaceChildren(element("img", { src: frame.states[d], alt: "the image there" }), `${panel.lane.title}, move ${frame.move}: score ${short(this.scoreAt(panel.run, d, frame.move))}, ${track.off[k].toFixed(2)} off the plane`);
    tip.hidden = false;
    const box = this.box.getBoundingClientRect(), place = spot.getBoundingClientRect();
    tip.style.left = `${clamp(place.left - box.left + 16, 0, box.width - 140)}px`;
    tip.style.top = `${Math.max(0, place.top - box.top - tip.offsetHeight - 8)}px`;
  },
});

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

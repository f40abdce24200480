// Pointing: a pixel in any picture is marked in all lanes, a click pins it, a stroke draws a region.

const DRAG = 5; // pixels of the screen beyond which a press is a stroke
const MOST_MARKS = 6;

Object.assign(View.prototype, {
  wirePointing() {
    this.marked = []; // pins and regions, in the order in which they were made
    this.parts.lanes.addEventListener("pointermove", (event) => this.hover(event));
    this.parts.lanes.addEventListener("pointerleave", () => this.hover(null));
    this.parts.lanes.addEventListener("pointerdown", (event) => this.press(event));
    this.parts.lanes.addEventListener("dragstart", (event) => event.preventDefault());
    this.parts.pen.addEventListener("click", () => this.drawing(!this.isDrawing));
    this.parts.pin.addEventListener("click", () => this.pinMiddle());
    this.parts.clear.addEventListener("click", () => { this.marked = []; this.drawMarks(); });
  },

  drawing(on) {
    this.isDrawing = on;
    this.parts.pen.setAttribute("aria-pressed", String(on));
    this.box.classList.toggle("drawing", on);
  },

  // The size of the pictures in pixels of the network's input.
  grain() {
    for (const panel of this.panels.values()) {
      if (panel.run && panel.run.points) return [panel.run.points.width, panel.run.points.height];
      const photo = this.photoOf(panel);
      if (photo) return [photo.width, photo.height];
    }
    return [224, 224];
  },

  // Which pixel an event is at; null beside the pictures.
  pixel(event, box, inside = true) {
    const found = box || event.composedPath().find((e) => e.classList && e.classList.contains("box"));
    if (!found) return null;
    const rect = found.getBoundingClientRect(), [width, height] = this.grain();
    const x = Math.floor(((event.clientX - rect.left) / rect.width) * width), y = Math.floor(((event.clientY - rect.top) / rect.height) * height);
    if (inside && (x < 0 || y < 0 || x >= width || y >= height)) return null;
    return { x: clamp(x, 0, width - 1), y: clamp(y, 0, height - 1), box: found };
  },

  hover(event) {
    const at = event && this.pixel(event);
    const same = at && this.hovered && at.x === this.hovered.x && at.y === this.hovered.y;
    if (same || (!at && !this.hovered)) return;
    this.hovered = at ? { x: at.x, y: at.y } : null;
    this.drawHover();
  },

  press(event) {
    const begun = this.pixel(event);
    if (!begun || event.button !== 0 || (event.target.closest && event.target.closest(".pin"))) return;
    const touch = event.pointerType === "touch";
    const stroke = [[begun.x + 0.5, begun.y + 0.5]];
    const from = [event.clientX, event.clientY];
    let drawn = false;
    const move = (next) => {
      if (!drawn && Math.hypot(next.clientX - from[0], next.clientY - from[1]) < DRAG) return;
      if (touch && !this.isDrawing) return; // the page scrolls
      drawn = true;
      const at = this.pixel(next, begun.box, false);
      const last = stroke[stroke.length - 1];
      if (Math.hypot(at.x + 0.5 - last[0], at.y + 0.5 - last[1]) >= 1) stroke.push([at.x + 0.5, at.y + 0.5]);
      this.stroke = stroke;
      this.drawMarks(true);
    };
    const end = (last) => {
      for (const [name, act] of [["pointermove", move], ["pointerup", end], ["pointercancel", end]]) window.removeEventListener(name, act);
      this.stroke = null;
      if (last.type === "pointercancel") return this.drawMarks();
      if (!drawn) this.mark({ kind: "pin", x: begun.x, y: begun.y });
      else if (stroke.length > 2) this.mark({ kind: "region", stroke, mask: this.inside(stroke) });
      this.drawMarks();
      if (drawn) this.drawing(false);
    };
    for (const [name, act] of [["pointermove", move], ["pointerup", end], ["pointercancel", end]]) window.addEventListener(name, act);
    if (!touch || this.isDrawing) event.preventDefault();
    this.box.focus({ preventScroll: true });
  },

  mark(what) {
    this.held = null;
    const again = what.kind === "pin" && this.marked.findIndex((m) => m.kind === "pin" && m.x === what.x && m.y === what.y);
    if (again !== false && again >= 0) this.marked.splice(again, 1);
    else this.marked.push(what);
    while (this.marked.length > MOST_MARKS) this.marked.shift();
  },

  pinFirst(panel) {
    const { total, width } = panel.run.points;
    const at = total.reduce((best, value, k) => (value > total[best] ? k : best), 0);
    this.mark({ kind: "pin", x: at % width, y: Math.floor(at / width) });
    this.drawMarks();
  },

  pinMiddle() {
    const [width, height] = this.grain();
    const pins = this.marked.filter((m) => m.kind === "pin").length;
    this.mark({ kind: "pin", x: clamp((width >> 1) + 8 * pins, 0, width - 1), y: height >> 1 });
    this.drawMarks();
    const button = this.box.querySelector(`.pin[data-number="${this.marked.length}"]:not([aria-hidden])`);
    if (button) button.focus();
  },

  // Which pixels a closed stroke encloses (those whose middle is inside, by the even-odd rule).
  inside(stroke) {
    const [width, height] = this.grain();
    const mask = new Uint8Array(width * height);
    for (let y = 0; y < height; y += 1) {
      const middle = y + 0.5, crossings = [];
      stroke.forEach(([x0, y0], k) => {
        const [x1, y1] = stroke[(k + 1) % stroke.length];
        if ((y0 <= middle) !== (y1 <= middle)) crossings.push(x0 + ((middle - y0) / (y1 - y0)) * (x1 - x0));
      });
      crossings.sort((a, b) => a - b);
      for (let k = 0; k + 1 < crossings.length; k += 2)
        for (let x = Math.max(0, Math.ceil(crossings[k] - 0.5)); x < Math.min(width, crossings[k + 1] - 0.5); x += 1) mask[y * width + x] = 1;
    }
    return mask;
  },

  movePin(mark, event) {
    const by = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key];
    const away = event.key === "Delete" || event.key === "Backspace";
    if (!by && !away) return;
    event.preventDefault();
    event.stopPropagation();
    if (away) this.marked.splice(this.marked.indexOf(mark), 1);
    else {
      const [width, height] = this.grain(), far = event.shiftKey ? 10 : 1;
      mark.x = clamp(mark.x + far * by[0], 0, width - 1);
      mark.y = clamp(mark.y + far * by[1], 0, height - 1);
    }
    // What the lanes say follows the keys until the pointer moves.
    this.held = away ? null : mark;
    this.hovered = null;
    this.drawHover();
    this.drawMarks();
    const button = this.box.querySelector(`.pin[data-number="${this.marked.indexOf(mark) + 1}"]:not([aria-hidden])`);
    if (button) button.focus();
  },

  boxes() {
    return [...this.parts.lanes.querySelectorAll(".box")];
  },

  drawHover() {
    const at = this.hovered, [width, height] = this.grain();
    for (const box of this.boxes()) {
      let ring = box.querySelector(".ring");
      if (!ring) box.append((ring = element("i", { class: "ring" })));
      ring.hidden = !at;
      if (at) { ring.style.left = `${(100 * (at.x + 0.5)) / width}%`; ring.style.top = `${(100 * (at.y + 0.5)) / height}%`; }
    }
    this.tellPixel();
  },

  // Pins and regions on every picture; while a stroke is drawn only the outlines.
  drawMarks(quick) {
    const [width, height] = this.grain();
    const shapes = this.marked.filter((m) => m.kind === "region").map((m) => [m.stroke, this.marked.indexOf(m) + 1]);
    if (this.stroke) shapes.push([this.stroke, 0]);
    this.boxes().forEach((box, place) => {
      for (const old of box.querySelectorAll(".outlines, .pin")) old.remove();
      if (shapes.length) {
        const svg = shape("svg", { class: "outlines", viewBox: `0 0 ${width} ${height}`, preserveAspectRatio: "none", "aria-hidden": "true" });
        for (const [stroke] of shapes) {
          const d = `M${stroke.map(([x, y]) => `${x.toFixed(1)} ${y.toFixed(1)}`).join("L")}Z`;
          svg.append(shape("path", { class: "under", d }), shape("path", { d }));
        }
        box.append(svg);
      }
      this.marked.forEach((mark, k) => {
        const [x, y] = mark.kind === "pin" ? [mark.x + 0.5, mark.y + 0.5] : mark.stroke[0];
        const style = `left:${(100 * x) / width}%;top:${(100 * y) / height}%`;
        // Only the first picture's pins can be reached by keyboard: all are the same.
        const words = mark.kind === "pin" ? `Pin ${k + 1} at ${mark.x}, ${mark.y}: arrow keys move it, Delete removes it` : "";
        if (place === 0 && mark.kind === "pin") box.append(element("button", { class: "pin", type: "button", style, "data-number": k + 1, "aria-label": words, title: words, onkeydown: (event) => this.movePin(mark, event) }, String(k + 1)));
        else box.append(element("i", { class: `pin ${mark.kind}`, style, "data-number": k + 1, "aria-hidden": "true" }, String(k + 1)));
      });
    });
    if (!quick) { this.tellPixel(); this.drawTable(); }
  },

  // What a lane knows of a pixel.
  known(panel, x, y) {
    const points = panel.run && panel.run.points;
    if (!points) return null;
    const at = y * points.width + x;
    const moves = panel.lane.directions.map((direction, d) => {
      const name = direction.title.toLowerCase();
      const when = points.when[d][at];
      if (points.even[d]) return { name, words: "moves all the way" };
      if (!when) return { name, words: "never moved" };
      const move = Math.max(1, Math.round(when)), last = (panel.run.scores[d] || []).filter((v) => v !== null).length - 1; // of this path: it may arrive first
      const after = this.scoreAt(panel.run, d, move), before = this.scoreAt(panel.run, d, move - 1);
      const exact = Math.abs(when - move) < 0.05;
      return { name, move, change: after - before, words: `${exact ? "move" : "about move"} ${move} of ${last}` };
    });
    const agree = points.agreement ? Math.round((points.agreement[at] / 255) * points.copies) : null;
    return { credit: points.total[at], rank: points.ranks[at], of: points.total.length, moves, sign: agree === null ? "" : `${agree} of ${points.copies} copies agree on the sign` };
  },

  tellPixel() {
    const at = this.hovered || this.marked.find((m) => m === this.held) || [...this.marked].reverse().find((m) => m.kind === "pin");
    for (const panel of this.panels.values()) {
      const live = panel.lane && (panel.lane.status === "running" || panel.lane.status === "waiting");
      const known = at && this.known(panel, at.x, at.y);
      if (!known) {
        panel.probe.replaceChildren(element("span", { class: "quiet" }, live || !panel.run ? "" : panel.run.points ? "Point at a pixel; click to pin it, drag to draw a region." : ""));
        continue;
      }
      const moves = known.moves.map((m) => element("span", {}, `${m.name}: ${m.words}${m.change === undefined ? "" : `, score ${signed(m.change)}`}`));
      panel.probe.replaceChildren(element("span", {}, `pixel ${at.x}, ${at.y}: credit `, element("b", {}, signed(known.credit)), `, rank ${whole(known.rank)} of ${whole(known.of)}${known.sign && `, ${known.sign}`}`), ...moves);
    }
  },

  drawTable() {
    const { table, clear } = this.parts;
    clear.hidden = !this.marked.length;
    const panels = this.filled().filter((panel) => panel.run.points);
    if (!this.marked.length || !panels.length) {
      const first = panels.map((panel) => element("button", { class: "small", type: "button", "data-colour": panel.lane.colour, onclick: () => this.pinFirst(panel) }, `Pin what ${panel.lane.title} ranks first`));
      table.replaceChildren(element("div", { class: "empty" }, "Click a pixel to pin it, or drag in a picture to draw a region. What every lane gave it is compared here.", first.length ? element("div", { class: "suggestions" }, ...first) : null));
      return;
    }
    const head = (...names) => element("thead", {}, element("tr", {}, ...names.map((n) => element("th", { scope: "col" }, n))));
    const lane = (panel) => element("td", { "data-colour": panel.lane.colour }, element("b", { class: "tint" }, panel.lane.title));
    const pins = this.marked.filter((m) => m.kind === "pin"), regions = this.marked.filter((m) => m.kind === "region");
    const number = (mark, rows) => element("th", { scope: "rowgroup", rowspan: rows }, `${this.marked.indexOf(mark) + 1}`);
    const parts = [];
    if (pins.length) {
      const bodies = pins.map((mark) => element("tbody", {}, ...panels.map((panel, k) => {
        const known = this.known(panel, mark.x, mark.y);
        const moved = known.moves.map((m) => element("div", {}, `${m.name}: ${m.words}${m.change === undefined ? "" : `, ${signed(m.change)}`}`));
        return element("tr", {}, k ? null : number(mark, panels.length), lane(panel), element("td", { class: "figure" }, signed(known.credit)), element("td", { class: "figure" }, whole(known.rank)), element("td", {}, ...(moved.length ? moved : ["no path"])));
      })));
      parts.push(element("table", { class: "pins" }, head("pin", "lane", "credit", `rank of ${whole(panels[0].run.points.total.length)}`, "moved, and the score's change in that move"), ...bodies));
    }
    if (regions.length) {
      const bodies = regions.map((mark) => element("tbody", {}, ...panels.map((panel, k) => {
        const { points } = panel.run;
        const shares = (points.credit.length > 1 ? points.credit.map((values, d) => [panel.lane.directions[d].title.toLowerCase(), values]) : []).map(([name, values]) => element("div", {}, `${name}: ${percent(share(values, mark.mask).size)}`));
        const all = share(points.total, mark.mask);
        return element("tr", {}, k ? null : number(mark, panels.length), lane(panel), element("td", { class: "figure" }, percent(all.size)), element("td", {}, ...(shares.length ? shares : ["one direction"])), element("td", { class: "figure" }, signed(all.sum)));
      })));
      const area = regions.map((m) => `region ${this.marked.indexOf(m) + 1} is ${percent(m.mask.reduce((a, b) => a + b, 0) / m.mask.length)} of the pixels`);
      parts.push(element("table", { class: "regions" }, head("region", "lane", "share of |credit|", "by direction", "sum of credit"), ...bodies), element("p", { class: "under" }, `${area.join("; ")}.`));
    }
    table.replaceChildren(...parts);
  },
});

const whole = (value) => Math.round(value).toLocaleString("en");
const percent = (value) => `${(100 * value).toFixed(value < 0.0995 ? 1 : 0)} %`;

// What a region holds of a map: its share of the magnitudes, and its sum.
function share(values, mask) {
  let inside = 0, all = 0, sum = 0;
  for (let k = 0; k < values.length; k += 1) {
    const size = Math.abs(values[k]);
    all += size;
    if (mask[k]) { inside += size; sum += values[k]; }
  }
  return { size: all ? inside / all : 0, sum };
}

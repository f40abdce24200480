// Slow motion: the newest move of the lane in hand, unfolded card by card; and a guess at it before it is shown.

const BRUSH = 9; // radius of the guess's brush, in pixels of the network's input

Object.assign(View.prototype, {
  wireSlow() {
    this.slow = { open: false, card: 0, direction: 0, guess: false, mask: null, answered: false };
    const { slowly, slowback, slowon, slowmove, predict, answer, wipe } = this.parts;
    slowly.addEventListener("click", () => this.openSlow(!this.slow.open));
    slowback.addEventListener("click", () => this.stepSlow(-1));
    slowon.addEventListener("click", () => this.stepSlow(1));
    slowmove.addEventListener("click", () => { this.slow.card = 0; this.step(1); this.drawSlow(); });
    predict.addEventListener("change", () => { Object.assign(this.slow, { guess: predict.checked, answered: false, mask: null }); this.drawSlow(); });
    answer.addEventListener("click", () => { this.slow.answered = true; this.drawSlow(); });
    wipe.addEventListener("click", () => { this.slow.mask = null; this.drawSlow(); });
  },

  openSlow(open) {
    this.pause();
    Object.assign(this.slow, { open, card: 0 });
    this.parts.slowly.setAttribute("aria-pressed", String(open));
    this.parts.slow.hidden = !open;
    this.tell();
    if (open && this.at >= 1) this.goFirst();
    this.drawSlow();
    if (open) this.parts.slow.scrollIntoView({ block: "nearest" });
  },

  // To the first move: unfolding begins where the path does.
  goFirst() {
    const panel = this.panels.get(this.hand().id);
    if (panel && panel.run && panel.run.frames.length > 2) this.go(panel.run.places(this.measure)[1] / this.whole(), { panel, to: 1 });
  },

  unfolded() {
    const panel = this.panels.get(this.hand().id);
    const run = panel && panel.run;
    if (!run || !run.slow) return { panel };
    // The last picture is that of the result: it has no move of its own.
    let index = panel.index;
    while (index > 0 && !(run.slow[index] && run.slow[index].paths.length)) index -= 1;
    const found = run.slow[index];
    if (!found || !found.paths.length) return { panel };
    let d = Math.min(this.slow.direction, found.paths.length - 1);
    if (!found.paths[d]) d = found.paths.findIndex((p) => p);
    return { panel, d, index, before: (found.before || run.frames[index - 1].states)[d], move: found.paths[d] };
  },

  // Whether the reader is to guess a move before it is shown; a line chooses nothing that could be guessed.
  isAsking(move) {
    return this.slow.guess && !this.slow.answered && move.full !== null;
  },

  stepSlow(by) {
    const { panel, d, move } = this.unfolded();
    if (!move || this.isAsking(move)) return;
    const cards = this.cards(panel, d, move).length;
    const next = this.slow.card + by;
    if (next >= 0 && next < cards) this.slow.card = next;
    else {
      const at = panel.index;
      this.step(by);
      // The result's picture shows the last move as well: it is not unfolded twice.
      if (panel.index !== at && this.unfolded().move === move) { if (by > 0) return this.drawSlow(); this.step(by); }
      if (panel.index === at || (by < 0 && panel.index === 0)) { if (panel.index !== at) this.step(1); return; }
      this.slow.card = by > 0 ? 0 : cards - 1;
    }
    this.drawSlow();
  },

  // The cards of a move: title, picture, number, a sentence with its formula.
  cards(panel, d, move) {
    const direction = panel.lane.directions[d];
    const away = move.toward < 0, side = away ? "most negative" : "largest";
    const cards = [
      { title: "Gradient", maps: [move.gradient], number: `score ${short(move.score)}`, formula: "g = ∇f(x)", words: "How the score answers to each pixel of the image as it is now, channels added up." },
      { title: "Gradient times way", maps: [move.promise], number: `sum ${signed(move.promise.total)}`, formula: "g · (end − x)", words: `What the gradient predicts if a pixel goes all the way from here to its end (${direction.way.split("→")[1].trim()}).` },
    ];
    const search = move.full !== null;
    if (search && move.momentum) {
      const old = move.momentum.toFixed(2).replace(/0$/, ""), fresh = (1 - move.momentum).toFixed(2).replace(/0$/, "");
      if (move.steered) cards.push({ title: "Momentum", maps: [move.old, move.promise, move.steered], names: ["old", "new", "mixed"], number: `${old} old, ${fresh} new`, formula: `d = ${old} · d_old + ${fresh} · g`, words: "The direction of the moves before is mixed with the new gradient; the mixed one chooses." });
      else cards.push({ title: "Momentum", maps: [move.promise], number: "first move", formula: "d = g", words: "There is no older direction yet, so the gradient itself chooses." });
    }
    if (search) {
      cards.push({ title: "The pixels chosen", chosen: true, number: `${whole(move.count)} pixels`, formula: away ? "smallest d · (end − x)" : "largest d · (end − x)", words: `Of the pixels still on their way, those whose predicted change is ${side}.` });
      const factor = move.full ? Math.min(1, move.length / move.full) : 1;
      cards.push({
        title: "The constraint", bars: [["full move", move.full], ["bound", move.bound], ["as made", move.length]],
        number: move.bound === null ? "no constraint" : move.shortened ? `shortened to ${percent(factor)}` : "within its bound",
        formula: move.bound === null ? "move = end − x" : "move = (end − x) · min(1, bound / ‖end − x‖₁)",
        words: move.bound === null ? "Chosen pixels go all the way." : move.shortened ? "The full move is longer than the constraint allows; its pixels go part of their way and stay open." : "The full move is short enough: its pixels arrive.",
      });
    }
    const change = this.scoreAt(panel.run, d, move.move) - move.score;
    const rule = panel.lane.rule;
    const credit = rule && rule.first ? `The rule ${rule.title} credits just this.` : rule ? `The rule ${rule.title} deals out otherwise: ${rule.summary}.` : "";
    cards.push({ title: "The move and its credit", maps: [move.credit], number: `${signed(move.credit.total)} predicted, ${signed(change)} measured`, formula: search ? "credit = d · move" : "credit = g · move", words: `To first order the move changes the score by the sum of this map. ${away ? "A map counts it with the other sign, as the way leads from the photo. " : ""}${credit}` });
    return cards;
  },

  // Which picture of its film a lane shows: while a move is to be guessed, the one before it.
  seen(panel) {
    return panel.keeps === undefined ? panel.index : panel.keeps;
  },

  // Have a lane keep the answer to itself, and show this picture; all others show theirs.
  keep(panel, index) {
    for (const each of this.panels.values()) {
      const keeps = each === panel ? index : undefined;
      if (each.keeps === keeps) continue;
      each.keeps = keeps;
      this.show(each);
    }
  },

  drawSlow() {
    const { slow, parts } = this;
    const { panel, d, before, move, index } = slow.open ? this.unfolded() : {};
    const key = move ? `${panel.lane.run} ${move.move} ${d}` : null;
    if (key && this.unfoldedKey !== key) {
      if (this.unfoldedKey) Object.assign(slow, { answered: false, mask: null });
      this.unfoldedKey = key;
    }
    this.keep(move && this.isAsking(move) ? panel : null, index - 1);
    if (!slow.open) return;
    const { unfold, guess, slowtitle, sides, slowmove, slowback, slowon } = parts;
    for (const button of [slowmove, slowback, slowon]) button.disabled = !move || this.isAsking(move);
    guess.hidden = !slow.guess || !move || move.full === null;
    if (!move) {
      const several = panel && panel.run && panel.run.points && panel.run.points.copies > 1;
      const words = several ? `${panel.lane.title} explains ${panel.run.points.copies} copies of the photo, each with noise of its own: none of their moves is one of the photo itself. With one copy its moves can be unfolded.` : !panel || !panel.run || !panel.run.frames.length ? "Run the lane in hand first." : !panel.lane.directions.length ? `${panel.lane.title} walks no path, so there is no move to unfold.` : this.data.alone && !panel.run.slow ? `This film does not hold the moves of ${panel.lane.title}: it would have grown too large.` : panel.lane.back && !panel.run.slow ? `This run of ${panel.lane.title} came back from a file, which does not hold its moves: run the lane again to unfold them.` : this.data.active ? "It can be unfolded when the run has ended." : panel.run.slow ? "No move here: go one picture on." : "Fetching the moves ...";
      slowtitle.textContent = "Slow motion";
      sides.replaceChildren();
      unfold.replaceChildren(element("div", { class: "empty" }, words));
      this.unfoldedKey = null;
      return;
    }
    slowtitle.textContent = `Move ${move.move} of ${panel.lane.title}`;
    const found = panel.run.slow[panel.index] || { paths: [] };
    sides.replaceChildren(...panel.lane.directions.map((direction, k) => element("button", { type: "button", "aria-pressed": String(k === d), disabled: found.paths.length > 0 && !found.paths[k], onclick: () => { slow.direction = k; this.drawSlow(); } }, direction.title)));
    if (slow.guess && move.full !== null) this.drawGuess(panel, before, move);
    const hidden = this.isAsking(move);
    const cards = this.cards(panel, d, move);
    slow.card = clamp(slow.card, 0, cards.length - 1);
    unfold.style.setProperty("--cards", cards.length);
    unfold.replaceChildren(...cards.map((card, k) => this.card(card, k, k > slow.card || hidden, k === slow.card && !hidden, before, move, panel)));
    unfold.dataset.card = slow.card;
  },

  card(card, number, waits, now, before, move, panel) {
    const picture = element("div", { class: "box" });
    const made = element("figure", { class: `card${waits ? " waits" : ""}${now ? " now" : ""}`, "data-colour": panel.lane.colour, "aria-current": now ? "step" : null }, element("h4", {}, `${number + 1}. ${card.title}`), picture);
    if (waits) return made;
    if (card.maps) {
      if (card.maps.length > 1) picture.classList.add("several");
      card.maps.forEach((map, k) => {
        const canvas = element("canvas", { role: "img", "aria-label": `${card.title}${card.names ? `, ${card.names[k]}` : ""}` });
        this.drawLevels(canvas, map);
        picture.append(card.names ? element("span", { class: "named" }, canvas, element("small", {}, card.names[k])) : canvas);
      });
    } else if (card.chosen) {
      const moved = element("div", { class: "moved" });
      moved.style.maskImage = moved.style.webkitMaskImage = `url(${move.chosen})`;
      picture.append(element("img", { src: before, alt: "the image before the move" }), moved);
      picture.classList.add("shown");
    } else {
      const longest = Math.max(...card.bars.map(([, v]) => v || 0), 1e-9);
      picture.classList.add("bars");
      for (const [name, value] of card.bars) {
        if (value === null) continue;
        const bar = element("i");
        bar.style.width = `${(100 * value) / longest}%`;
        picture.append(element("div", {}, element("span", {}, `${name}, L1 length ${short(value)}`), bar));
      }
    }
    made.append(element("b", { class: "number" }, card.number), element("code", {}, card.formula), element("p", {}, card.words));
    return made;
  },

  async drawLevels(canvas, map) {
    const decoded = (map.decoded ||= await levels(map.map, document.createElement("canvas")));
    canvas.width = decoded.width;
    canvas.height = decoded.height;
    const context = canvas.getContext("2d");
    const image = context.createImageData(decoded.width, decoded.height);
    const whole = { ...decoded, peak: map.peak };
    map.limit ||= saturation(whole);
    paint(image.data, { ...whole, limit: map.limit }, null, this.palettes.signed, null, 1);
    context.putImageData(image, 0, 0);
  },

  // The reader marks which pixels they expect; then the search answers.
  drawGuess(panel, before, move) {
    const { slow, parts } = this;
    const { guessbox, verdict, answer, wipe } = parts;
    const [width, height] = this.grain();
    slow.mask ||= new Uint8Array(width * height);
    const image = guessbox.querySelector("img"), canvas = guessbox.querySelector("canvas");
    image.src = before;
    if (canvas.width !== width || canvas.height !== height) { canvas.width = width; canvas.height = height; }
    const moved = guessbox.querySelector(".moved");
    moved.style.visibility = slow.answered ? "visible" : "hidden";
    moved.style.maskImage = moved.style.webkitMaskImage = `url(${move.chosen})`;
    guessbox.dataset.colour = panel.lane.colour;
    this.paintGuess(canvas);
    answer.disabled = slow.answered || !slow.mask.includes(1);
    wipe.disabled = slow.answered || !slow.mask.includes(1);
    const count = slow.mask.reduce((a, b) => a + b, 0);
    verdict.textContent = slow.answered ? "" : `Which ${whole(move.count)} pixels go next? Draw them. ${count ? `Marked: ${whole(count)}.` : ""}`;
    if (slow.answered) this.judge(move, count);
    canvas.onpointerdown = (event) => {
      if (slow.answered) return;
      event.preventDefault();
      canvas.setPointerCapture(event.pointerId);
      slow.tip = null;
      this.brush(event, canvas);
    };
    canvas.onpointermove = (event) => { if (event.buttons && !slow.answered && canvas.hasPointerCapture(event.pointerId)) this.brush(event, canvas); };
    canvas.onpointerup = () => this.drawSlow();
  },

  // A quick stroke has few points: the brush is drawn from each to the next.
  brush(event, canvas) {
    const rect = canvas.getBoundingClientRect(), { width, height } = canvas;
    const to = [((event.clientX - rect.left) / rect.width) * width, ((event.clientY - rect.top) / rect.height) * height];
    const from = this.slow.tip || to;
    const dabs = Math.max(1, Math.ceil(Math.hypot(to[0] - from[0], to[1] - from[1]) / (BRUSH / 3)));
    for (let k = 1; k <= dabs; k += 1) this.dab(from[0] + (k / dabs) * (to[0] - from[0]), from[1] + (k / dabs) * (to[1] - from[1]), width, height);
    this.slow.tip = to;
    this.paintGuess(canvas);
  },

  dab(x, y, width, height) {
    for (let v = Math.max(0, Math.floor(y - BRUSH)); v < Math.min(height, y + BRUSH); v += 1)
      for (let u = Math.max(0, Math.floor(x - BRUSH)); u < Math.min(width, x + BRUSH); u += 1)
        if (Math.hypot(u + 0.5 - x, v + 0.5 - y) <= BRUSH) this.slow.mask[v * width + u] = 1;
  },

  paintGuess(canvas) {
    const context = canvas.getContext("2d");
    const image = context.createImageData(canvas.width, canvas.height);
    this.slow.mask.forEach((on, k) => { if (on) image.data.set([255, 255, 255, 150], 4 * k); });
    context.putImageData(image, 0, 0);
  },

  async judge(move, count) {
    const { grey } = await levels(move.chosen, document.createElement("canvas"));
    const hits = this.slow.mask.reduce((sum, on, k) => sum + (on && grey[k] > 127 ? 1 : 0), 0);
    const chance = move.count / grey.length;
    this.parts.verdict.textContent = `You marked ${whole(count)} pixels; ${percent(hits / count)} of them are among the ${whole(move.count)} that the search took. A blind guess would find ${percent(chance)}.`;
  },
});

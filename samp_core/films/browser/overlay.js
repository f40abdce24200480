// Two lanes' maps over each other: under a swipe, or as a difference of their ranks.

Object.assign(View.prototype, {
  wireOverlay() {
    const { first, second, swiper, kind, swipebox } = this.parts;
    for (const select of [first, second]) select.addEventListener("change", () => this.drawOverlay());
    kind.addEventListener("change", () => this.drawOverlay());
    swiper.addEventListener("input", () => this.placeSwipe());
    const drag = (event) => {
      if (!event.buttons || kind.value !== "swipe") return;
      const rect = swipebox.getBoundingClientRect();
      swiper.value = Math.round(1000 * clamp((event.clientX - rect.left) / rect.width, 0, 1));
      this.placeSwipe();
    };
    swipebox.addEventListener("pointerdown", drag);
    swipebox.addEventListener("pointermove", drag);
  },

  // After the maps, once a frame: a clock that runs draws them one by one.
  overlaySoon() {
    if (this.overlaying) return;
    this.overlaying = requestAnimationFrame(() => { this.overlaying = null; if (this.data) this.drawOverlay(); });
  },

  placeSwipe() {
    const at = this.parts.swiper.value / 10;
    const [, over] = this.parts.swipebox.querySelectorAll("canvas");
    over.style.clipPath = this.parts.kind.value === "swipe" ? `inset(0 0 0 ${at}%)` : "none";
    this.parts.edge.style.left = `${at}%`;
  },

  drawOverlay() {
    const { first, second, kind, swiper, swipebox, edge, overnote, choices } = this.parts;
    const panels = this.filled().filter((panel) => panel.run.points && panel.drawn && !panel.lane.apart);
    const empty = swipebox.querySelector(".empty");
    choices.hidden = panels.length < 2;
    swiper.hidden = edge.hidden = panels.length < 2 || kind.value !== "swipe";
    for (const canvas of swipebox.querySelectorAll("canvas")) canvas.hidden = panels.length < 2;
    empty.hidden = panels.length >= 2;
    if (panels.length < 2) { overnote.textContent = ""; return; }
    const ids = JSON.stringify(panels.map((p) => [p.lane.id, p.lane.title, p.lane.settings]));
    if (this.overlaid !== ids) {
      const chosen = [first.value, second.value];
      [first, second].forEach((select, k) => {
        select.replaceChildren(...panels.map((p, n) => element("option", { value: p.lane.id }, `${n + 1}. ${p.lane.title}`)));
        const kept = panels.find((p) => p.lane.id === chosen[k]);
        select.value = kept ? chosen[k] : panels[k].lane.id;
      });
      if (first.value === second.value) second.value = panels.find((p) => p.lane.id !== first.value).lane.id;
      this.overlaid = ids;
    }
    const [a, b] = [first, second].map((select) => this.panels.get(select.value));
    const [under, over] = swipebox.querySelectorAll("canvas");
    const { width, height } = a.canvas;
    for (const canvas of [under, over]) if (canvas.width !== width || canvas.height !== height) { canvas.width = width; canvas.height = height; }
    if (kind.value === "swipe") {
      under.getContext("2d").drawImage(a.canvas, 0, 0);
      over.getContext("2d").drawImage(b.canvas, 0, 0);
      over.hidden = false;
      overnote.textContent = `Left of the line ${a.lane.title}, right of it ${b.lane.title}, each as above.`;
      swipebox.setAttribute("aria-label", `maps of ${a.lane.title} and ${b.lane.title} under a swipe`);
    } else {
      over.hidden = true;
      this.drawRanks(under, a, b);
    }
    this.placeSwipe();
  },

  drawRanks(canvas, a, b) {
    const ranks = [a, b].map((panel) => panel.run.points.ranks);
    const count = ranks[0].length;
    const context = canvas.getContext("2d");
    const image = context.createImageData(canvas.width, canvas.height);
    const colours = [a, b].map((panel) => this.laneColour(panel.lane.colour));
    const neutral = this.box.classList.contains("dark") ? [30, 28, 40] : [248, 247, 244];
    for (let k = 0; k < count; k += 1) {
      const difference = (ranks[1][k] - ranks[0][k]) / count; // above 0: the first ranks it higher
      const colour = colours[difference > 0 ? 0 : 1], deep = Math.min(1, 1.5 * Math.abs(difference));
      for (let c = 0; c < 3; c += 1) image.data[4 * k + c] = neutral[c] + deep * (colour[c] - neutral[c]);
      image.data[4 * k + 3] = 255;
    }
    context.putImageData(image, 0, 0);
    const key = `${a.lane.run} ${b.lane.run}`;
    if (this.agreementKey !== key) { this.agreement = correlation(...ranks); this.agreementKey = key; }
    this.parts.overnote.textContent = `A pixel has the colour of the lane that ranks it higher, deeper the further apart. Spearman correlation of the two maps: ${this.agreement.toFixed(2)}.`;
    this.parts.swipebox.setAttribute("aria-label", `difference of ranks of ${a.lane.title} and ${b.lane.title}`);
  },

  laneColour(number) {
    const hex = getComputedStyle(this.box).getPropertyValue(`--c${number}`).trim();
    return [1, 3, 5].map((at) => parseInt(hex.slice(at, at + 2), 16));
  },
});

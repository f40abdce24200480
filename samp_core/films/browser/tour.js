// A tour of the stage, six stops, which can be skipped and is offered once.

const STOPS = [
  { at: ".lane .mapbox", title: "A map that grows", words: "Each lane is one method. Its map says which pixels speak for the class (orange) and which against it (blue), so far." },
  { at: ".lane .pane", title: "The path", words: "Beside it, the images that the path walks through, with the score that the network gives them now. Lit up: the pixels that just moved." },
  { at: ".transport", title: "One clock", words: "Play, drag or step: all lanes move together, by share of the way, pixels, gradient evaluations or time." },
  { at: ".pictures", title: "Where the paths run", words: "Left the plane in which the paths are seen, over the score; then the score along the way, and whether the map's sum keeps up with it." },
  { at: ".closer", title: "Point and compare", words: "Click a pixel to pin it, drag to draw a region: every lane says what it gave. Two maps lie over each other under a swipe." },
  { at: ".slowly", title: "Slow motion", words: "Unfolds one move: gradient, choice, constraint, momentum, credit. Guess first which pixels go next, then look." },
];
const TOURED = "samp-tour";

Object.assign(View.prototype, {
  // Whether it was taken or skipped before; where a browser keeps nothing, it is offered once a visit.
  get toured() {
    try { return this.wasToured || localStorage.getItem(TOURED) === "yes"; } catch { return this.wasToured; }
  },

  offerTour() {
    if (this.data.alone || this.offered || this.toured || this.data.active || !this.playable()) return;
    this.offered = true;
    this.parts.tour.replaceChildren(element("p", {}, "New here? Six stops show what the stage can do."),
      element("div", { class: "row" }, element("button", { class: "small start", type: "button", onclick: () => this.stop(0) }, "Show me"), element("button", { class: "small skip", type: "button", onclick: () => this.endTour() }, "Skip")));
    this.parts.tour.classList.add("offer");
    this.parts.tour.hidden = false;
  },

  stop(number) {
    const { at, title, words } = STOPS[number];
    const { tour } = this.parts;
    for (const old of this.box.querySelectorAll(".toured")) old.classList.remove("toured");
    const shown = this.box.querySelector(at) || this.box;
    shown.classList.add("toured");
    shown.scrollIntoView({ block: "center", behavior: matchMedia("(prefers-reduced-motion: reduce)").matches ? "auto" : "smooth" });
    const last = number === STOPS.length - 1;
    const on = element("button", { class: "small on-tour", type: "button", onclick: () => (last ? this.endTour() : this.stop(number + 1)) }, last ? "Done" : "Next");
    tour.classList.remove("offer");
    tour.replaceChildren(element("h4", {}, `${number + 1} of ${STOPS.length}: ${title}`), element("p", {}, words),
      element("div", { class: "row" }, element("button", { class: "small", type: "button", disabled: number === 0, onclick: () => this.stop(number - 1) }, "Back"), on, element("button", { class: "small skip", type: "button", onclick: () => this.endTour() }, "Skip")));
    tour.hidden = false;
    on.focus({ preventScroll: true });
  },

  endTour() {
    for (const old of this.box.querySelectorAll(".toured")) old.classList.remove("toured");
    this.parts.tour.hidden = true;
    this.wasToured = true;
    try { localStorage.setItem(TOURED, "yes"); } catch { /* a browser that keeps nothing */ }
  },

  wireTour() {
    this.parts.guide.addEventListener("click", () => this.stop(0));
    this.parts.tour.addEventListener("keydown", (event) => { if (event.key === "Escape") this.endTour(); });
  },
});

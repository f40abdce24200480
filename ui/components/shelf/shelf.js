// Cards with small pictures: methods, each with where its path ran, or metrics, each with what it looks at. Where one is
// chosen, pressing a card does that; where several are, it joins them or leaves them. A tray shows what is chosen. The
// server is told the whole choice, so that presses which follow each other fast cannot get lost.

const HIGH = 46, WIDE = 170, EDGE = 6;
const HIGHEST = 0.6; // of the straight way, the furthest that a path leaves it here

function preview({ path, picture }) {
  if (picture) return element("img", { src: picture, alt: "" });
  return path.length ? line(path) : null;
}

function line(places) {
  const x = (v) => EDGE + v * (WIDE - 2 * EDGE);
  const y = (v) => HIGH - EDGE - (Math.min(Math.abs(v), HIGHEST) / HIGHEST) * (HIGH - 2 * EDGE);
  return shape("svg", { viewBox: `0 0 ${WIDE} ${HIGH}`, preserveAspectRatio: "none", "aria-hidden": "true" },
    shape("line", { x1: x(0), y1: y(0), x2: x(1), y2: y(0) }),
    shape("path", { d: through(places, x, y) }));
}

class Shelf {
  constructor(root) {
    this.root = root;
    this.turn = -1;
    this.chosen = null;
  }

  show(data, tell) {
    this.tell = tell;
    if (!this.data && !data.tray) this.build(data);
    // What the server says may be older than what was pressed here meanwhile.
    if (data.turn >= this.turn) {
      this.turn = data.turn;
      this.chosen = data.chosen;
    }
    this.data = data;
    this.mark();
  }

  press(name) {
    if (!this.chosen) { this.tell(name); return; }
    this.choose(this.chosen.includes(name) ? this.chosen.filter((each) => each !== name) : [...this.chosen, name]);
  }

  choose(names) {
    this.turn += 1;
    this.chosen = names;
    this.tell({ names, turn: this.turn });
    this.mark();
  }

  build(data) {
    const made = (card) => element("button", { class: "card", type: "button", [`data-${data.noun}`]: card.name, onclick: () => this.press(card.name) },
      preview(card), element("b", {}, card.title), element("small", {}, card.summary), card.more ? element("small", { class: "more" }, card.more) : null);
    const group = (title) => element("section", {}, element("h4", {}, title), element("div", { class: "cards" }, ...data.cards.filter((card) => card.group === title).map(made)));
    const groups = [...new Set(data.cards.map((card) => card.group))].map(group);
    this.root.replaceChildren(...(data.note ? [element("p", { class: "note" }, data.note)] : []), ...groups);
  }

  mark() {
    if (this.data.tray) { this.lay(); return; }
    if (!this.chosen) return;
    for (const card of this.root.querySelectorAll(".card")) card.setAttribute("aria-pressed", String(this.chosen.includes(card.dataset[this.data.noun])));
  }

  // The tray: what is chosen, in the order of choice; only what changed is made anew, so that the focus stays.
  lay() {
    const { noun } = this.data;
    const known = new Map([...this.root.querySelectorAll(".chosen")].map((each) => [each.dataset[noun], each]));
    const cards = new Map(this.data.cards.map((card) => [card.name, card]));
    const made = (card) => element("span", { class: "chosen", [`data-${noun}`]: card.name },
      preview(card), element("b", {}, card.title),
      element("button", { type: "button", class: "out", "aria-label": `Remove ${card.title}`, title: `Remove ${card.title}`, onclick: () => this.press(card.name) }, "×"));
    const wanted = this.chosen.filter((name) => cards.has(name)).map((name) => known.get(name) ?? made(cards.get(name)));
    const clear = this.root.querySelector(".clear") ?? element("button", { type: "button", class: "clear", onclick: () => this.choose([]) }, "Clear all");
    clear.hidden = wanted.length < 2;
    const empty = wanted.length ? [] : [element("span", { class: "note" }, "Nothing is chosen.")];
    const all = [...wanted, ...empty, clear];
    if (all.length !== this.root.children.length || all.some((each, k) => each !== this.root.children[k])) {
      const focused = this.root.getRootNode().activeElement;
      this.root.replaceChildren(...all);
      if (focused && focused.isConnected) focused.focus();
    }
  }
}

export default function ({ data, parentElement, setTriggerValue }) {
  const root = parentElement.querySelector(".shelf");
  root.classList.toggle("tray", Boolean(data.tray));
  root.shelf ??= new Shelf(root);
  root.shelf.show(data, (value) => setTriggerValue("choose", value));
}

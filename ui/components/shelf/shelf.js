// Cards of methods; pressing one puts it on the stage.

const HIGH = 46, WIDE = 170, EDGE = 6;
const HIGHEST = 0.6; // of the straight way, the furthest that a path leaves it here

function preview(places) {
  const x = (v) => EDGE + v * (WIDE - 2 * EDGE);
  const y = (v) => HIGH - EDGE - (Math.min(Math.abs(v), HIGHEST) / HIGHEST) * (HIGH - 2 * EDGE);
  return shape("svg", { viewBox: `0 0 ${WIDE} ${HIGH}`, preserveAspectRatio: "none", "aria-hidden": "true" },
    shape("line", { x1: x(0), y1: y(0), x2: x(1), y2: y(0) }),
    shape("path", { d: places.map(([a, b], k) => `${k ? "L" : "M"}${x(a).toFixed(1)} ${y(b).toFixed(1)}`).join("") }));
}

export default function ({ data, parentElement, setTriggerValue }) {
  const shelf = parentElement.querySelector(".shelf");
  const card = (method) => element("button", { class: "card", type: "button", "data-method": method.name, onclick: () => setTriggerValue("choose", method.name) },
    method.path ? preview(method.path) : null, element("b", {}, method.title), element("small", {}, method.summary));
  const group = (title, kind) => element("section", {}, element("h4", {}, title), element("div", { class: "cards" }, ...data.cards.filter((method) => method.kind === kind).map(card)));
  shelf.replaceChildren(
    element("p", { class: "note" }, "The lines are recorded: where each path ran to one photo (the cat), seen in its own plane; dashed, the straight way."),
    group("They walk a path", "path"), group("They have no path", "map"));
}

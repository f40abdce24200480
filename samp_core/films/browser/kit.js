// What several components share. It stands before a component's own script, in the same module.

const SVG = "http://www.w3.org/2000/svg";

function fill(made, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (name === "class") made.setAttribute("class", value);
    else if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
    else made.setAttribute(name, value === true ? "" : value);
  }
  made.append(...children.filter((child) => child !== null && child !== undefined));
  return made;
}

const element = (tag, attributes = {}, ...children) => fill(document.createElement(tag), attributes, children);
const shape = (tag, attributes = {}, ...children) => fill(document.createElementNS(SVG, tag), attributes, children);

// The line through some points, as the `d` of a path; x and y say where a value stands in the picture.
const through = (points, x, y) => points.map(([a, b], k) => `${k ? "L" : "M"}${x(a).toFixed(1)} ${y(b).toFixed(1)}`).join("");

// A number as people read it: three digits, powers of ten for the very large and the very small.
function short(value) {
  if (value === null || value === undefined || !Number.isFinite(value)) return "";
  const size = Math.abs(value);
  if (size !== 0 && (size >= 1e5 || size < 5e-4)) return value.toExponential(1);
  return value.toFixed(size >= 100 ? 0 : size >= 1 ? 1 : 3);
}

// Round numbers from low to high, about `count` of them.
function ticks(low, high, count = 5) {
  const rough = (high - low) / count;
  if (!(rough > 0)) return [low];
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((m) => m * power).find((s) => s >= rough * (1 - 1e-9));
  const found = [];
  for (let v = Math.ceil(low / step - 1e-9); v * step <= high + 1e-9 * step; v += 1) found.push(Number((v * step).toPrecision(6)));
  return found;
}

// Index of the last of some ascending numbers that is at most `value`; 0 if none is.
function lastUpTo(numbers, value) {
  let low = 0, high = numbers.length - 1;
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if (numbers[middle] <= value) low = middle;
    else high = middle - 1;
  }
  return low;
}

function isDark(box) {
  const hex = getComputedStyle(box).getPropertyValue("--st-background-color").trim().match(/^#(..)(..)(..)/);
  return hex ? hex.slice(1).reduce((sum, part) => sum + parseInt(part, 16), 0) < 384 : false;
}

// Whether what has the focus uses arrow keys and letters itself.
function usesKeys(event) {
  const inside = event.composedPath()[0];
  return Boolean(inside.closest && inside.closest("input:not([type=checkbox]), select, textarea, [contenteditable], [role=slider], [role=radio], [role=tab], [role=combobox]"));
}

function clamp(value, low, high) {
  return Math.min(Math.max(value, low), high);
}

// Tells the server, a little later and in one word for all of it, how much of each series has arrived at a view. While
// messages keep coming the word is not put off any further: what is missing would stay missing until they end. Each word
// costs the server a run of its script, so a busy one gets few; fewer than one in five seconds, and it sends all again.
function acknowledge(view, missing, busy) {
  const told = JSON.stringify(view.counts);
  if (told === view.told && !missing) return;
  view.misses ||= missing;
  const due = performance.now() + (view.misses ? 150 : busy ? 2000 : 500);
  if (view.teller && view.due <= due) return;
  clearTimeout(view.teller);
  view.due = due;
  view.teller = setTimeout(() => {
    const misses = view.misses;
    view.teller = null;
    view.misses = false;
    view.told = JSON.stringify(view.counts);
    view.number += 1;
    view.report("have", { mount: view.mount, number: view.number, counts: view.counts, missing: misses });
  }, due - performance.now());
}

// Leave bare the pixels k of a coloured map that `doubts(k)`: the photo's light shows, or paper.
function leaveBare(pixels, doubts, light) {
  for (let i = 0, k = 0; i < pixels.length; i += 4, k += 1) {
    if (!doubts(k)) continue;
    for (let c = 0; c < 3; c += 1) pixels[i + c] = light ? 0.3 * light[k] + 172 : 248;
  }
}

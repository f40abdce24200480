// Arrow keys turn the scenes, unless something that uses them has the focus.

const USES = "input:not([role=switch]), textarea, select, [role=slider], [role=radio], [role=application], [role=combobox], [role=listbox], .stage";
const BY = { ArrowLeft: -1, PageUp: -1, ArrowRight: 1, PageDown: 1 };

export default function () {
  const turn = (event) => {
    const by = BY[event.key];
    if (!by || event.altKey || event.ctrlKey || event.metaKey || event.shiftKey) return;
    const tabs = [...document.querySelectorAll(".st-key-scene [role=radio]")];
    const focused = event.composedPath().some((element) => tabs.includes(element));
    if (!focused && event.composedPath().some((element) => element.matches && element.matches(USES))) return;
    const next = tabs[tabs.findIndex((tab) => tab.getAttribute("aria-checked") === "true") + by];
    if (!next) return;
    event.preventDefault();
    event.stopPropagation();
    if (focused) next.focus();
    next.click();
  };
  // Before the tabs themselves: there an arrow would only move the focus.
  document.addEventListener("keydown", turn, true);
  return () => document.removeEventListener("keydown", turn, true);
}

// Arrow keys turn the scenes, unless something that uses them has the focus.

const USES = "input, textarea, select, [role=slider], [role=radio], [role=application], [role=combobox], [role=listbox]";

export default function () {
  const turn = (event) => {
    const name = { ArrowLeft: "learn-back", PageUp: "learn-back", ArrowRight: "learn-next", PageDown: "learn-next" }[event.key];
    const path = event.composedPath();
    if (!name || event.altKey || event.ctrlKey || event.metaKey) return;
    if (path.some((element) => element.matches && element.matches(USES))) return;
    const button = document.querySelector(`.st-key-${name} button:not(:disabled)`);
    if (button) { event.preventDefault(); button.click(); }
  };
  document.addEventListener("keydown", turn);
  return () => document.removeEventListener("keydown", turn);
}

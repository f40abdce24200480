// Mounts the player once; what it shows comes in messages.

function mountPlayer({ parentElement }) {
  const box = parentElement.querySelector(".stage");
  const stage = (window.sampStage ||= { view: null, waiting: [] });
  if (!stage.view || stage.view.box !== box) {
    if (stage.view) stage.view.destroy();
    stage.view = new View(parentElement);
    for (const message of stage.waiting.splice(0)) stage.view.update(...message);
  }
  const mine = stage.view;
  return () => {
    // Called before an update as well as at the end: only what outlives the element has to go.
    if (box.isConnected) return;
    mine.destroy();
    if (stage.view === mine) stage.view = null;
  };
}

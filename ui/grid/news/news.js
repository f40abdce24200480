// Hands what the server sends to the grid. A component's own script travels with every message to it, and the grid's
// is long: so the grid is mounted once, and this little one takes the many messages.

export default function ({ data, setStateValue, setTriggerValue }) {
  if (!data) return;
  const grid = (window.sampGrid ||= { view: null, waiting: [] });
  const message = [data, setStateValue, setTriggerValue];
  if (grid.view) grid.view.update(...message);
  else grid.waiting.push(message);
}

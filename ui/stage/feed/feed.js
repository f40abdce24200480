// Hands what the server sends to the player. A component's own script travels with every message to it, and the
// player's is long: so the player is mounted once, and this little one takes the many messages.

export default function ({ data, setStateValue, setTriggerValue }) {
  if (!data) return;
  const stage = (window.sampStage ||= { view: null, waiting: [] });
  const message = [data, setStateValue, setTriggerValue];
  if (stage.view) stage.view.update(...message);
  else stage.waiting.push(message);
}

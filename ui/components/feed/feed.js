// Hands what the server sends to a view that is mounted beside it. A component's own script travels with every message
// to it, and a view's is long: so the view is mounted once, and this little one takes the many messages.

export default function ({ data, setStateValue, setTriggerValue }) {
  if (!data) return;
  const place = (window[data.view] ||= { view: null, waiting: [] });
  const message = [data, setStateValue, setTriggerValue];
  if (place.view) place.view.update(...message);
  else place.waiting.push(message);
}

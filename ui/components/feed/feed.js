// Hands what the server sends to a view that is mounted beside it. A component's own script travels with every message
// to it, and a view's is long: so the view is mounted once, and this little one takes the many messages. While work is
// under way a message names a wire, on which the view hears the news without a run of the page's script.

const PAUSE = 60; // ms from one piece of news to the next question, at least: the browser draws on the cores that work

const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

async function listen(place, number) {
  const line = (place.line = { number });
  const address = location.pathname.replace(/[^/]*$/, `wire/${number}`);
  while (place.line === line) {
    const began = performance.now();
    const answer = await fetch(address, { cache: "no-store" }).catch(() => null);
    const news = answer && answer.ok ? await answer.json().catch(() => null) : null;
    if (place.line !== line) return;
    const [, report, trigger] = place.message;
    if (!news) { // the page's script tells it, from now on
      place.line = null;
      place.deaf = true;
      report("wired", false);
      return;
    }
    if (place.view) place.view.hear(news);
    if (!news.active) {
      place.line = null;
      trigger("over", number);
      return;
    }
    await new Promise(requestAnimationFrame);
    await pause(PAUSE - (performance.now() - began));
  }
}

export default function ({ data, parentElement, setStateValue, setTriggerValue }) {
  if (!data) return;
  const place = (window[data.view] ||= { view: null, waiting: [] });
  place.message = [data, setStateValue, setTriggerValue];
  if (place.view) place.view.update(...place.message);
  else place.waiting.push(place.message);
  if (!data.live || place.deaf) place.line = null;
  else if (!place.line || place.line.number !== data.live) listen(place, data.live);
  // Called before an update as well as at the end.
  return () => { if (!parentElement.isConnected) place.line = null; };
}

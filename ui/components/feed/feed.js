// Hands what the server sends to a view that is mounted beside it. A component's own script travels with every message
// to it, and a view's is long: so the view is mounted once, and this little one takes the many messages. While work is
// under way a message names a wire, on which the view hears the news without a run of the page's script. Messages are
// heard in the order in which they were made: see ui/components/wire.py.

const PAUSE = 60; // ms from one piece of news to the next question, at least: the browser draws on the cores that work
const LATE = 500; // ms that a message of the script waits, at most, for an answer that was made before it

const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

function take(place, message) {
  place.message = message;
  if (place.view) place.view.update(...message);
  else place.waiting.push(message);
}

function takeLate(place) {
  for (const message of place.late.splice(0)) take(place, message);
}

async function ask(place, number, epoch) {
  const address = location.pathname.replace(/[^/]*$/, `wire/${number}?epoch=${epoch}`);
  place.asking = true;
  const answer = await fetch(address, { cache: "no-store" }).catch(() => null);
  const news = answer && answer.ok ? await answer.json().catch(() => null) : null;
  place.asking = false;
  // Even if nobody listens any more: it was told, and will not be told again.
  if (news && !news.passed && place.view) place.view.hear(news);
  takeLate(place);
  return news;
}

async function listen(place, number) {
  const line = (place.line = { number });
  while (place.line === line) {
    const began = performance.now();
    const { epoch } = place.message[0];
    const news = await ask(place, number, epoch);
    if (place.line !== line) return;
    const [data, report, trigger] = place.message;
    if (!news) { // the page's script tells it, from now on
      place.line = null;
      place.deaf = true;
      report("wired", false);
    } else if (news.passed) {
      if (data.epoch === epoch) await pause(PAUSE); // the script's message is on its way
    } else if (!news.goes_on) {
      place.line = null;
      trigger("over", number);
    } else {
      await new Promise(requestAnimationFrame);
      await pause(PAUSE - (performance.now() - began));
    }
  }
}

export default function ({ data, parentElement, setStateValue, setTriggerValue }) {
  if (!data) return;
  const place = (window[data.view] ||= { view: null, waiting: [] });
  place.late ||= [];
  const message = [data, setStateValue, setTriggerValue];
  if (data.quiet) { // all of it comes on the wire
    if (place.message) place.message = [place.message[0], setStateValue, setTriggerValue];
  } else if (place.asking) {
    place.late.push(message);
    setTimeout(() => takeLate(place), LATE);
  } else {
    take(place, message);
  }
  if (!data.live || place.deaf) place.line = null;
  else if (place.message && (!place.line || place.line.number !== data.live)) listen(place, data.live);
  // Called before an update as well as at the end.
  return () => { if (!parentElement.isConnected) place.line = null; };
}

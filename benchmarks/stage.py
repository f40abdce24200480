"""How the stage answers, measured through the real page in headless Chromium.

Prints: bytes to the browser and pictures a second of a replay with four lanes; from the end of the last run to the
first picture of its replay; from the release of a knob to the first new picture and to the finished map; and runs on
the page over the same runs in a worker alone and over their bare gradient evaluations. Run on a quiet machine:

    PYTHONPATH=. python benchmarks/stage.py
"""

from __future__ import annotations

import statistics
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from playwright.sync_api import Browser, Page, sync_playwright

from samp_core.classifiers import Classifier, load_classifier
from samp_core.methods import METHODS, Settings, default_settings, make_method
from samp_core.process import keep_freed_memory
from tests.serving import CHROMIUM, FLAGS, ROOT, serve
from ui.shared.state import Photo
from ui.work.lane_run import LaneRun
from ui.work.turns import Turns

SAMP = replace(METHODS["samp"].defaults, target=967)
SAMP_PP = replace(METHODS["samp++"].defaults, target=967)
LINE = default_settings("ig", insertion_baseline="blur", target=967)
ONES = "deep('.stage .lane')"
# Finds elements in the shadow trees of the app's components as well.
DEEP = """window.deep = (selector, root = document) => {
  const trees = [...root.querySelectorAll('*')].map((e) => e.shadowRoot).filter(Boolean);
  return [...root.querySelectorAll(selector), ...trees.flatMap((tree) => deep(selector, tree))];
};"""
REPEATS = 7


def bare(classifier: Classifier, settings: Settings) -> float:
    """Return the seconds of a run's gradient evaluations alone, in calls of the run's own size."""
    method = make_method(classifier, settings)
    image = classifier.preprocessing(Photo.sample("coffee").image)
    run = method.start(image, settings.target)
    for _ in run:
        pass
    explanation = run.result()
    calls = explanation.cost.batches - 1
    batch = image.expand(explanation.cost.gradients // calls, -1, -1, -1).clone()
    network = classifier.network
    began = time.perf_counter()
    for _ in range(calls):
        leaf = batch.clone().requires_grad_()
        torch.autograd.grad(network(leaf)[:, settings.target].sum(), leaf)
    return time.perf_counter() - began


def worker(classifier: Classifier, *settings: Settings) -> float:
    """Return the seconds of lanes' runs without a page."""
    turns, photo = Turns(), Photo.sample("coffee")
    began = time.perf_counter()
    runs = [LaneRun(turns, classifier, photo, s, "", 0.0).start() for s in settings]
    for run in runs:
        run.wait()
    return time.perf_counter() - began


def wait_for_all(page: Page) -> None:
    """Wait until no lane is running."""
    ended = f"[...{ONES}].every(l => ['done', 'failed'].includes(l.dataset.status))"
    page.wait_for_function(ended, polling=50, timeout=60_000)  # not at every frame, see knob()


def fresh(browser: Browser) -> tuple[Page, list[int]]:
    """Return a page in a session of its own, and how many bytes it was sent by the script and on the view's wire."""
    page = browser.new_context(viewport={"width": 1440, "height": 900}, bypass_csp=True).new_page()
    page.set_default_timeout(120_000)
    page.add_init_script(DEEP)
    received, wired = [0], set()

    def count(frame: str | bytes) -> None:
        received[0] += len(frame)

    def begin(event: dict[str, Any]) -> None:
        if "/wire/" in event["response"]["url"]:  # see ui/components/wire.py
            wired.add(event["requestId"])

    def end(event: dict[str, Any]) -> None:
        if event["requestId"] in wired:
            received[0] += int(event["encodedDataLength"])

    page.on("websocket", lambda socket: socket.on("framereceived", count))
    network = page.context.new_cdp_session(page)
    network.send("Network.enable")
    network.on("Network.responseReceived", begin)
    network.on("Network.loadingFinished", end)
    return page, received


def run_all(page: Page, url: str, *lanes: str) -> float:
    """Open lanes in a fresh page, run them, and return the seconds from the press to the end of the last."""
    query = ";".join(lanes).replace("+", "%2B").replace(";", "%3B")
    page.goto(f"{url}/Explain?photo=coffee&lanes={query}")
    page.wait_for_function(f"{ONES}.length === {len(lanes)}", timeout=60_000)
    page.wait_for_timeout(3000)
    began = time.perf_counter()
    page.get_by_role("button", name="Run").first.click()
    page.wait_for_function(f"[...{ONES}].some(l => l.dataset.status === 'running')", polling=20, timeout=60_000)
    wait_for_all(page)
    return time.perf_counter() - began


def knob(page: Page) -> tuple[float, float]:
    """Turn the momentum one notch; return the seconds to the first new picture and to the finished map."""
    page.evaluate(
        """() => {
          // A first map of the new run: a sketch, or that of a move. The old one, dimmed, does not count.
          const news = /sketch|move [1-9]/i;
          window.times = {};
          // Looked at now and then, and not at every frame: that alone would have the browser draw all the time.
          const look = () => {
            const now = performance.now();
            const lane = deep('.stage .lane')[0];
            const status = lane.dataset.status;
            if (!window.times.first && status === 'running' && news.test(lane.textContent)) window.times.first = now;
            if (window.times.first && status === 'done') { window.times.end = now; return; }
            setTimeout(look, 10);
          };
          const press = () => { window.times.press = performance.now(); look(); };
          addEventListener('keydown', press, { once: true, capture: true });
        }"""
    )
    page.locator("[class*='-momentum'] input[type=range], [class*='-momentum'] [role=slider]").first.focus()
    page.keyboard.press("ArrowRight")
    page.wait_for_function("window.times.end", polling=100, timeout=60_000)
    times = page.evaluate("window.times")
    return (times["first"] - times["press"]) / 1000, (times["end"] - times["press"]) / 1000


def replay(page: Page) -> float:
    """Play from the beginning; return how many pictures a second all lanes drew, by the frames of the browser."""
    return page.evaluate(
        """async () => {
          const clock = deep('input.clock')[0];
          clock.value = 0; clock.dispatchEvent(new Event('input'));
          let frames = 0, on = true;
          const began = performance.now();
          deep('button.play')[0].click();
          const tick = () => { frames += 1; if (on) requestAnimationFrame(tick); };
          requestAnimationFrame(tick);
          await new Promise((done) => setTimeout(done, 4000));
          on = false;
          deep('button.play')[0].click();
          return frames / ((performance.now() - began) / 1000);
        }"""
    )


def main() -> None:
    """Measure and print."""
    keep_freed_memory()
    classifier = load_classifier().prepare()
    threads = Turns().threads
    torch.set_num_threads(threads)
    print(f"{threads} thread(s) for the networks, torch {torch.__version__}")
    least = statistics.median(bare(classifier, SAMP) for _ in range(3))
    alone = {
        "samp": statistics.median(worker(classifier, SAMP) for _ in range(3)),
        "samp++": worker(classifier, SAMP_PP),
        "ig": statistics.median(worker(classifier, LINE) for _ in range(3)),
    }
    both = statistics.median(worker(classifier, SAMP, LINE) for _ in range(3))
    print(f"SAMP in a worker over its bare gradient evaluations: {alone['samp']:.2f} / {least:.2f} s")
    print(f"two lanes over the sum of each alone: {both / (alone['samp'] + alone['ig']):.2f}")
    with (
        tempfile.TemporaryDirectory() as folder,
        serve(ROOT / "app.py", Path(folder) / "log") as url,
        sync_playwright() as playwright,
    ):
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)

        page, received = fresh(browser)
        run_all(page, url, "samp", "ig,start=blur")  # warms the server up
        page.context.close()

        page, received = fresh(browser)
        seconds = run_all(page, url, "samp++")
        print(f"SAMP++ on the page over the worker alone: {seconds / alone['samp++']:.2f} ({seconds:.1f} s)")
        page.context.close()

        page, received = fresh(browser)
        seconds = run_all(page, url, "samp")
        print(f"SAMP on the page: {seconds:.2f} s, bare gradient evaluations {least:.2f} s")
        page.wait_for_timeout(6000)
        times = []
        for _ in range(REPEATS):
            times.append(knob(page))
            page.wait_for_timeout(5000)  # the plane's ground is worked out
        first, end = (statistics.median(t) for t in zip(*times, strict=True))
        print(f"knob to the first new picture: median {first:.2f} s; to the finished map {end:.2f} s ({REPEATS} times)")
        page.context.close()

        page, received = fresh(browser)
        before = received[0]
        run_all(page, url, "samp++", "samp", "samp-isotonic", "ig,start=blur")
        at_end = time.perf_counter()
        page.wait_for_function("!deep('button.play')[0].disabled", timeout=60_000)
        print(f"end of the last run to a replay that can be played: {time.perf_counter() - at_end:.2f} s")
        page.wait_for_timeout(2000)
        print(f"to the browser with four lanes: {(received[0] - before) / 1e6:.1f} MB")
        print(f"replay of four lanes: {replay(page):.0f} pictures a second")
        browser.close()


if __name__ == "__main__":
    main()

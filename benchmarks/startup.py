"""How quickly everything begins, in fresh processes: ``PYTHONPATH=. python benchmarks/startup.py``.

Prints medians of seconds, and each as a multiple of importing torch alone. The pages are asked of servers that have
just been started, by a headless Chromium that is running already; a page counts from the request on.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from playwright.sync_api import Browser, Page, expect, sync_playwright

from samp_core.images import load_sample
from tests.serving import CHROMIUM, FLAGS, LONG, ROOT, serve


def of_process(*arguments: str) -> float:
    began = time.perf_counter()
    subprocess.run([sys.executable, *arguments], cwd=ROOT, check=True, capture_output=True)
    return time.perf_counter() - began


def of_page(browser: Browser, path: str, *waits: Callable[[Page], None]) -> list[float]:
    with tempfile.TemporaryDirectory() as folder, serve(ROOT / "app.py", Path(folder) / "log") as address:
        page = browser.new_page()
        page.set_default_timeout(LONG)
        began, seconds = time.perf_counter(), []
        page.goto(f"{address}/{path}")
        for wait in waits:
            wait(page)
            seconds.append(time.perf_counter() - began)
        page.close()
    return seconds


def words(page: Page) -> None:
    expect(page.get_by_role("heading", name="It depends on the path")).to_be_visible(timeout=LONG)


def picture(page: Page) -> None:
    shown = page.locator(".stage.compact canvas.map").first  # the film's
    shown.wait_for()
    while not shown.evaluate("canvas => canvas.width > 0 && !canvas.hidden"):
        page.wait_for_timeout(20)


def stage(page: Page) -> None:
    page.get_by_role("button", name="Watch it on a photo").click()
    expect(page.locator(".stage:not(.compact) .lane").first).to_be_visible(timeout=LONG)


def knobs(page: Page) -> None:
    expect(page.get_by_text("gradient evaluations").first).to_be_visible(timeout=LONG)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=3)
    repeats = parser.parse_args().repeats
    rows: dict[str, list[float]] = {}
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        photo = Path(folder) / "cup.png"
        load_sample("coffee").save(photo)
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        explain = ("explain", str(photo), "--method", "samp", "--out", str(Path(folder) / "out"), "--quiet")
        for _ in range(repeats):
            measured = {
                "import torch": of_process("-c", "import torch"),
                "samp --help": of_process("-m", "samp_core", "--help"),
                "samp explain --help": of_process("-m", "samp_core", "explain", "--help"),
                "samp explain, SAMP on a photo": of_process("-m", "samp_core", *explain),
            }
            home = of_page(browser, "", words, picture, stage)
            measured |= {
                "Home's words, cold server": home[0],
                "Home's picture": home[1],
                "its button, to the stage": home[2] - home[1],
                "Explain by link, cold server, to its knobs": of_page(browser, "Explain", knobs)[0],
            }
            for name, seconds in measured.items():
                rows.setdefault(name, []).append(seconds)
        browser.close()
    torch = statistics.median(rows["import torch"])
    for name, seconds in rows.items():
        print(f"{name:44} {statistics.median(seconds):6.2f} s  {statistics.median(seconds) / torch:5.2f} x")


if __name__ == "__main__":
    main()

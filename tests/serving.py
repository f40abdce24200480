"""The real app, served as a user would serve it, for tests that drive a browser."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

ROOT = Path(__file__).parents[1]
# The browser without a window's machinery first: opening a page costs it less of the processor.
_NAMES = ("chromium-headless-shell", "chromium", "chromium-browser")
CHROMIUM = next(filter(None, map(shutil.which, _NAMES)), None)
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"]
LONG = 90_000  # ms; generous, for machines that do other things as well

# Note in `window.since` from when on the script has been done and nothing has moved, but for what never ends.
_LOOK = """const look = () => {
  const app = document.querySelector("[data-testid=stApp]");
  const moves = (a) => a.playState === "running" && a.effect.getTiming().iterations !== Infinity;
  const busy = !app || app.getAttribute("data-test-script-state") !== "notRunning"
    || document.querySelector("[data-testid=stSkeleton]") || document.getAnimations().some(moves);
  window.since = busy ? null : window.since ?? performance.now();
};"""
_WATCH = f"""() => {{
  {_LOOK}
  clearInterval(window.watch);
  window.since = null;
  window.watch = setInterval(look, 40);
}}"""
_QUIET = f"""(least) => {{
  {_LOOK}
  look();
  const still = window.since !== null && performance.now() - window.since >= least;
  if (still) clearInterval(window.watch);
  return still;
}}"""


def watch(page: Page) -> None:
    """Note from now on how long the page has been at rest; :func:`quiet` ends that."""
    page.evaluate(_WATCH)


def quiet(page: Page, least: int = 200, watched: bool = False) -> None:
    """Wait until the page's script is done and what it drew stands still, for ``least`` ms on end.

    From now, or from when the page has been ``watched``: several tabs come to rest side by side.
    """
    if not watched:
        page.evaluate("() => { clearInterval(window.watch); window.since = null; }")
    page.wait_for_function(_QUIET, arg=least, polling=40, timeout=LONG)


_CAMERA = (
    "window.cameras = 0; navigator.mediaDevices.getUserMedia = () => { window.cameras += 1; return Promise.reject(); }"
)
_FREE: WeakKeyDictionary[Browser, list[Page]] = WeakKeyDictionary()


@contextmanager
def visit(browser: Browser, url: str = "", width: int = 1440) -> Iterator[Page]:
    """Open a session that nobody has touched, in a tab that an earlier one is done with: there a page costs half.

    Nothing moves by itself in it, unless a test asks for that, and the camera is only counted (``window.cameras``).
    """
    free = _FREE.setdefault(browser, [])
    if free:
        page = free.pop()
        page.context.clear_cookies()  # now, when no answer can be on its way any more that brings one
    else:
        context = browser.new_context()
        context.add_init_script(_CAMERA)
        page = context.new_page()
        page.set_default_timeout(LONG)
    page.set_viewport_size({"width": width, "height": 900})
    page.emulate_media(color_scheme="light", reduced_motion="reduce")
    if url:
        page.goto(url, wait_until="commit")
    try:
        yield page
    except BaseException:
        page.context.close()
        raise
    page.evaluate("() => { try { localStorage.clear(); sessionStorage.clear(); } catch {} }")  # a blank page has none
    for other in page.context.pages:
        if other is not page:
            other.close()
    page.goto("about:blank")
    free.append(page)


@contextmanager
def serve(script: Path, log_file: Path) -> Iterator[str]:
    """Serve a script as a user would, with library and results beside the log; yields its address."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    log = log_file.open("w+")
    command = [sys.executable, "-m", "streamlit", "run", str(script), "--server.headless=true", f"--server.port={port}"]
    home = {**os.environ, **{f"SAMP_{name.upper()}": str(log_file.parent / name) for name in ("library", "results")}}
    server = subprocess.Popen(command, cwd=ROOT, env=home, stdout=log, stderr=subprocess.STDOUT)
    url = f"http://127.0.0.1:{port}"
    try:
        for _ in range(600):
            try:
                urllib.request.urlopen(f"{url}/_stcore/health", timeout=1).close()
                break
            except OSError:
                assert server.poll() is None, "the server ended"
                time.sleep(0.1)
        yield url
    finally:
        server.terminate()
        server.wait(20)
        log.seek(0)
        text = log.read()
        log.close()
    assert "Traceback" not in text, text

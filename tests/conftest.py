"""Networks and images that several test files share."""

from __future__ import annotations

from samp_core.process import keep_freed_memory, sleep_when_idle

sleep_when_idle()  # as the app and the command line do, before torch comes

import gc
import os
import re
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import cache, partial
from pathlib import Path
from typing import Any

import jaxtyping
import pytest
import torch
from playwright.sync_api import Browser, ConsoleMessage, Page, Request, expect, sync_playwright
from streamlit.components.v2 import manifest_scanner
from torch import nn
from xdist.scheduler import LoadScopeScheduling
from xdist.workermanage import WorkerController

from tests.typecheck import install

install("samp_core")  # before the first import of what it checks

from samp_core.classifiers import Classifier, load_classifier
from samp_core.images import load_sample
from samp_core.plane import grid
from tests.serving import CHROMIUM, FLAGS, LONG, ROOT, serve, visit

keep_freed_memory()  # as they do, too
expect.set_options(timeout=LONG)  # what a browser is asked to show may take long on a machine that does other things


class Schedule(LoadScopeScheduling):
    """Gives a file's tests to one of several processes, and those that drive a browser to all but the last of these.

    A server and a browser are dear, so the last process takes such tests only when nothing else is left. Files whose
    tests share more than these stay together and come first: the walk, as newcomers come to a server that nobody has
    used, then the others. All other tests are dealt one by one, so that no process is left alone with a long file at
    the end.
    """

    together = ("walk", "library")

    def _split_scope(self, nodeid: str) -> str:
        file = nodeid.partition("::")[0]
        return nodeid if self._drives(file) and self._turn(file) == len(self.together) else file

    @staticmethod
    def _drives(scope: str) -> bool:
        return scope.partition("::")[0].endswith("_browser.py")

    def _turn(self, scope: str) -> int:
        file = Path(scope.partition("::")[0]).name
        names = [f"test_{name}_browser.py" for name in self.together]
        return names.index(file) if file in names else len(names)

    def _assign_work_unit(self, node: WorkerController) -> None:
        drives = node is not self.nodes[-1]
        fitting = [scope for scope in self.workqueue if self._drives(scope) is drives]
        if fitting:
            self.workqueue.move_to_end(min(fitting, key=self._turn), last=False)
        super()._assign_work_unit(node)


DRIVES = (
    pytest.mark.browser,
    pytest.mark.skipif(
        CHROMIUM is None and not os.environ.get("CI"),
        reason="needs Chromium (Debian: apt-get install chromium-headless-shell)",
    ),
)
"""The marks of all tests that drive a browser."""
# Of a hundred such tests on a machine that does other things, one now and then meets a moment that no person would.
# What fails is tried once more from the start, and the summary says so; but for components without a page around them.
AGAIN = pytest.mark.flaky(reruns=1)


def pytest_collection_finish() -> None:
    """Leave what is there by now out of later collections of garbage: each that a test asks for would take a second."""
    gc.collect()
    gc.freeze()


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the tests that drive a browser, before anybody chooses tests by their marks."""
    for item in items:
        if item.path.name.endswith("_browser.py"):
            for mark in (*DRIVES, *([] if "components" in item.path.name else [AGAIN])):
                item.add_marker(mark)


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Schedule:
    """Say which process gets which tests, see ``pytest -n``."""
    return Schedule(config, log)


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Say why a test was tried again, though it passed then."""
    for report in terminalreporter.stats.get("rerun", ()):
        terminalreporter.section(f"why {report.nodeid} was tried again")
        terminalreporter.line(report.longreprtext)


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    """Leave one thread to the next test and its fixtures, whatever this one's turns have set.

    One, as the processes that test side by side would wait for each other's cores: layers of toys gain nothing by two.
    """
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(1)


def _workers() -> set[Any]:
    """Return the work that this process holds, without importing what tests of the engine do not need."""
    module = sys.modules.get("ui.work.worker")
    return set() if module is None else set(module._WORKERS)


@pytest.fixture(autouse=True)
def _no_work_left() -> Iterator[None]:
    """Stop what a test began and nobody waits for: a path plane, say, would take the next test's time."""
    before = _workers()
    yield
    for worker in _workers() - before:
        worker.cancel()


@pytest.fixture(scope="session", autouse=True)
def _one_look_at_what_is_installed() -> Iterator[None]:
    """Let the sessions of one process look for packages with components once, which takes each as long as a page."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(manifest_scanner, "scan_component_manifests", cache(manifest_scanner.scan_component_manifests))
        yield


@pytest.fixture(scope="session")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that the served app writes into."""
    return tmp_path_factory.mktemp("server")


@pytest.fixture(scope="session")
def address(place: Path) -> Iterator[str]:
    """Serve the app to the browser tests, yields its address; its log may hold nothing but its greeting at the end."""
    with serve(ROOT / "app.py", place / "log") as url:
        yield url
    log = (place / "log").read_text()
    assert not re.search("warning|error|exception", log, re.IGNORECASE), log


@pytest.fixture(scope="session")
def restarted(address: str, place: Path) -> Iterator[Callable[[], str]]:
    """Serve once more what the first server wrote, from the first call on, which returns the address as all others do.

    So whoever calls first, after something was written, has a server that finds it as it starts; nobody one that has
    anything of it in memory.
    """
    with ExitStack() as stack:
        yield cache(lambda: stack.enter_context(serve(ROOT / "app.py", place / "another log")))


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """A browser without a window."""
    assert CHROMIUM, "CI has to install Chromium: browser tests are not skipped there"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture
def page(browser: Browser, address: str) -> Iterator[Page]:
    """A visitor's page that fails its test if a script breaks in it or if anything is asked of another host."""
    problems: list[str] = []

    def breaks(error: Exception) -> None:
        problems.append(str(error))

    def says(message: ConsoleMessage) -> None:
        if "Content Security Policy" in message.text:
            problems.append(message.text)

    def asks(request: Request) -> None:
        if not request.url.startswith((address, "data:", "blob:", "ws://127.0.0.1")):
            problems.append(request.url)

    listeners: dict[Any, Any] = {"pageerror": breaks, "console": says, "request": asks}
    with visit(browser) as page:
        for event, listener in listeners.items():
            page.on(event, listener)
        yield page
        for event, listener in listeners.items():
            page.remove_listener(event, listener)
        expect(page.get_by_test_id("stException")).to_have_count(0)
    assert not problems, problems


@pytest.fixture
def no_type_checks() -> Iterator[None]:
    """Call the code as users do: no type checker stands before its own checks."""
    jaxtyping.config.update("jaxtyping_disable", True)
    yield
    jaxtyping.config.update("jaxtyping_disable", False)


@pytest.fixture
def smooth() -> nn.Module:
    """A small smooth network in float64: 2 x 12 x 10 images to 3 logits."""
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(2, 4, 3, padding=1), nn.Tanh(), nn.AdaptiveAvgPool2d(4), nn.Flatten(), nn.Linear(64, 3)
    ).double()


@pytest.fixture
def linear() -> nn.Module:
    """A linear network in float64: 2 x 12 x 10 images to 3 logits."""
    torch.manual_seed(1)
    return nn.Sequential(nn.Flatten(), nn.Linear(240, 3)).double()


@pytest.fixture
def toys() -> torch.Tensor:
    """Three random float64 images of 2 x 12 x 10."""
    return torch.randn(3, 2, 12, 10, generator=torch.Generator().manual_seed(2), dtype=torch.float64)


@pytest.fixture(scope="module")
def few_cells() -> Iterator[None]:
    """Give every path plane a coarse ground, whose 48 scores take an eighth of the time."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("samp_core.films.planes.grid", partial(grid, columns=8, rows=6))
        yield


@pytest.fixture(scope="session")
def bundled() -> Classifier:
    """The network that the app uses, prepared."""
    return load_classifier("efficientnet_lite0").prepare()


@pytest.fixture(scope="session")
def cat(bundled: Classifier) -> torch.Tensor:
    """A photo of a cat as the bundled network sees it, (1, 3, 224, 224)."""
    return bundled.preprocessing(load_sample("chelsea"))

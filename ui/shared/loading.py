"""What a page needs beside words and pictures is loaded behind the first page, and waited for in the open.

Importing torch, the engine and the pages, and loading the bundled network, take a few seconds after the server starts.
They are done once, in a thread of their own, begun as soon as a visitor has something to read.
"""

from __future__ import annotations

import gc
import importlib
import logging
import threading
from collections.abc import Callable

import streamlit as st
from streamlit.runtime.scriptrunner import add_script_run_ctx

_PAUSE = 0.7  # seconds that the browser gets to fetch what the first page shows; imports would keep the server from it


def _import(*modules: str) -> Callable[[], None]:
    def work() -> None:
        for module in modules:
            importlib.import_module(module)

    return work


def _network() -> None:
    state, bundled = map(importlib.import_module, ("ui.shared.state", "samp_core.bundled"))
    state.seconds_per_gradient(bundled.DEFAULT)


_STAGES: tuple[tuple[str, Callable[[], None], float], ...] = (
    ("PyTorch", _import("torch"), 2.0),
    ("the engine", _import("samp_core.runs", "samp_core.compare", "ui.shared.state"), 0.7),
    # Streamlit would import them with the first table or plot, and plotly uses whatever of pandas is there: where a
    # quick visitor's click ended a run amid that import, the next run ended in an exception.
    ("pandas", _import("pandas", "pyarrow"), 0.5),
    ("the pages", _import("ui.stage.page", "ui.compare.results", "ui.shared.sidebar", "ui.shared.picker"), 0.8),
    ("the bundled network", _network, 1.0),
)
"""What is loaded, as people are told, and about how many seconds each takes."""


class Loader(threading.Thread):
    """Loads everything, stage by stage.

    Attributes:
        stage: what is being loaded, in words.
        progress: share that is done, 0 to 1.
        done: set at the end, whether or not everything could be loaded; whoever needs what is missing meets the error.
    """

    def __init__(self) -> None:
        super().__init__(name="loader", daemon=True)
        self.stage, self.progress = _STAGES[0][0], 0.0
        self.done = threading.Event()
        self.hurry = threading.Event()

    def run(self) -> None:
        """Load."""
        self.hurry.wait(_PAUSE)
        whole, spent = sum(seconds for *_, seconds in _STAGES), 0.0
        gc.disable()  # collecting while everything is imported finds nothing and takes time
        try:
            for words, work, seconds in _STAGES:
                self.stage, self.progress = words, spent / whole
                work()
                spent += seconds
        except Exception:  # the page that needs it says more than a thread can
            logging.getLogger(__name__).exception("Loading %s failed", self.stage)
        finally:
            gc.enable()
            self.done.set()


@st.cache_resource(max_entries=1, show_spinner=False)
def _loader() -> Loader:
    loader = Loader()
    add_script_run_ctx(loader)
    loader.start()
    return loader


def begin() -> None:
    """Begin to load, behind what the page shows."""
    _loader()


def wait() -> None:
    """Wait until everything is loaded, and say what is waited for."""
    # Its place is there when nothing is waited for, too: were it gone with the page's next run, everything below would
    # move up and begin anew, and what somebody has just opened would close.
    place = st.empty()
    loader = _loader()
    if loader.done.is_set():
        return
    loader.hurry.set()
    while not loader.done.wait(0.2):
        place.progress(loader.progress, text=f"The server has just started: loading {loader.stage}.")
    place.empty()

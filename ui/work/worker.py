"""Long work in a thread of its own, which pages only look at.

Streamlit stops a script at its next call when a widget moves, so nothing long may run inside one. A :class:`Worker`
lives in the session; fragments draw it. Threads never call Streamlit's drawing functions.
"""

from __future__ import annotations

import atexit
import logging
import threading
import time
import weakref
from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

import streamlit as st
from streamlit.runtime import exists, get_instance
from streamlit.runtime.scriptrunner import get_script_run_ctx

from samp_core.checkpoints import reach
from ui.work.turns import BACKGROUND, WORK, Turns

if TYPE_CHECKING:  # every page imports this, before the engine is there
    from samp_core.attribution import Run

GRACE = 10.0  # seconds that a session may be without its browser (a reload, a dropped connection) before work ends
_STRETCH = 15.0  # seconds of the past by which the pace is judged
_GLANCE = 0.1  # seconds between two looks whether the browser is back


_WORKERS: weakref.WeakSet[Worker] = weakref.WeakSet()


@atexit.register
def _stop_all() -> None:
    """End all work before the interpreter does: a thread that is inside torch then takes the process down."""
    for worker in list(_WORKERS):
        worker.cancel()
    for worker in list(_WORKERS):
        worker.wait(5)


class Abandoned(Exception):
    """The browser tab that the work was for is closed."""


@dataclass(frozen=True)
class Session:
    """A browser tab, as the server knows it; ``identity`` is empty outside of the server."""

    identity: str = ""

    @classmethod
    def current(cls) -> Self:
        """Return the session whose script is running in this thread."""
        context = get_script_run_ctx(suppress_warning=True)
        return cls(context.session_id if context is not None and exists() else "")

    @property
    def connected(self) -> bool:
        """Whether its browser is there. Safe to ask from any thread."""
        return not self.identity or not exists() or bool(get_instance().is_active_session(self.identity))


class Pace:
    """How fast work goes, by its last :data:`_STRETCH` seconds, waiting for others included."""

    def __init__(self) -> None:
        self._seen: deque[tuple[float, float]] = deque()

    def note(self, progress: float) -> None:
        """Take in the fraction done now."""
        now = time.monotonic()
        self._seen.append((now, progress))
        while len(self._seen) > 2 and now - self._seen[0][0] > _STRETCH:
            self._seen.popleft()

    def left(self) -> float | None:
        """Return the expected seconds to go; None before there is a pace."""
        if len(self._seen) < 2:
            return None
        (began, first), (_, last) = self._seen[0], self._seen[-1]
        if last <= first:
            return None
        # A stretch without news counts as well: a run that is held up must not promise the same time for ever.
        return (time.monotonic() - began) / (last - first) * (1 - last)


def under_way() -> list[Worker]:
    """Return the session's work that is under way, whichever page it belongs to."""
    return [worker for worker in st.session_state.get("work", ()) if worker.active]


class Worker:
    """Long work for one browser tab. It goes on while the tab lives, whichever page is shown, and ends soon after.

    Args:
        turns: what makes all sessions' work take turns.
        title: what the work is, for people.
        page: the page that shows it, as in the navigation.
        session: the tab it is for; by default the one whose script is running.
        urgency: of its turns.

    Attributes:
        link: what a link to what was asked holds; None if nobody said. Until it ends something else may be chosen.
    """

    def __init__(
        self, turns: Turns, title: str, page: str = "", session: Session | None = None, urgency: int = WORK
    ) -> None:
        self.title, self.page = title, page
        self.link: Mapping[str, str] | None = None
        self.session = Session.current() if session is None else session
        self.pace = Pace()
        self._turns, self._urgency = turns, urgency
        self._connected = time.monotonic()
        self._cancelled = threading.Event()
        self._thread = threading.Thread(target=self._carry_out, name=f"samp: {title}", daemon=True)

    def start(self) -> Self:
        """Start the thread, and let every page of the session know of the work."""
        if get_script_run_ctx(suppress_warning=True) is not None:
            st.session_state["work"] = [*under_way(), self]
        self._thread.start()
        _WORKERS.add(self)
        return self

    def cancel(self) -> None:
        """Ask the work to end after the piece in hand."""
        self._cancelled.set()

    def wait(self, seconds: float | None = None) -> None:
        """Wait until the thread has ended."""
        if self._thread.is_alive():
            self._thread.join(seconds)

    @property
    def active(self) -> bool:
        """Whether the work is under way or waiting for its turn."""
        raise NotImplementedError

    @property
    def progress(self) -> float:
        """Fraction done, 0 to 1."""
        raise NotImplementedError

    @property
    def cancelling(self) -> bool:
        """Whether a cancel was asked for and has not taken effect yet."""
        return self.active and self._cancelled.is_set()

    @property
    def abandoned(self) -> bool:
        """Whether the browser tab has been gone for longer than :data:`GRACE`."""
        if self.session.connected:
            self._connected = time.monotonic()
        return time.monotonic() - self._connected > GRACE

    def turn(self) -> Any:
        """Return the context in which networks may be evaluated.

        Raises:
            Abandoned: the tab is closed, and this is an extra, which rests while nobody is there to see it.
        """
        while self._urgency == BACKGROUND and not self.session.connected and not self._cancelled.is_set():
            self.pause()
            time.sleep(_GLANCE)
        return self._turns(self.session.identity, self._urgency)

    def pause(self) -> None:
        """Between two evaluations: give up work that nobody waits for, let others pass.

        Raises:
            Abandoned: the tab is closed.
        """
        if self.abandoned:
            self.cancel()
            raise Abandoned
        self._turns.offer()

    def pieces(self, run: Run) -> Iterator[Any]:
        """Walk a run turn by turn; yields each piece between two turns. A cancel ends the run."""
        while not self._cancelled.is_set():
            with self.turn():
                piece = next(iter(run), None)
            if piece is None:
                return
            yield piece
        run.stop()
        next(iter(run), None)  # lets a method put its copy of the network away

    def _carry_out(self) -> None:
        with reach(self.pause):
            try:
                self._work()
            except Abandoned:
                self._fail("The browser tab was closed.")
            except Exception as error:
                logging.getLogger(__name__).exception("%s failed", self.title)
                self._fail(f"{type(error).__name__}: {error}. The terminal has the details.")

    def _work(self) -> None:
        """Do the work, in the thread."""
        raise NotImplementedError

    def _fail(self, why: str) -> None:
        """Take in that the work ended by an error that nobody expected."""
        raise NotImplementedError

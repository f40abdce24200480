"""Who may use the networks now: all sessions' work takes turns, short questions first.

Two searches side by side take each other's cores and are slower than one after the other, so only one thread evaluates
a network at any time. A turn is bounded whatever the settings: between two calls of the network a long step lets
questions pass, and after :data:`SLICE` seconds anybody.
"""

from __future__ import annotations

import math
import os
import threading
import time
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from samp_core.classifiers import Classifier

QUESTION, WORK, BACKGROUND = range(3)
"""Urgency of a turn: somebody waits for a page, a run is watched, or the result is an extra."""

SLICE = 0.25  # seconds after which a step lets others pass at its next checkpoint
LULL = 0.3  # seconds without work after which background begins: between two steps of a run it would only slow it
PATIENCE = 2.0  # seconds after which it goes on all the same, so that a busy server does not starve it
_OWNERS = 256  # sessions whose last turn is remembered


def default_threads() -> int:
    """Return how many threads the networks use: all cores but one, or what ``SAMP_THREADS`` says.

    Torch's threads wait for each other, so a busy neighbour on one core (the browser, the server's own loop) stalls
    all of them: two threads on two cores are a little faster alone and several times slower beside one. The number
    decides the rounding and so, on a real network, a search's map: it is one number for everything the app does.
    """
    asked = os.environ.get("SAMP_THREADS", "")
    return max(1, int(asked) if asked.isdecimal() else (os.cpu_count() or 2) - 1)


@dataclass
class _Ticket:
    owner: str
    urgency: int
    number: int
    resumes: bool = False  # it only let a question pass, so it goes before other work
    called: threading.Event = field(default_factory=threading.Event)
    since: float = 0.0


def pace_key(classifier: Classifier) -> str:
    """Return what the pace of a network is kept under: which one it is, the size of its pictures, where it computes."""
    return f"{classifier.fingerprint} {classifier.preprocessing.crop} {classifier.device}"


class Turns:
    """A lock for the networks that serves questions before work, and sessions evenly.

    Among the waiting, the more urgent go first; among equals, the session whose last turn is longest ago; within a
    session, first come, first served.

    Args:
        threads: number of threads that torch uses during a turn.

    Attributes:
        pace: newest seconds per gradient evaluation of each network, by :func:`pace_key`; for estimates.
    """

    def __init__(self, threads: int | None = None) -> None:
        self.threads = threads or default_threads()
        self.pace: dict[str, float] = {}
        self._lock = threading.Lock()
        self._waiting: list[_Ticket] = []
        self._busy = False
        self._worked = -math.inf  # when work last had the turn; infinite while it has it
        self._numbers = count()
        self._served: OrderedDict[str, int] = OrderedDict()
        self._mine = threading.local()

    @contextmanager
    def __call__(self, owner: str = "", urgency: int = WORK) -> Iterator[None]:
        """Wait for the turn and hold it. Within a turn of this thread, this is part of that turn."""
        if getattr(self._mine, "ticket", None) is not None:
            yield
            return
        ticket = _Ticket(owner, urgency, next(self._numbers))
        if urgency == BACKGROUND:
            self._await_lull()
        self._take(ticket)
        self._mine.ticket = ticket
        try:
            yield
        finally:
            self._mine.ticket = None
            self._pass_on(ticket)

    def learn(self, classifier: Classifier, gradients: int, seconds: float) -> None:
        """Take a finished run into :attr:`pace`; what the machine is busy with otherwise is part of it."""
        if gradients >= 4:
            newest, key = seconds / gradients, pace_key(classifier)
            self.pace[key] = 0.5 * (self.pace.get(key, newest) + newest)

    def offer(self) -> None:
        """Let others pass who should not wait for the end of this thread's turn; without a turn, do nothing."""
        ticket: _Ticket | None = getattr(self._mine, "ticket", None)
        if ticket is None:
            return
        late = time.monotonic() - ticket.since > SLICE
        with self._lock:
            passing = any(w.urgency < ticket.urgency or (late and w.urgency == ticket.urgency) for w in self._waiting)
        if passing:
            self._pass_on(ticket)
            ticket.called.clear()
            ticket.number, ticket.resumes = next(self._numbers), not late
            self._take(ticket)

    def _await_lull(self) -> None:
        give_up = time.monotonic() + PATIENCE
        while (now := time.monotonic()) < give_up and now - self._worked < LULL:
            time.sleep(min(LULL / 6, give_up - now))

    def _take(self, ticket: _Ticket) -> None:
        with self._lock:
            if self._busy:
                self._waiting.append(ticket)
            else:
                self._serve(ticket)
        ticket.called.wait()
        # Asking comes first: until a thread's first tensor operation, other threads' settings override its own.
        import torch  # noqa: PLC0415 - the frame of a page asks for work under way before torch is loaded

        if torch.get_num_threads() != self.threads:
            torch.set_num_threads(self.threads)
        ticket.since = time.monotonic()

    def _serve(self, ticket: _Ticket) -> None:
        self._busy = True
        if ticket.urgency == WORK:
            self._worked = math.inf
        self._served[ticket.owner] = next(self._numbers)
        self._served.move_to_end(ticket.owner)
        while len(self._served) > _OWNERS:
            self._served.popitem(last=False)
        ticket.called.set()

    def _pass_on(self, ticket: _Ticket) -> None:
        with self._lock:
            if ticket.urgency == WORK:
                self._worked = time.monotonic()
            if not self._waiting:
                self._busy = False
                return
            first = min(
                self._waiting, key=lambda t: (t.urgency, not t.resumes, self._served.get(t.owner, -1), t.number)
            )
            self._waiting.remove(first)
            self._serve(first)

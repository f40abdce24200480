"""Runs that outlive reruns: a worker thread owns the search, pages only look at it.

Streamlit stops a script at its next call when a widget moves, so nothing long may run inside one. A :class:`Job` lives
in the session; a fragment polls it. Threads never call Streamlit.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from math import isnan
from typing import Literal, Self

import torch
from PIL import Image

from samp_core.allocator import keep_freed_memory
from samp_core.classifiers import Classifier
from samp_core.methods import Explanation, Settings, make_method
from samp_core.runs import begin
from samp_core.scores import PathError
from ui.pictures import Moment, moment, start_moment

Status = Literal["waiting", "running", "done", "stopped", "failed"]

MOMENTS = 120  # pictures kept of one run; longer runs keep every second, third, ... step
FORGOTTEN = 120.0  # seconds without anybody looking after which a run is given up: its tab was closed


class Turn:
    """A lock that serves threads in the order in which they asked.

    Two searches side by side take each other's cores and are slower than one after the other; taking turns step by
    step keeps every browser tab moving at an equal share. A plain lock would let the thread that just released it
    take it again.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._queue: deque[threading.Event] = deque()
        self._busy = False

    @contextmanager
    def __call__(self) -> Iterator[None]:
        """Wait for the turn and hold it."""
        mine = threading.Event()
        with self._lock:
            if self._busy:
                self._queue.append(mine)
            else:
                self._busy = True
                mine.set()
        mine.wait()
        try:
            yield
        finally:
            with self._lock:
                if self._queue:
                    self._queue.popleft().set()
                else:
                    self._busy = False


class Worker:
    """Long work in a thread of its own, which pages only look at.

    Args:
        turn: what makes workers take turns.
        name: of the thread.
    """

    def __init__(self, turn: Turn, name: str) -> None:
        self._turn = turn
        self._seen = time.monotonic()
        self._thread = threading.Thread(target=self._work, name=name, daemon=True)

    def start(self) -> Self:
        """Start the thread."""
        self._thread.start()
        return self

    def look(self) -> None:
        """Tell the worker that somebody is watching."""
        self._seen = time.monotonic()

    def wait(self, seconds: float | None = None) -> None:
        """Wait until the thread has ended."""
        self._thread.join(seconds)

    @property
    def forgotten(self) -> bool:
        """Whether nobody has looked for so long that the tab must be closed."""
        return time.monotonic() - self._seen > FORGOTTEN

    def _work(self) -> None:
        """Do the work, in the thread."""
        raise NotImplementedError


class Job(Worker):
    """One run on one photo in a thread of its own.

    Attributes:
        settings: what was asked, with the target filled in.
        key: what the result belongs to: photo, network and settings.
        status: where it is; ``done``, ``stopped`` and ``failed`` are final.
        moments: pictures of the start and of the steps so far.
        scores: score of each direction at each state so far, None once it has arrived.
        replay: what the player needs to show every moment, once final and not failed.
        common: what of the player's data stays the same all along; kept here because it is asked for at every look.
        explanation: the result, once final and not failed.
        error: what went wrong, for a user.
    """

    def __init__(
        self, classifier: Classifier, image: Image.Image, name: str, settings: Settings, turn: Turn, key: str = ""
    ) -> None:
        super().__init__(turn, "samp-run")
        self.classifier, self.image, self.name, self.settings, self.key = classifier, image, name, settings, key
        self.estimate = make_method(classifier, settings).estimate(*classifier.preprocessing.crop)
        self.status: Status = "waiting"
        self.moments: list[Moment] = []
        self.scores: list[list[float | None]] = []
        self.replay: list[dict[str, object]] = []
        self.common: dict[str, object] = {}
        self.explanation: Explanation | None = None
        self.error: str | None = None
        self.steps = 0
        self._cancelled = threading.Event()
        self._began = time.monotonic()

    def cancel(self) -> None:
        """Ask the run to end after the step in hand; its partial result stays."""
        self._cancelled.set()

    @property
    def active(self) -> bool:
        """Whether the run is under way or waiting for its turn."""
        return self.status in ("waiting", "running")

    @property
    def cancelling(self) -> bool:
        """Whether a cancel was asked for and has not taken effect yet."""
        return self.active and self._cancelled.is_set()

    @property
    def expected_steps(self) -> int:
        """Expected number of steps; never fewer than were made."""
        return max(self.estimate.steps, self.steps + 1) if self.active else max(self.steps, 1)

    @property
    def seconds_left(self) -> float | None:
        """Expected seconds to go by the pace so far; None before there is one."""
        if self.steps < 2:
            return None
        return (time.monotonic() - self._began) / self.steps * (self.expected_steps - self.steps)

    def _work(self) -> None:
        leave_a_core()
        try:
            self._walk()
        except (PathError, ValueError) as error:
            self.error, self.status = str(error), "failed"
        except Exception as error:
            logging.getLogger(__name__).exception("a run failed")
            self.error, self.status = (
                f"The network failed during the run ({type(error).__name__}: {error}). The terminal has the details.",
                "failed",
            )

    def _walk(self) -> None:
        with self._turn():
            self._began = time.monotonic()
            self.settings, run = begin(self.classifier, self.image, self.settings)
            self.moments.append(start_moment(self.classifier, run))
        self.status = "running"
        every = -(-self.estimate.step_bound // MOMENTS)
        while not self._cancelled.is_set():
            with self._turn():
                step = next(iter(run), None)
            if step is None:
                break
            self.steps = step.index + 1
            self.scores.append(
                [s if a else None for s, a in zip(step.score.tolist(), step.active.tolist(), strict=True)]
            )
            if step.index % every == 0 or self.steps >= self.estimate.steps:
                self.moments.append(moment(self.classifier, run, step))
            if self.forgotten:
                self.cancel()
        with self._turn():
            self.explanation = run.result()
            self.scores = [[None if isnan(s) else s for s in row] for row in self.explanation.scores[:, :, 0].tolist()]
            # All moments on the last one's scale, or the map could not be seen to grow.
            limit = self.moments[-1].limit
            self.replay = [m.to_data(limit) for m in self.moments]
        self.status = "done" if self.explanation.finished else "stopped"


def leave_a_core() -> None:
    """Let this thread's networks use all cores but one.

    Torch's threads wait for each other, so a busy neighbour on one core (the browser, the server's own loop) stalls
    all of them: two threads on two cores are a little faster alone and several times slower beside one.
    """
    torch.set_num_threads(max(1, (os.cpu_count() or 2) - 1))


def warm_up(classifier: Classifier) -> float:
    """Return the seconds of one gradient evaluation, after one for warming up."""
    keep_freed_memory()
    leave_a_core()
    method = make_method(classifier, Settings(method="ig", steps=1, target=0))
    blank = torch.ones((1, len(classifier.preprocessing.mean), *classifier.preprocessing.crop))
    method.explain(blank, 0)
    began = time.perf_counter()
    cost = method.explain(blank, 0).cost
    return (time.perf_counter() - began) / (cost.gradients or 1)

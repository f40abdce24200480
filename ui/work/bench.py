"""A benchmark over a folder, as work of the app."""

from __future__ import annotations

from pathlib import Path

from samp_core.benchmark import DeviceError, Plan, Progress, Stopped, Store, StoreError, run
from samp_core.classifiers import Classifier
from ui.work.turns import Turns
from ui.work.worker import Abandoned, Worker


class Bench(Worker):
    """A benchmark in a thread of its own; what it has measured is in its file, whatever happens to the thread.

    Attributes:
        progress_now: how far it is; None before the first look.
        error: what went wrong, for a user.
    """

    def __init__(
        self,
        classifier: Classifier,
        plan: Plan,
        path: Path,
        turns: Turns,
        title: str = "Benchmark",
        page: str = "Metrics",
    ) -> None:
        super().__init__(turns, title, page)
        self.classifier, self.plan, self.path = classifier, plan, path
        self.progress_now: Progress | None = None
        self.error: str | None = None
        self._active = True

    @property
    def active(self) -> bool:
        """Whether it is under way."""
        return self._active

    @property
    def progress(self) -> float:
        """Fraction done, 0 to 1."""
        now = self.progress_now
        return 0.0 if now is None else min(now.done / max(now.total, 1), 1.0)

    def pause(self) -> None:
        """Between two evaluations: end work that nobody wants, let others pass.

        Raises:
            Stopped: which the engine knows from a failure.
        """
        if self._cancelled.is_set():
            raise Stopped
        try:
            super().pause()
        except Abandoned as error:
            raise Stopped from error

    def _work(self) -> None:
        try:
            with Store(self.path) as store:
                work = run(self.classifier, self.plan, store, tick=self.pause)
                while True:
                    with self.turn():  # others pass at the checkpoints inside; the turn sets the number of threads
                        progress = next(work, None)
                    if progress is None:
                        break
                    self.progress_now = progress
                    self.pace.note(self.progress)
        except Stopped:
            pass
        except (StoreError, DeviceError, OSError) as error:
            self._fail(str(error))
        self._active = False

    def _fail(self, why: str) -> None:
        self.error, self._active = why, False

"""The path planes of a stage, worked out in the background once its runs have ended."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Self

from samp_core.films import Film, Reel, View, Walk, pieces, surveys
from samp_core.scores import PathError
from ui.work.lane_run import LaneRun, views_of
from ui.work.turns import BACKGROUND, Turns
from ui.work.worker import Worker

NO_PLANE = "These runs came back from a file that holds no planes. Run a lane once more to see its path in one."


class Ground(Worker):
    """Works out the planes of finished runs, then the score on a grid of each, coarse cells first.

    Runs that came back from a file have no states any more: they are seen in the planes that the file holds.

    Attributes:
        identity: changes with the runs.
        views: the planes so far, most paths first.
        version: grows whenever there is more to see.
    """

    def __init__(self, turns: Turns, runs: Sequence[LaneRun], score: str) -> None:
        super().__init__(turns, "Path plane", "Explain", urgency=BACKGROUND)
        self.identity = ground_key(runs)
        self.runs, self.score = list(runs), score
        self._fresh = [(run, run.film) for run in self.runs if isinstance(run.film, Film)]
        back = [run for run in self.runs if isinstance(run.film, Reel)]
        self._back = views_of(back, [run.identity for run in back])
        if self._fresh:
            self._back = [replace(view, note="from a file") for view in self._back]
        self.views: list[View] = list(self._back)
        self.version = int(bool(self._back))
        self.error = "" if self._fresh or self._back else NO_PLANE
        self._active = bool(self._fresh)
        self._done = 0
        self._cells = 1

    @property
    def active(self) -> bool:
        """Whether it is under way."""
        return self._active

    @property
    def progress(self) -> float:
        """Fraction of the ground that is known, 0 to 1."""
        return self._done / self._cells if self._active else 1.0

    def _fail(self, why: str) -> None:
        self.error, self._active = why, False

    def begin(self) -> Self:
        """Start the thread, if there is something to work out."""
        return self.start() if self._active else self

    def _work(self) -> None:
        try:
            self._survey()
        except (PathError, ValueError) as error:
            self._fail(str(error))
        self._active = False
        self.version += 1

    def _survey(self) -> None:
        first = self.runs[0]
        with self.turn():
            found = surveys([Walk(run.identity, run.settings, film) for run, film in self._fresh], self.score)
        self.views = [*(survey.view for survey in found), *self._back]
        self._cells = max(1, sum(survey.cells for survey in found))
        self.version += 1
        work = pieces(found, first.classifier, first.settings)
        for number in range(self._cells):
            if self._cancelled.is_set():
                return
            with self.turn():
                done = next(work, None)
            if done is None:
                break
            self._done += done
            # The browser is sent the ground in a few pieces, not with every batch.
            if number % 32 == 15:
                self.version += 1
        for run, _ in self._fresh:
            run.views = self.views


def ground_key(runs: Sequence[LaneRun]) -> str:
    """Return what identifies the planes of these runs."""
    return " ".join(run.identity for run in runs)

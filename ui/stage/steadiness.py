"""How steady a lane's map is at every scale: the same photo once more, under noise that nobody sees."""

from __future__ import annotations

import math
from typing import Any

import torch

from samp_core.attribution import UnsupportedError
from samp_core.methods import make_method
from samp_core.metrics.stability import SCALES, scaled_stability
from samp_core.scores import PathError
from ui.work.lane_run import LaneRun
from ui.work.turns import BACKGROUND, Turns
from ui.work.worker import Worker

NOISE = 0.01  # standard deviation in normalised units: about one grey level
KEPT = 8


class Steadiness(Worker):
    """Explains the photo of a finished run again under noise, and compares the two maps scale by scale.

    Attributes:
        run: the finished run.
        values: correlation at each of :data:`~samp_core.metrics.stability.SCALES`; empty until it is known.
        error: why it is not known, for a user.
    """

    def __init__(self, turns: Turns, run: LaneRun) -> None:
        super().__init__(turns, f"Stability of {run.title}", "Explain", urgency=BACKGROUND)
        self.run = run
        self.values: list[float] = []
        self.error = ""
        self._progress = 0.0

    @property
    def active(self) -> bool:
        """Whether it is under way."""
        return not self.values and not self.error

    @property
    def progress(self) -> float:
        """Fraction done, 0 to 1."""
        return self._progress if self.active else 1.0

    def _fail(self, why: str) -> None:
        self.error = why

    def _work(self) -> None:
        classifier, settings = self.run.classifier, self.run.settings
        try:
            with self.turn():
                inputs = classifier.inputs(self.run.photo.image)
                noise = torch.randn(inputs.shape, generator=torch.Generator().manual_seed(settings.seed))
                again = make_method(classifier, settings).start(inputs + NOISE * noise.to(inputs), settings.target)
            for _ in self.pieces(again):
                self._progress = again.progress
                self.pace.note(self._progress)
            if self._cancelled.is_set():
                self.error = "Stopped."
                return
            with self.turn():
                maps = again.result().maps.cpu()
            assert self.run.explanation is not None
            values = scaled_stability(self.run.explanation.maps[0], maps[0])
            if not all(map(math.isfinite, values)):
                raise ValueError("one of the two maps is the same everywhere, so it has no ranking.")
            self.values = values
        except (UnsupportedError, PathError, ValueError) as error:
            self.error = str(error)

    def message(self) -> dict[str, Any]:
        """Return what the browser is told."""
        if self.error:
            return {"error": self.error}
        if self.values:
            return {"scales": list(SCALES), "values": self.values}
        return {"progress": round(self.progress, 2)}


class Steady:
    """A session's measurements, the newest of them kept."""

    def __init__(self) -> None:
        self._known: dict[str, Steadiness] = {}

    def of(self, run: LaneRun) -> Steadiness | None:
        """Return what is known of a run's map."""
        return self._known.get(run.identity)

    @property
    def active(self) -> bool:
        """Whether anything is being measured."""
        return any(each.active for each in list(self._known.values()))  # asked by other threads, too

    def want(self, turns: Turns, runs: list[LaneRun]) -> None:
        """Begin with the next of these finished runs that is not known yet; one at a time."""
        if self.active:
            return
        for run in runs:
            if run.identity not in self._known:
                self._known[run.identity] = Steadiness(turns, run).start()
                while len(self._known) > KEPT:
                    self._known.pop(next(iter(self._known)))
                return

    def stop(self) -> None:
        """Stop measuring: a run goes first."""
        for name, each in list(self._known.items()):
            if each.active:
                each.cancel()
                del self._known[name]

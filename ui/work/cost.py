"""What explaining and measuring are expected to ask of the network, and at most."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import torch

from samp_core.classifiers import Classifier
from samp_core.methods import Settings, make_method
from samp_core.metrics import METRICS
from samp_core.metrics.road import impute

_SIDE, _MIX, _GROWTH = 112, 1.26, 0.32
"""Of linear equations: the side of the photo that is tried, how much longer a pixel takes over all shares that ROAD
removes than over half of it, and the power of the number of pixels with which that grows (112 to 384 pixels a side)."""
FORWARD = 0.45  # a forward pass takes a little less than half of a gradient evaluation's time
CURVES = 58  # forward passes of a deletion and an insertion curve


@cache
def _pace() -> float:
    """Return the seconds that a pixel of a small photo takes which is found by linear equations, half of them known."""
    drawn = torch.rand((_SIDE, _SIDE), generator=torch.Generator().manual_seed(0))
    photo, removed = drawn.expand(1, 3, -1, -1), drawn.unsqueeze(0) < 0.5
    least = math.inf
    for _ in range(3):
        began = time.perf_counter()
        impute(photo, removed)
        least = min(least, time.perf_counter() - began)
    return least / int(removed.sum())


@dataclass(frozen=True)
class Work:
    """What one method's map and the measures of it ask of the network, in gradient evaluations.

    Attributes:
        map: expected for the map, and ``map_bound`` at most; 0 if the map is there already.
        rest: expected for what is measured, and ``rest_bound`` at most.
        solved: pixels that are found by linear equations besides, of photos of ``pixels``.
    """

    map: float
    map_bound: float
    rest: float
    rest_bound: float
    solved: float
    pixels: int

    @classmethod
    def of(
        cls,
        classifier: Classifier,
        settings: Settings,
        metrics: Sequence[str] | None,
        has_map: bool,
        calibrates: bool = False,
    ) -> Work:
        """Return the work for one method; without ``metrics``, both curves are measured.

        What is measured of a map that is calibrated needs both curves of it, and of every further map.

        Raises:
            ValueError: the settings do not fit together.
        """
        height, width = classifier.preprocessing.crop
        cost = make_method(classifier, settings).estimate(height, width)
        again = 0 if metrics is None else sum(METRICS[name].explanations for name in metrics)
        forwards = FORWARD * (CURVES if metrics is None else sum(METRICS[name].forwards for name in metrics))
        if calibrates and metrics is not None:
            forwards += FORWARD * CURVES * (again + 1)
        own = 0 if has_map else 1
        return cls(
            own * cost.gradients,
            own * cost.gradient_bound,
            again * cost.gradients + forwards,
            again * cost.gradient_bound + forwards,
            height * width * sum(METRICS[name].solves for name in metrics or ()),
            height * width,
        )

    @property
    def seconds(self) -> float:
        """How long the equations will take here."""
        return self.solved * _MIX * _pace() * (self.pixels / _SIDE**2) ** _GROWTH if self.solved else 0.0

    @property
    def map_share(self) -> float:
        """Which part of all of it is the map, 0 to 1."""
        return self.map / (self.map + self.rest) if self.map else 0.0

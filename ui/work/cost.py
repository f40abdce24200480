"""What explaining and measuring are expected to ask of the network, and at most."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from samp_core.classifiers import Classifier
from samp_core.methods import Settings, make_method
from samp_core.metrics import METRICS

FORWARD = 0.45  # a forward pass takes a little less than half of a gradient evaluation's time
CURVES = 58  # forward passes of a deletion and an insertion curve


@dataclass(frozen=True)
class Work:
    """What one method's map and the measures of it ask of the network, in gradient evaluations.

    Attributes:
        map: expected for the map, and ``map_bound`` at most; 0 if the map is there already.
        rest: expected for what is measured, and ``rest_bound`` at most.
    """

    map: float
    map_bound: float
    rest: float
    rest_bound: float

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
        cost = make_method(classifier, settings).estimate(*classifier.preprocessing.crop)
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
        )

    @property
    def map_share(self) -> float:
        """Which part of all of it is the map, 0 to 1."""
        return self.map / (self.map + self.rest) if self.map else 0.0

"""The straight line, early or late parts of which count more (Path-Weighted Integrated Gradients)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import torch

from samp_core.paths.base import Endpoints, GradientFn, Step, StepEstimate, walk_known

STRONGEST = 20
"""Strongest emphasis, of either sign: nearly all weight is in a twentieth of the line."""


@dataclass(frozen=True)
class WeightedPath:
    """``steps`` equal moves along the line from start to end, credited with a weight w(t) of mean 1.

    Kamalov, Al Falasi and Thabtah, "Path-Weighted Integrated Gradients for Interpretable Dementia Classification",
    arXiv 2509.17491, leave the weight open. This is one family with one knob: for an emphasis p of at least 0
    w(t) = (p + 1) t ** p, below 0 its mirror image w(t) = (1 - p) (1 - t) ** -p. Emphasis 1 is Path-Sampled Integrated
    Gradients with a uniform density, but for a factor of 2 (Kamalov, Thabtah, Sivaraj and Abdelhamid, arXiv
    2604.14338: baselines drawn from the line weigh it by their cumulative distribution).

    A move's credit is the gradient at its start times the move, times the mean of the weight over the move.

    Attributes:
        steps: number of moves.
        emphasis: where gradients count: 0 evenly, above 0 near the end, below 0 near the start.
        chunk: states whose gradients are taken in one call.

    Raises:
        ValueError: ``steps`` or ``chunk`` is not positive, or ``emphasis`` is beyond :data:`STRONGEST`.
    """

    steps: int = 50
    emphasis: float = 1.0
    chunk: int = 4

    def __post_init__(self) -> None:
        if self.steps < 1 or self.chunk < 1 or not abs(self.emphasis) <= STRONGEST:
            raise ValueError(
                f"steps and chunk must be at least 1, and emphasis must be from -{STRONGEST} to {STRONGEST}, not "
                f"{self.steps}, {self.chunk} and {self.emphasis}."
            )

    def estimate(self, height: int, width: int) -> StepEstimate:
        """Return ``steps`` twice: the line has no surprises."""
        return StepEstimate(self.steps, self.steps)

    def weight(self, k: int) -> float:
        """Return the mean of the weight over move ``k``; the mean over all moves is 1."""
        power = abs(self.emphasis) + 1
        near, far = (k, k + 1) if self.emphasis >= 0 else (self.steps - k - 1, self.steps - k)
        return float(self.steps * ((far / self.steps) ** power - (near / self.steps) ** power))

    def walk(self, gradient_of: GradientFn, ends: Endpoints) -> Iterator[Step]:
        """Yield the moves; see :class:`~samp_core.paths.base.Path`."""
        states = (torch.lerp(ends.start, ends.end, k / self.steps) for k in range(self.steps + 1))
        for step in walk_known(states, gradient_of, ends, self.chunk):
            yield replace(step, credit=self.weight(step.index) * step.gradient * step.move)

"""The straight line: every pixel fades at the same rate (Integrated Gradients)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch

from samp_core.paths.base import Endpoints, GradientFn, Step, StepEstimate, walk_known


@dataclass(frozen=True)
class StraightPath:
    """``steps`` equal moves along the line from start to end.

    Sundararajan, Taly and Yan, "Axiomatic Attribution for Deep Networks", ICML 2017, equation 1.

    Attributes:
        steps: number of moves.
        chunk: states whose gradients are taken in one call; the line is known beforehand, so they need not wait
            for each other.

    Raises:
        ValueError: ``steps`` or ``chunk`` is not positive.
    """

    steps: int = 50
    chunk: int = 4

    def __post_init__(self) -> None:
        if self.steps < 1 or self.chunk < 1:
            raise ValueError(f"steps and chunk must be at least 1, not {self.steps} and {self.chunk}.")

    def estimate(self, height: int, width: int) -> StepEstimate:
        """Return ``steps`` twice: the line has no surprises."""
        return StepEstimate(self.steps, self.steps)

    def walk(self, gradient_of: GradientFn, ends: Endpoints) -> Iterator[Step]:
        """Yield the moves; see :class:`~samp_core.paths.base.Path`."""
        states = (torch.lerp(ends.start, ends.end, k / self.steps) for k in range(self.steps + 1))
        yield from walk_known(states, gradient_of, ends, self.chunk)

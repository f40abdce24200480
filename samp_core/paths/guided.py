"""The guided path: at every step the values with the smallest gradient move first (Guided Integrated Gradients)."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from samp_core.order import nth_largest
from samp_core.paths.base import Endpoints, GradientFn, Step, StepEstimate, spread


@dataclass(frozen=True)
class GuidedPath:
    """A path near the straight line that goes around large gradients, where networks are noisy.

    Kapishnikov, Venugopalan, Avci, Wedin, Terry and Bolukbasi, "Guided Integrated Gradients: an Adaptive Path Method
    for Removing Noise", CVPR 2021, algorithm 1 without anchor points. Every step covers the same part of the whole way
    (L1 norm); inside it, the ``fraction`` of values with the smallest gradient moves as far as the corridor allows,
    then the next, until the part is covered.

    Attributes:
        steps: number of moves.
        fraction: share of the values that moves at once, above 0 to 1; 1 is the straight line.
        max_dist: half width of the corridor around the straight line, as a fraction of the way, 0 to 1; 0 is the
            straight line.

    Raises:
        ValueError: a setting is out of its range.
    """

    steps: int = 50
    fraction: float = 0.25
    max_dist: float = 0.02

    def __post_init__(self) -> None:
        if self.steps < 1:
            raise ValueError(f"steps must be at least 1, not {self.steps}.")
        if not 0 < self.fraction <= 1 or not 0 <= self.max_dist <= 1:
            raise ValueError(
                f"fraction must be above 0 and at most 1, max_dist must be from 0 to 1, not {self.fraction} and "
                f"{self.max_dist}."
            )

    def estimate(self, height: int, width: int) -> StepEstimate:
        """Return ``steps`` twice: one gradient a step."""
        return StepEstimate(self.steps, self.steps)

    def walk(self, gradient_of: GradientFn, ends: Endpoints) -> Iterator[Step]:
        """Yield the moves; see :class:`~samp_core.paths.base.Path`."""
        paths = len(ends.start)
        active = (ends.end != ends.start).flatten(1).any(1)
        rows = active.nonzero().squeeze(1)
        if not len(rows):
            return
        state = ends.start
        for k in range(self.steps):
            score, gradient = (spread(v, rows, paths) for v in gradient_of(state[rows], rows))
            following = state.clone()
            for p in rows.tolist():
                following[p] = self._advance(state[p], gradient[p], ends.start[p], ends.end[p], (k + 1) / self.steps)
            yield Step(k, active, state, following - state, score, gradient, gradient)
            state = following

    def _advance(
        self,
        state: Float[Tensor, "c h w"],
        gradient: Float[Tensor, "c h w"],
        start: Float[Tensor, "c h w"],
        end: Float[Tensor, "c h w"],
        done: float,
    ) -> Float[Tensor, "c h w"]:
        """Return the next state of one image: the part ``done`` of its way covered, inside the corridor."""
        if done == 1:
            return end
        way = end - start
        left = (1 - done) * way.abs().sum()
        ahead = torch.lerp(start, end, min(1.0, done + self.max_dist))
        behind = torch.lerp(start, end, max(0.0, done - self.max_dist))
        # Values that lag behind the corridor are taken along first.
        state = torch.where((end - state).abs() > (end - behind).abs(), behind, state)
        size = gradient.abs()
        open_values = state != ahead
        # Each round closes at least this share of all values, so there cannot be more rounds than this.
        for _ in range(math.ceil(1 / self.fraction) + 1):
            over = (end - state).abs().sum() - left
            if over <= 1e-7 * left or not open_values.any():
                break
            chosen = open_values & (size <= self._threshold(size, open_values))
            reach = ((ahead - state).abs() * chosen).sum()
            if reach <= over:
                state = torch.where(chosen, ahead, state)
                open_values = open_values & ~chosen
            else:
                state = torch.where(chosen, torch.lerp(state, ahead, over / reach), state)
                break
        return state

    def _threshold(self, size: Tensor, open_values: Tensor) -> Tensor:
        """Return the gradient up to which values move: the quantile over all values, closed ones last."""
        values = torch.where(open_values, size, torch.inf).flatten()
        threshold = -nth_largest(-values.unsqueeze(0), max(1, math.ceil(self.fraction * values.numel()))).squeeze()
        return threshold.clamp(max=torch.finfo(size.dtype).max)

"""SAMP: the greedy search, whose every move takes the pixels that promise to change the score most."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from samp_core.order import largest, nth_largest
from samp_core.paths.base import Endpoints, GradientFn, Step, StepEstimate, is_there, spread
from samp_core.scores import PathError


@dataclass(frozen=True)
class GreedyPath:
    """At every state, move the pixels whose move is predicted to change the score most.

    Zhang, Zheng, Zhou and Lu, "Path Choice Matters for Clear Attribution in Path Methods", ICLR 2024,
    arXiv 2401.10442: its algorithm, with the infinitesimal constraint and the momentum strategy.

    Attributes:
        pixels_per_step: pixels moved at once (s in the paper; 3584 for photos of 224 x 224). Give this or ``steps``.
        steps: number of moves that share the pixels out evenly: ``pixels_per_step = ceil(H * W / steps)``.
        momentum: weight of the previous steering gradient, 0 (SAMP) to below 1; 0.5 in SAMP++.
        ic_tolerance: the infinitesimal constraint: longest move as a fraction of the whole way, in L1 norm, above 0
            to 1; None for no constraint. A longer move is shortened and its pixels stay open.
        tie_band: also take pixels whose predicted change is within this of the last one taken; 0 takes exactly
            ``pixels_per_step``, of level ones the first by row. The authors used 1e-6, which presumes scores of one
            scale.
        max_steps: refuse a search that is certain to need more moves than this, and stop one that does.

    Raises:
        ValueError: a setting is out of its range.
    """

    pixels_per_step: int | None = None
    steps: int | None = None
    momentum: float = 0.0
    ic_tolerance: float | None = None
    tie_band: float = 0.0
    max_steps: int = 2000

    def __post_init__(self) -> None:
        if (self.pixels_per_step is None) == (self.steps is None):
            raise ValueError("Give either pixels_per_step or steps: each follows from the other.")
        if (self.pixels_per_step or self.steps or 0) < 1:
            raise ValueError("pixels_per_step and steps must be at least 1.")
        if not 0 <= self.momentum < 1:
            raise ValueError(
                f"momentum must be at least 0 and below 1, not {self.momentum}: at 1 the first gradient would steer "
                "the whole path."
            )
        if self.ic_tolerance is not None and not 0 < self.ic_tolerance <= 1:
            raise ValueError(
                f"ic_tolerance is a fraction of the whole way, above 0 and at most 1, not {self.ic_tolerance}. "
                "Use None for no constraint."
            )
        if not 0 <= self.tie_band < math.inf or self.max_steps < 1:
            raise ValueError("tie_band must be a finite number of at least 0, and max_steps at least 1.")

    def pixels(self, height: int, width: int) -> int:
        """Return the number of pixels moved at once in an image of this size."""
        if self.pixels_per_step is not None:
            return min(self.pixels_per_step, height * width)
        assert self.steps is not None
        return math.ceil(height * width / self.steps)

    def estimate(self, height: int, width: int) -> StepEstimate:
        """Return the expected and the largest possible number of moves of one search.

        A move either closes ``pixels`` pixels or goes the full tolerance, so there are at most H*W / pixels moves of
        the first kind and 1 / ic_tolerance of the second. On photos about half of the first kind are seen.
        """
        full = math.ceil(height * width / self.pixels(height, width))
        if self.ic_tolerance is None:
            return StepEstimate(full, full)
        short = math.ceil(1 / self.ic_tolerance - 1e-9)
        return StepEstimate(max(full, short + full // 2), full + short + 1)

    def walk(self, gradient_of: GradientFn, ends: Endpoints) -> Iterator[Step]:
        """Yield the moves; see :class:`~samp_core.paths.base.Path`. Arrived images are not evaluated again.

        Raises:
            PathError: the search is certain to need more than ``max_steps`` moves.
        """
        paths, _, height, width = ends.start.shape
        size = self.pixels(height, width)
        toward = ends.sign.view(-1, 1, 1)
        way = ends.end - ends.start
        lengths = way.abs()
        distance = lengths.sum(1)
        longest = None if self.ic_tolerance is None else self.ic_tolerance * lengths.sum((1, 2, 3))
        is_open = ~is_there(lengths, ends.end).all(1)
        open_count = is_open.sum((1, 2))
        self._require_feasible(int(open_count.max()), size)
        # What puts closed pixels last when it is added to promises: 0 leaves the others exactly as they are.
        last = torch.finfo(way.dtype).min / 2
        closed = (~is_open).to(way.dtype) * last
        state = ends.start
        steering: Tensor | None = None
        for index in range(min(self.max_steps, self.estimate(height, width).bound)):
            active = open_count > 0
            rows = active.nonzero().squeeze(1)
            if not len(rows):
                return
            here = state if len(rows) == paths else state[rows]
            score, gradient = (spread(v, rows, paths) for v in gradient_of(here, rows))
            if steering is None or not self.momentum:
                steering = gradient
            else:
                steering = torch.lerp(gradient, steering, self.momentum)
            chosen = is_open
            if int(open_count.max()) > size:
                promise = ((steering * way).sum(1) * toward).add_(closed)
                chosen = self._select(promise.flatten(1), size).view_as(is_open) & is_open
            # With weights of 0 and 1 products and lerp are exact, and several times faster than torch.where.
            weight = chosen.unsqueeze(1).to(way.dtype)
            move = way * weight
            landed, following, far = chosen, state, None
            if longest is None:
                far = distance * weight.squeeze(1)
            else:
                length = move.abs().sum((1, 2, 3))
                short = length > longest
                move = move * torch.where(short, longest / (length + 1e-8), 1).view(-1, 1, 1, 1)
                landed = chosen & ~short.view(-1, 1, 1)
                weight = landed.unsqueeze(1).to(way.dtype)
                following = state + move
            yield Step(index, active, state, move, score, gradient, steering, far=far)
            # A full move lands exactly on its end, whatever rounding would have made of state + (end - state).
            state = torch.lerp(following, ends.end, weight)
            is_open = is_open & ~landed
            closed.add_(weight.squeeze(1), alpha=last)
            open_count = is_open.sum((1, 2))
            way = way.sub_(move) if longest is None else torch.sub(ends.end, state, out=way)

    def _select(self, promise: Float[Tensor, "p n"], size: int) -> Bool[Tensor, "p n"]:
        if not self.tie_band:
            return largest(promise, size)
        return promise >= nth_largest(promise, size) - self.tie_band

    def _require_feasible(self, open_pixels: int, size: int) -> None:
        needed = math.ceil(open_pixels / size)
        if self.ic_tolerance is not None and open_pixels:
            needed = max(needed, math.ceil(1 / self.ic_tolerance - 1e-9))
        if needed > self.max_steps:
            raise PathError(
                f"This search needs at least {needed:,} moves, more than max_steps = {self.max_steps:,}: "
                f"{open_pixels:,} pixels move {size:,} at a time, with ic_tolerance {self.ic_tolerance}. Move more "
                "pixels a step, loosen the IC tolerance, or raise max_steps if you mean to wait."
            )

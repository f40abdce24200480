"""The straight line with its states where the score changes (Integrated Decision Gradients)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import torch
from jaxtyping import Float, Int
from torch import Tensor

from samp_core.order import ranks
from samp_core.paths.base import Endpoints, GradientFn, Step, StepEstimate, scores_of, walk_known

EVEN = 1e-6
"""Slopes are even if they differ by no more than this share of the largest: such differences are rounding."""


def deal(slopes: Float[Tensor, "p n"]) -> Int[Tensor, "p n"]:
    """Return how many of n nodes each of the n cells of a grid gets, in proportion to the score's slope in it.

    The steepest fall gets none, and neither does cell 0, which lies before the start. Shares are cut to whole numbers;
    the nodes left over go, one each, to the largest shares below 1. Even slopes get even shares.
    """
    share = slopes - slopes.amin(1, keepdim=True)
    share[:, 0] = 0
    flat = share.amax(1) <= EVEN * slopes.abs().amax(1)
    share[flat, 1:] = 1
    share *= share.shape[1] / share.sum(1, keepdim=True)
    count = share.long()
    left = share.shape[1] - count.sum(1, keepdim=True)
    # Of equal shares the earlier comes first; the authors' sort leaves it open.
    rank = ranks(torch.where(count > 0, -1, share), descending=True)
    return count + (rank < left).long()


def place(counts: Int[Tensor, "p n"]) -> tuple[Float[Tensor, "p n"], Float[Tensor, "p n"]]:
    """Return where along the line the nodes are, 0 to 1, and how wide a part of it each stands for.

    A node stands at the start of its part. Cells without a node take no room: what follows moves up, so that the last
    node may be at the end, or its part stop short of it.
    """
    cell = 1 / (counts.shape[1] - 1)
    widths = torch.stack([(cell / row[row > 0].double()).repeat_interleave(row[row > 0]) for row in counts])
    places = widths.cumsum(1) - widths
    return torch.where(places > 1 - 1e-9, 1, places), widths


@dataclass(frozen=True)
class DecisionPath:
    """``steps`` moves along the line from start to end, short where the score rises and long where it does not.

    Walker, Jha, Chen and Ewetz, "Integrated Decision Gradients: Compute Your Attributions Where the Model Makes Its
    Decision", AAAI 2024, in the order of their code: the score is measured on a grid of ``steps`` states; nodes are
    dealt out by :func:`deal` and placed by :func:`place`; a node's credit is its gradient times the whole way, times
    the score's slope from the node before, times the node's part of the line. The first node has no slope, so none.

    Published credits are of the square of the score's unit. Here they are divided by the score's total variation on
    the grid, with the sign of its change from start to end (times ``steps``, which the authors divide by): the mean
    slope then weighs 1, and a linear score gives Integrated Gradients. That is one number for each path, so it changes
    no ranking but that of a path on which the score falls, which it turns to the side of the class.

    Attributes:
        steps: number of moves, and of states of the grid.
        chunk: states that are sent through the network in one call.

    Raises:
        ValueError: ``steps`` is below 2, or ``chunk`` is not positive.
    """

    steps: int = 50
    chunk: int = 4

    def __post_init__(self) -> None:
        if self.steps < 2 or self.chunk < 1:
            raise ValueError(f"steps must be at least 2 and chunk at least 1, not {self.steps} and {self.chunk}.")

    def estimate(self, height: int, width: int) -> StepEstimate:
        """Return ``steps`` twice, and as many scores: the line has no surprises."""
        return StepEstimate(self.steps, self.steps, self.steps)

    def walk(self, gradient_of: GradientFn, ends: Endpoints) -> Iterator[Step]:
        """Yield the moves; see :class:`~samp_core.paths.base.Path`."""
        measured = self._measure(gradient_of, ends)
        rises = measured.diff(dim=1) * (self.steps - 1)
        places, widths = place(deal(torch.nn.functional.pad(rises, (1, 0))))
        variation = rises.abs().mean(1)
        sign = torch.where(measured[:, -1] < measured[:, 0], -1, 1)
        weight = widths * (sign / torch.where(variation > 0, variation, 1)).unsqueeze(1)
        places, weight = places.to(ends.start), weight.to(ends.start)

        def state(k: int) -> Tensor:
            if k == self.steps:
                return ends.end
            return torch.lerp(ends.start, ends.end, places[:, k].view(-1, 1, 1, 1))

        way = ends.end - ends.start
        before = None
        for step in walk_known((state(k) for k in range(self.steps + 1)), gradient_of, ends, self.chunk):
            k = step.index
            slope = torch.zeros_like(step.score)
            if before is not None:
                slope = (step.score - before) / (places[:, k] - places[:, k - 1])
            before = step.score
            yield replace(step, credit=(slope * weight[:, k]).view(-1, 1, 1, 1) * step.gradient * way)

    def _measure(self, gradient_of: GradientFn, ends: Endpoints) -> Float[Tensor, "p n"]:
        """Return the scores on the grid in double precision, on the CPU; 0 for a path without length."""
        rows = (ends.end != ends.start).flatten(1).any(1).nonzero().squeeze(1)
        measured = torch.zeros(len(ends.start), self.steps, dtype=torch.float64)
        for begin in range(0, self.steps if len(rows) else 0, self.chunk):
            grid = range(begin, min(begin + self.chunk, self.steps))
            states = [torch.lerp(ends.start[rows], ends.end[rows], k / (self.steps - 1)) for k in grid]
            scores = scores_of(gradient_of, torch.cat(states), rows.repeat(len(grid)))
            measured[rows.cpu(), begin : grid.stop] = scores.view(len(grid), -1).T.double().cpu()
        return measured

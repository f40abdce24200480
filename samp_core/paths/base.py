"""What every path has in common: where it starts and ends, one move of it, and how it is walked."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import islice, pairwise
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

GradientFn = Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]
"""States (M, C, H, W) and the paths they are on (M,), to scores (M,) and gradients (M, C, H, W)."""


@dataclass(frozen=True)
class Endpoints:
    """Where P paths start and end, in the network's normalised space.

    Attributes:
        start: first images, (P, C, H, W).
        end: last images, (P, C, H, W).
        sign: +1 for a path that walks towards the explained image, -1 for one that walks away from it, (P,). The
            attribution of a path times its sign is positive where the image speaks for the class.
    """

    start: Float[Tensor, "p c h w"]
    end: Float[Tensor, "p c h w"]
    sign: Float[Tensor, " p"]


@dataclass(frozen=True)
class Step:
    """One move of P paths at once.

    A path that has arrived keeps its last state and has a zero move; its score, gradient and steering mean nothing.

    Attributes:
        index: number of the move, from 0.
        active: paths that move, (P,).
        state: images where the gradient was taken, (P, C, H, W).
        move: difference to the next state, (P, C, H, W).
        score: score at ``state``, (P,).
        gradient: gradient of the score at ``state``, (P, C, H, W).
        steering: what chose the move, (P, C, H, W); the gradient itself unless the path has momentum.
    """

    index: int
    active: Bool[Tensor, " p"]
    state: Float[Tensor, "p c h w"]
    move: Float[Tensor, "p c h w"]
    score: Float[Tensor, " p"]
    gradient: Float[Tensor, "p c h w"]
    steering: Float[Tensor, "p c h w"]

    @cached_property
    def way(self) -> Float[Tensor, "p h w"]:
        """How far each pixel moves: the L1 norm of the move over channels, (P, H, W)."""
        return self.move.abs().sum(1)


@dataclass(frozen=True)
class StepEstimate:
    """How many moves a path will take: the expected number, and one it cannot exceed."""

    expected: int
    bound: int


@runtime_checkable
class Path(Protocol):
    """A way from a start image to an end image. Attribution methods differ in nothing else."""

    def walk(self, gradient_of: GradientFn, ends: Endpoints) -> Iterator[Step]:
        """Yield the moves from ``ends.start`` to ``ends.end``; whoever iterates may stop at any time."""
        ...

    def estimate(self, height: int, width: int) -> StepEstimate:
        """Return the number of moves for images of this size, without walking."""
        ...


def spread(values: Tensor, rows: Int[Tensor, " m"], paths: int) -> Tensor:
    """Return the (M, ...) ``values`` of some paths as (P, ...), zeros for the other paths."""
    if len(rows) == paths:
        return values
    full = values.new_zeros((paths, *values.shape[1:]))
    full[rows] = values
    return full


def walk_known(states: Iterable[Tensor], gradient_of: GradientFn, ends: Endpoints, chunk: int) -> Iterator[Step]:
    """Yield the moves of a path whose states (P, C, H, W) are known beforehand, ends included.

    Gradients need not wait for each other, so those of ``chunk`` states are taken in one call.
    """
    active = (ends.end != ends.start).flatten(1).any(1)
    rows = active.nonzero().squeeze(1)
    if not len(rows):
        return
    paths = len(active)
    moves = enumerate(pairwise(states))
    while batch := list(islice(moves, chunk)):
        here = torch.cat([state[rows] for _, (state, _) in batch])
        scores, gradients = gradient_of(here, rows.repeat(len(batch)))
        scores = scores.view(len(batch), len(rows))
        gradients = gradients.view(len(batch), len(rows), *ends.start.shape[1:])
        for (k, (state, following)), score, gradient in zip(batch, scores, gradients, strict=True):
            full = spread(gradient, rows, paths)
            yield Step(k, active, state, following - state, spread(score, rows, paths), full, full)

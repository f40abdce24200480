"""What every path has in common: where it starts and ends, one move of it, and how it is walked."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import islice, pairwise
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from samp_core.scores import PathError

# A value is at its end within this distance of it (absolute, relative to the end's size).
_THERE_ABSOLUTE, _THERE_RELATIVE = 1e-8, 1e-5

GradientFn = Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]
"""States (M, C, H, W) and the paths they are on (M,), to scores (M,) and gradients (M, C, H, W)."""

Objective = Callable[[Tensor, Tensor], Tensor]
"""What is seen of states (M, ...) and the paths they are on (M,), to one number each (M,), which a path climbs."""


@dataclass(frozen=True)
class Endpoints:
    """Where P paths start and end, in the network's normalised space.

    Attributes:
        start: first images, (P, C, H, W).
        end: last images, (P, C, H, W); of an :class:`OpenPath` those that it has come to so far.
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
        credit: what the move is worth to first order, (P, C, H, W), where its method says something else than steering
            times move.
        far: how far each pixel moves, (P, H, W), where its path knows that already; see :attr:`way`.
    """

    index: int
    active: Bool[Tensor, " p"]
    state: Float[Tensor, "p c h w"]
    move: Float[Tensor, "p c h w"]
    score: Float[Tensor, " p"]
    gradient: Float[Tensor, "p c h w"]
    steering: Float[Tensor, "p c h w"]
    credit: Float[Tensor, "p c h w"] | None = None
    far: Float[Tensor, "p h w"] | None = None

    @cached_property
    def way(self) -> Float[Tensor, "p h w"]:
        """How far each pixel moves: the L1 norm of the move over channels, (P, H, W)."""
        return self.move.abs().sum(1) if self.far is None else self.far


@dataclass(frozen=True)
class StepEstimate:
    """How many moves a path will take: the expected number, and one it cannot exceed.

    Attributes:
        expected: expected number of moves.
        bound: the largest possible number.
        forwards: states whose score alone is asked for besides.
        gradients: states whose gradient is asked for before the first move.
    """

    expected: int
    bound: int
    forwards: int = 0
    gradients: int = 0


@runtime_checkable
class Path(Protocol):
    """A way from a start image to an end image. Attribution methods differ in nothing else."""

    def walk(self, gradient_of: GradientFn, ends: Endpoints) -> Iterator[Step]:
        """Yield the moves from ``ends.start`` to ``ends.end``; whoever iterates may stop at any time."""
        ...

    def estimate(self, height: int, width: int) -> StepEstimate:
        """Return the number of moves for images of this size, without walking."""
        ...


Walk = Callable[[GradientFn, Endpoints], Iterator[Step]]
"""What yields the moves of paths; see :meth:`Path.walk`."""


@dataclass(frozen=True)
class Draft:
    """How far a path is found that has to be found before its first move, and how it would run as it is known now.

    Attributes:
        share: which share of that work is done, 0 to 1.
        turn: when each pixel would move, from 0, first, to 1, last, (P, H, W); None where nothing new is known of it.
        words: what made it so, such as ``after sweep 2 of 3``.
    """

    share: float
    turn: Float[Tensor, "p h w"] | None = None
    words: str = ""


@runtime_checkable
class Prepared(Path, Protocol):
    """A path that has to be found before its first move; whoever waits can be shown how far that is."""

    def prepare(self, gradient_of: GradientFn, ends: Endpoints) -> Generator[Draft, None, Walk]:
        """Find it, yielding what is known of it so far; return what walks it."""
        ...


@dataclass(frozen=True)
class Sight:
    """What an open path learns of M states at once.

    Attributes:
        score: explained score, (M,).
        gradient: its gradient, (M, C, H, W).
        seen: what was seen of the states, (M, ...): the network's outputs, or the features of its last layer.
        steering: gradient of the path's objective, (M, C, H, W).
    """

    score: Float[Tensor, " m"]
    gradient: Float[Tensor, "m c h w"]
    seen: Float[Tensor, "m ..."]
    steering: Float[Tensor, "m c h w"]


@runtime_checkable
class Guide(Protocol):
    """Whom an open path asks on its way; what it sees are the network's outputs, or features if the path wants them."""

    def steered(self, states: Tensor, paths: Tensor, objective: Objective) -> Sight:
        """Return what is known of states (M, C, H, W) on these paths (M,), two gradients each."""
        ...

    def seen(self, states: Tensor, paths: Tensor) -> Tensor:
        """Return what is seen of states (M, C, H, W) on these paths (M,), at the cost of a pass forward."""
        ...

    def classes(self, paths: Tensor) -> Tensor:
        """Return the explained class of each of these paths (M,)."""
        ...


@runtime_checkable
class OpenPath(Protocol):
    """A way from the image to where an objective of its own leads, which nobody knows before it is walked.

    So its end is where it ended, and what it promises is the score's change up to there. A path that has reached its
    aim, or made all its moves, has arrived.

    Attributes:
        wants_features: whether it looks at the features that enter the network's last dense layer, instead of at the
            outputs.
    """

    wants_features: bool

    def walk_open(self, guide: Guide, ends: Endpoints) -> Iterator[Step]:
        """Yield the moves from ``ends.start``; whoever iterates may stop at any time."""
        ...

    def estimate(self, height: int, width: int) -> StepEstimate:
        """Return the number of moves for images of this size, without walking."""
        ...


@runtime_checkable
class Search(Protocol):
    """A path whose moves are chosen on the way, pixel by pixel, under a constraint and with momentum.

    Attributes:
        momentum: weight of the direction kept from before, 0 to below 1.
        ic_tolerance: longest move as a fraction of the whole way, in L1 norm; None for no constraint.
    """

    momentum: float
    ic_tolerance: float | None


def scores_of(
    gradient_of: GradientFn, states: Float[Tensor, "m c h w"], paths: Int[Tensor, " m"]
) -> Float[Tensor, " m"]:
    """Return the scores of states on these paths: by passes forward where ``gradient_of.values`` offers them."""
    values: Callable[[Tensor, Tensor], Tensor] | None = getattr(gradient_of, "values", None)
    return gradient_of(states, paths)[0] if values is None else values(states, paths)


def spread(values: Tensor, rows: Int[Tensor, " m"], paths: int) -> Tensor:
    """Return the (M, ...) ``values`` of some paths as (P, ...), zeros for the other paths."""
    if len(rows) == paths:
        return values
    full = values.new_zeros((paths, *values.shape[1:]))
    full[rows] = values
    return full


def is_there(distance: Float[Tensor, "p c h w"], end: Float[Tensor, "p c h w"]) -> Bool[Tensor, "p c h w"]:
    """Return which values are at their end but for rounding, given how far from it they are, at least 0."""
    return distance <= _THERE_ABSOLUTE + _THERE_RELATIVE * end.abs()


def by_channel(value: float | tuple[float, ...], like: Float[Tensor, "p c h w"]) -> Tensor:
    """Return a setting, one number or one for each channel, as a tensor that images are computed with."""
    return like.new_tensor(value).view(-1, 1, 1) if isinstance(value, tuple) else like.new_tensor(value)


def limits(
    low: float | tuple[float, ...], high: float | tuple[float, ...], start: Float[Tensor, "p c h w"]
) -> tuple[Tensor, Tensor]:
    """Return the range of values that steps from these images end at: the given one, or where an image itself is."""
    return torch.minimum(by_channel(low, start), start), torch.maximum(by_channel(high, start), start)


def require_classes(outputs: Tensor) -> None:
    """Refuse outputs among which no class can win over another.

    Raises:
        PathError: there is one output an image only.
    """
    if outputs.ndim != 2 or outputs.shape[1] < 2:
        raise PathError("This path leads to other classes, and the network has one output an image only.")


def climb(
    guide: Guide,
    ends: Endpoints,
    steps: int,
    objective: Objective,
    goes_on: Callable[[Sight, Tensor], Tensor],
    follow: Callable[[Tensor, Tensor], Tensor],
    credit: Callable[[Tensor, Tensor], Tensor] | None = None,
) -> Iterator[Step]:
    """Yield the moves of open paths that climb an objective, each until it has reached its aim.

    Args:
        guide: whom the paths ask.
        ends: where they start.
        steps: the most moves.
        objective: what they climb.
        goes_on: from what is known of some states, and their paths, to which of them have not reached their aim, (M,).
        follow: from all states and the gradient of the objective, 0 where a path has ended, to the next states.
        credit: from the gradient of the score and the next states to the moves' credit, if that is no matter of course.
    """
    state, paths = ends.start, len(ends.start)
    rows = torch.arange(paths, device=state.device)
    for index in range(steps):
        sight = guide.steered(state[rows], rows, objective)
        going = goes_on(sight, rows)
        if not going.any():
            return
        rows = rows[going]
        score, gradient, steering = (
            spread(v[going], rows, paths) for v in (sight.score, sight.gradient, sight.steering)
        )
        active = torch.zeros(paths, dtype=torch.bool, device=state.device).index_fill_(0, rows, True)
        following = torch.where(active.view(-1, 1, 1, 1), follow(state, steering), state)
        own = None if credit is None else credit(gradient, following)
        yield Step(index, active, state, following - state, score, gradient, gradient, own)
        state = following


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

"""What an accumulation rule is: from the moves of a path to what each pixel is credited with.

A rule knows moves, scores and gradients, never the method that chose them, so every rule serves every path.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from samp_core import catalogue
from samp_core.paths import Endpoints, GradientFn, Step

MOST_NODES = 256  # more would only repeat themselves in single precision


class Rule(ABC):
    """Accumulates the attribution of P paths, move by move.

    Attributes:
        wants_final_gradient: whether :meth:`close` needs the gradient at the last state.
        is_integral: whether the rule approximates the line integral of the gradient along the path.
        behind: for how many of the newest moves :meth:`total` does not speak yet: 1 where a move's part is known with
            the next score only.
    """

    wants_final_gradient = False
    is_integral = True
    behind = 0

    def __init__(self, ends: Endpoints, gradient_of: GradientFn) -> None:
        self.ends = ends
        self.gradient_of = gradient_of

    @abstractmethod
    def add(self, step: Step) -> None:
        """Take in the next move."""

    def close(self, score: Float[Tensor, " p"], gradient: Float[Tensor, "p c h w"] | None) -> None:  # noqa: B027
        """Take in score and (if wanted) gradient at the state that the last move led to."""

    @abstractmethod
    def total(self) -> Float[Tensor, "p c h w"]:
        """Return the attribution of the moves so far; its sum approximates f(now) - f(start)."""


@dataclass(frozen=True)
class RuleDeclaration:
    """One accumulation rule, as pages, command line and files know it.

    Attributes:
        name: what command line and files call it.
        title: what people call it.
        summary: what it adds up, in a few words.
        kind: the rule; made from the paths' ends and a function that gives score and gradient of further states.
        gradients: how many gradients it takes beyond the walk's own, for one path of so many moves and so many nodes
            a move.
        takes_nodes: whether ``kind`` is given the number of nodes a move as well.
    """

    name: str
    title: str
    summary: str
    kind: Callable[..., Rule]
    gradients: Callable[[int, int], int]
    takes_nodes: bool = False

    @property
    def is_integral(self) -> bool:
        """Whether it approximates the line integral of the gradient along the path."""
        return bool(getattr(self.kind, "is_integral", True))

    def make(self, ends: Endpoints, gradient_of: GradientFn, nodes: int = 16) -> Rule:
        """Build the rule for these paths."""
        more: tuple[Any, ...] = (nodes,) if self.takes_nodes else ()
        return self.kind(ends, gradient_of, *more)


RULES: catalogue.Catalogue[RuleDeclaration] = catalogue.RULES
"""All accumulation rules by name."""


def rule(
    name: str,
    title: str,
    summary: str,
    kind: Callable[..., Rule],
    gradients: Callable[[int, int], int] = lambda moves, nodes: 0,
    takes_nodes: bool = False,
) -> RuleDeclaration:
    """Declare an accumulation rule; see :class:`RuleDeclaration`."""
    return RuleDeclaration(name, title, summary, kind, gradients, takes_nodes)


@dataclass(frozen=True)
class Completeness:
    """How far a map's sum is from the change of the score that it should explain, for D directions and N images.

    Attributes:
        sums: sum of the attribution of each direction, (D, N), in units of the score.
        targets: what it should be, (D, N): f(image) - f(baseline); for a stopped run the change so far.
    """

    sums: Float[Tensor, "d n"]
    targets: Float[Tensor, "d n"]

    @property
    def gap(self) -> Float[Tensor, "d n"]:
        """Sum minus target, in units of the score; 0 is complete."""
        return self.sums - self.targets

    @property
    def relative(self) -> Float[Tensor, "d n"]:
        """Size of the gap as a multiple of the target's size; 0 is complete, infinite if there was no change."""
        exact = (self.gap == 0) & (self.targets == 0)
        return torch.where(exact, 0.0, self.gap.abs() / self.targets.abs())

    def holds(self, tolerance: float = 0.05) -> Bool[Tensor, "d n"]:
        """Return where the gap is at most ``tolerance`` of the target."""
        return self.relative <= tolerance

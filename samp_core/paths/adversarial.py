"""Adversarial paths: from the image, by signed gradient steps, to where another class wins (AGI)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from jaxtyping import Int
from torch import Tensor

from samp_core.paths.base import (
    Endpoints,
    Guide,
    Sight,
    Step,
    StepEstimate,
    by_channel,
    climb,
    limits,
    require_classes,
)
from samp_core.scores import PathError

USUAL = 4
"""Moves after which another class usually wins, for estimates: on photos a step of 0.05 is some 13 grey levels."""


@dataclass(frozen=True)
class AdversarialPath:
    """From the image, by signed gradient steps that raise another class's probability, until that class wins.

    Pan, Li and Zhu, "Explaining Deep Neural Network Models with Adversarial Gradient Integration", IJCAI 2021. Each
    direction has a class of its own; all are walked at once. A path to the explained class itself makes no move, nor
    does one that is left over because the network has too few classes.

    Attributes:
        classes: how many other classes, evenly spaced over all but the explained one, or their numbers.
        step: length of a step in every value, one number or one for each channel, in the network's normalised space.
        max_steps: a path ends after so many moves if its class has not won.
        restart: begin every step at the image again, as the published code does, so that no image of the path is
            further away than one step, and a move is credited with the gradient times the whole way from the image.
            That is no integral along a path. Otherwise steps begin where the last one ended, as the text says.
        low, high: range of the images' values, one number or one for each channel; a step ends there, or where the
            image itself has left the range.

    Raises:
        ValueError: a setting is out of its range.
    """

    classes: int | tuple[int, ...] = 3
    step: float | tuple[float, ...] = 0.05
    max_steps: int = 20
    restart: bool = False
    low: float | tuple[float, ...] = -torch.inf
    high: float | tuple[float, ...] = torch.inf
    wants_features = False

    def __post_init__(self) -> None:
        if self.max_steps < 1 or self.count < 1:
            raise ValueError(f"max_steps and classes must be at least 1, not {self.max_steps} and {self.count}.")
        if isinstance(self.classes, tuple) and (len(set(self.classes)) < self.count or min(self.classes) < 0):
            raise ValueError(f"classes must be different numbers of at least 0, not {self.classes}.")
        steps = self.step if isinstance(self.step, tuple) else (self.step,)
        if not all(0 < step < torch.inf for step in steps):
            raise ValueError(f"step must be a finite number above 0, not {self.step}.")

    @property
    def count(self) -> int:
        """Number of classes, and so of directions."""
        return self.classes if isinstance(self.classes, int) else len(self.classes)

    def estimate(self, height: int, width: int) -> StepEstimate:
        """Return the usual and the largest possible number of moves; one look more finds out who has won."""
        return StepEstimate(min(USUAL + 1, self.max_steps), self.max_steps)

    def walk_open(self, guide: Guide, ends: Endpoints) -> Iterator[Step]:
        """Yield the moves; see :class:`~samp_core.paths.OpenPath`.

        Raises:
            PathError: the network has too few classes.
        """
        paths, step = len(ends.start), by_channel(self.step, ends.start)
        low, high = limits(self.low, self.high, ends.start)

        def probability(outputs: Tensor, some: Tensor) -> Tensor:
            wanted = self._wanted(outputs, some, paths, guide)
            return outputs.softmax(1).gather(1, wanted.unsqueeze(1)).squeeze(1)

        def goes_on(sight: Sight, rows: Tensor) -> Tensor:
            wanted = self._wanted(sight.seen, rows, paths, guide)
            return (sight.seen.argmax(1) != wanted) & (wanted != guide.classes(rows))

        def follow(state: Tensor, steering: Tensor) -> Tensor:
            return ((ends.start if self.restart else state) + step * steering.sign()).clamp(low, high)

        def whole_way(gradient: Tensor, following: Tensor) -> Tensor:
            return gradient * (following - ends.start)

        credit = whole_way if self.restart else None
        yield from climb(guide, ends, self.max_steps, probability, goes_on, follow, credit)

    def _wanted(self, outputs: Tensor, rows: Int[Tensor, " m"], paths: int, guide: Guide) -> Int[Tensor, " m"]:
        """Return the class that each path leads to."""
        require_classes(outputs)
        classes, direction = outputs.shape[1], rows // (paths // self.count)
        if isinstance(self.classes, tuple):
            if max(self.classes) >= classes:
                raise PathError(f"There is no class {max(self.classes)}: the network's are 0 to {classes - 1}.")
            return torch.tensor(self.classes, device=rows.device)[direction]
        own, count = guide.classes(rows), min(self.count, classes - 1)
        place = direction * (classes - 1) // count
        # Where there are fewer classes than paths, those left over lead to the explained class: nowhere.
        return torch.where(direction < count, place + (place >= own).long(), own)

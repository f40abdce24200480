"""Boundary paths: from the image, by signed gradient steps, to where the explained class no longer wins (MFABA)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
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


@dataclass(frozen=True)
class BoundaryPath:
    """From the image, by signed gradient steps that lower the explained class's probability, until it no longer wins.

    Zhu, Chen, Zhang, Wang, Jin, Xue, Zhu and Choo, "MFABA: A More Faithful and Accelerated Boundary-based Attribution
    Method for Deep Neural Networks", AAAI 2024, arXiv 2312.13630, with the signed steps of its code. An image that the
    network takes for another class from the first makes no move.

    Attributes:
        step: length of a step in every value, one number or one for each channel, in the network's normalised space.
        max_steps: a path ends after so many moves if the class still wins.
        low, high: range of the images' values, one number or one for each channel; a step ends there, or where the
            image itself has left the range.

    Raises:
        ValueError: a setting is out of its range.
    """

    step: float | tuple[float, ...] = 0.001
    max_steps: int = 50
    low: float | tuple[float, ...] = -torch.inf
    high: float | tuple[float, ...] = torch.inf
    wants_features = False

    def __post_init__(self) -> None:
        steps = self.step if isinstance(self.step, tuple) else (self.step,)
        if self.max_steps < 1 or not all(0 < step < torch.inf for step in steps):
            raise ValueError(
                f"max_steps must be at least 1 and step a finite number above 0, not {self.max_steps} and {self.step}."
            )

    def estimate(self, height: int, width: int) -> StepEstimate:
        """Return how many moves reach the boundary of a photo's class, about, and the largest possible number."""
        return StepEstimate(min(3, self.max_steps), self.max_steps)

    def walk_open(self, guide: Guide, ends: Endpoints) -> Iterator[Step]:
        """Yield the moves; see :class:`~samp_core.paths.OpenPath`.

        Raises:
            PathError: the network has one output an image only.
        """
        step = by_channel(self.step, ends.start)
        low, high = limits(self.low, self.high, ends.start)

        def doubt(outputs: Tensor, some: Tensor) -> Tensor:
            require_classes(outputs)
            return -outputs.softmax(1).gather(1, guide.classes(some).unsqueeze(1)).squeeze(1)

        def goes_on(sight: Sight, rows: Tensor) -> Tensor:
            return sight.seen.argmax(1) == guide.classes(rows)

        def follow(state: Tensor, steering: Tensor) -> Tensor:
            return (state + step * steering.sign()).clamp(low, high)

        yield from climb(guide, ends, self.max_steps, doubt, goes_on, follow)

"""Feature paths: from the image, by gradient steps, to an image with another photo's features (IG2)."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from samp_core.paths.base import Endpoints, Guide, Sight, Step, StepEstimate, by_channel, climb, limits


@dataclass(frozen=True)
class FeaturePath:
    """From the image, by normalised gradient steps that bring its features nearer to those of a reference photo.

    Zhuo and Ge, "IG2: Integrated Gradient on Iterative Gradient Path for Feature Attribution", TPAMI 2024,
    arXiv 2406.10852: its GradPath, from the explained image to what the authors call the counterfactual. Features are
    what enters the network's last dense layer; nearness is the mean squared difference.

    Attributes:
        reference: from images (N, C, H, W) to the photos whose features they are led to.
        steps: number of moves; 201 in the paper.
        step: length of a move, as the root mean square over all values, in units of ``scale``; 0.0026 in the paper,
            for images of the range 0 to 1.
        scale: how much one unit of ``step`` is in the network's normalised space, inverse, one number or one for each
            channel: the standard deviations of the normalisation, or 1.
        low, high: range of the images' values, one number or one for each channel; a step ends there, or where the
            image itself has left the range.

    Raises:
        ValueError: a setting is out of its range.
    """

    reference: Callable[[Tensor], Tensor]
    steps: int = 201
    step: float = 0.0026
    scale: float | tuple[float, ...] = 1.0
    low: float | tuple[float, ...] = -torch.inf
    high: float | tuple[float, ...] = torch.inf
    wants_features = True

    def __post_init__(self) -> None:
        if self.steps < 1 or not 0 < self.step < math.inf:
            raise ValueError(
                f"steps must be at least 1 and step a finite number above 0, not {self.steps}, {self.step}."
            )

    def estimate(self, height: int, width: int) -> StepEstimate:
        """Return ``steps`` twice, and one look at the reference."""
        return StepEstimate(self.steps, self.steps, 1)

    def walk_open(self, guide: Guide, ends: Endpoints) -> Iterator[Step]:
        """Yield the moves; see :class:`~samp_core.paths.OpenPath`. A path that has the reference's features ends."""
        start = ends.start
        scale, (low, high) = by_channel(self.scale, start), limits(self.low, self.high, start)
        wanted = guide.seen(self.reference(start), torch.arange(len(start), device=start.device))
        length = self.step * math.sqrt(start[0].numel())

        def nearness(features: Tensor, some: Tensor) -> Tensor:
            return -(features - wanted[some]).square().mean(1)

        def goes_on(sight: Sight, rows: Tensor) -> Tensor:
            slopes: Tensor = sight.steering.flatten(1).norm(dim=1)  # 0 in any scale, or in none
            return slopes > 0

        def follow(state: Tensor, steering: Tensor) -> Tensor:
            slope = steering / scale
            size = slope.flatten(1).norm(dim=1)
            way = slope * (length / torch.where(size > 0, size, 1)).view(-1, 1, 1, 1) / scale
            return (state + way).clamp(low, high)

        yield from climb(guide, ends, self.steps, nearness, goes_on, follow)

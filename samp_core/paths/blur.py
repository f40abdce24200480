"""The blur path: the image comes into focus (Blur Integrated Gradients)."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from scipy.ndimage import gaussian_filter1d
from torch import Tensor

from samp_core.paths.base import Endpoints, GradientFn, Step, StepEstimate, walk_known

WIDEST = 1000
"""Widest blur of a path, in pixels: it leaves nothing of any photo, and its window still fits into memory."""


def gaussian(images: Float[Tensor, "n c h w"], sigma: float) -> Float[Tensor, "n c h w"]:
    """Return the images blurred by a Gaussian of ``sigma`` pixels, with zeros beyond their edges.

    One-dimensional filtering is linear, so each axis is one product with the filtered unit matrix; for wide blurs that
    is far cheaper than convolving, and the numbers are scipy's.
    """
    if sigma == 0:
        return images
    rows, columns = (
        torch.from_numpy(gaussian_filter1d(np.eye(size), sigma, axis=0, mode="constant")).to(images)
        for size in images.shape[2:]
    )
    return rows @ images @ columns.T


@dataclass(frozen=True)
class BlurPath:
    """``steps`` moves along images of falling blur; the path must start at the image blurred by ``max_sigma``.

    Xu, Venugopalan and Sundararajan, "Attribution in Scale and Space", CVPR 2020, equation 3.

    Attributes:
        steps: number of moves.
        max_sigma: standard deviation of the first blur, in pixels, at most :data:`WIDEST`.
        even_scale: space the moves evenly in sigma squared (the scale of scale-space theory) instead of in sigma.
        chunk: states whose gradients are taken in one call.

    Raises:
        ValueError: a setting is out of its range.
    """

    steps: int = 50
    max_sigma: float = 50.0
    even_scale: bool = False
    chunk: int = 4

    def __post_init__(self) -> None:
        if self.steps < 1 or self.chunk < 1 or not 0 < self.max_sigma <= WIDEST:
            raise ValueError(
                f"steps and chunk must be at least 1, and max_sigma above 0 and at most {WIDEST}, not {self.steps}, "
                f"{self.chunk} and {self.max_sigma}."
            )

    def start(self, images: Float[Tensor, "n c h w"]) -> Float[Tensor, "n c h w"]:
        """Return the most blurred images, where the path starts."""
        return gaussian(images, self.max_sigma)

    def estimate(self, height: int, width: int) -> StepEstimate:
        """Return ``steps`` twice: the path has no surprises."""
        return StepEstimate(self.steps, self.steps)

    def walk(self, gradient_of: GradientFn, ends: Endpoints) -> Iterator[Step]:
        """Yield the moves; see :class:`~samp_core.paths.base.Path`."""

        def state(k: int) -> Tensor:
            left = 1 - k / self.steps
            return gaussian(ends.end, self.max_sigma * (math.sqrt(left) if self.even_scale else left))

        yield from walk_known((state(k) for k in range(self.steps + 1)), gradient_of, ends, self.chunk)

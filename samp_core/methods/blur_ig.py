"""Blur Integrated Gradients: the image comes into focus."""

from __future__ import annotations

from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor

from samp_core.methods.base import PathAttribution
from samp_core.paths import BlurPath, Endpoints
from samp_core.paths.blur import gaussian
from samp_core.scores import Score


class BlurIG(PathAttribution):
    """Attribution along images of falling blur; needs no baseline of another kind.

    Xu, Venugopalan and Sundararajan, "Attribution in Scale and Space", CVPR 2020, arXiv 2004.03383.

    Args:
        forward_func: images (N, C, H, W) to logits (N, K), or to one number an image.
        steps: number of moves.
        max_sigma: standard deviation of the first blur, in pixels, at most 1000; 50 in the paper.
        even_scale: space the moves evenly in sigma squared instead of in sigma.
        accumulation: ``paper``, ``trapezoid``, ``gauss``, ``isotonic`` or ``idgi``.
        gauss_nodes: nodes inside each move for ``gauss``.
        score: what of the logits is explained.
        batch_size: most images sent through the network at once.

    Raises:
        ValueError: a setting is out of its range.
    """

    directions = ("insertion",)

    def __init__(
        self,
        forward_func: Callable[..., Tensor],
        steps: int = 50,
        max_sigma: float = 50.0,
        even_scale: bool = False,
        accumulation: str = "trapezoid",
        *,
        gauss_nodes: int = 16,
        score: Score | None = None,
        batch_size: int | None = None,
    ) -> None:
        super().__init__(
            forward_func,
            accumulation=accumulation,
            gauss_nodes=gauss_nodes,
            score=score,
            batch_size=batch_size,
        )
        self._path = BlurPath(steps, max_sigma, even_scale)

    @property
    def path(self) -> BlurPath:
        """The blur path and its settings."""
        return self._path

    def endpoints(self, inputs: Float[Tensor, "n c h w"]) -> Endpoints:
        """Return the most blurred images as starts and the images as ends."""
        start = gaussian(inputs, self._path.max_sigma)
        return Endpoints(start, inputs, torch.ones_like(inputs[:, 0, 0, 0]))

"""Guided Integrated Gradients: near the straight line, around large gradients."""

from __future__ import annotations

from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor

from samp_core.baselines import Baseline, Zero
from samp_core.methods.base import PathAttribution
from samp_core.paths import Endpoints, GuidedPath
from samp_core.scores import Score


class GuidedIG(PathAttribution):
    """Attribution along a path that moves the values of small gradient first.

    Kapishnikov et al., "Guided Integrated Gradients: an Adaptive Path Method for Removing Noise", CVPR 2021,
    arXiv 2106.09788.

    Args:
        forward_func: images (N, C, H, W) to logits (N, K), or to one number an image.
        steps: number of moves.
        baseline: where the path starts.
        fraction: share of the values that moves at once, above 0 to 1.
        max_dist: half width of the corridor around the straight line, 0 to 1.
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
        baseline: Baseline | None = None,
        fraction: float = 0.25,
        max_dist: float = 0.02,
        accumulation: str = "paper",
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
        self._path = GuidedPath(steps, fraction, max_dist)
        self.baseline = Zero() if baseline is None else baseline

    @property
    def path(self) -> GuidedPath:
        """The guided path and its settings."""
        return self._path

    def endpoints(self, inputs: Float[Tensor, "n c h w"]) -> Endpoints:
        """Return the baselines as starts and the images as ends."""
        return Endpoints(self.baseline(inputs), inputs, torch.ones_like(inputs[:, 0, 0, 0]))

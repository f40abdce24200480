"""Integrated Gradients: the straight line."""

from __future__ import annotations

from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor

from samp_core.baselines import Baseline, Zero
from samp_core.methods.base import PathAttribution
from samp_core.paths import Endpoints, StraightPath
from samp_core.scores import Score


class IntegratedGradients(PathAttribution):
    """Attribution along the straight line from a baseline to the image.

    Sundararajan, Taly and Yan, "Axiomatic Attribution for Deep Networks", ICML 2017, arXiv 1703.01365. With
    ``accumulation="trapezoid"`` or ``"paper"`` the nodes are captum's ``riemann_trapezoid`` or ``riemann_left``
    (captum's trapezoid weights add up to (n - 1) / n, ours to 1);
    ``steps=1, accumulation="gauss", gauss_nodes=n`` is captum's ``gausslegendre`` with ``n_steps=n``.

    Args:
        forward_func: images (N, C, H, W) to logits (N, K), or to one number an image.
        steps: number of equal moves.
        baseline: where the line starts.
        accumulation: ``paper``, ``trapezoid``, ``gauss`` or ``isotonic``.
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
        self._path = StraightPath(steps)
        self.baseline = Zero() if baseline is None else baseline

    @property
    def path(self) -> StraightPath:
        """The line and its number of moves."""
        return self._path

    def endpoints(self, inputs: Float[Tensor, "n c h w"]) -> Endpoints:
        """Return the baselines as starts and the images as ends."""
        return Endpoints(self.baseline(inputs), inputs, torch.ones_like(inputs[:, 0, 0, 0]))

"""SAMP and SAMP++, and this project's variant with the isotonic accumulation."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from samp_core.baselines import Baseline, GaussianBlur, Zero
from samp_core.methods.base import PathAttribution
from samp_core.paths import Endpoints, GreedyPath
from samp_core.scores import Score

DIRECTIONS = ("deletion", "insertion")


class SAMP(PathAttribution):
    """Salient manipulation path: attribution along the path that a greedy search finds.

    Zhang, Zheng, Zhou and Lu, "Path Choice Matters for Clear Attribution in Path Methods", ICLR 2024,
    arXiv 2401.10442. Two searches, added up: *deletion* walks from the image to a blank one and lowers the score as
    fast as it can; *insertion* walks from a blurred image to the image and raises it. The defaults are SAMP++ on
    photos of 224 x 224; the score is the logit unless ``score`` says otherwise.

    Args:
        forward_func: images (N, C, H, W) to logits (N, K), or to one number an image.
        pixels_per_step: pixels moved at once. Give this or ``steps``; neither means 3584, the paper's.
        momentum: 0 (SAMP) to below 1; the paper's momentum strategy is 0.5.
        ic_tolerance: infinitesimal constraint, longest move as a fraction of the way, or None.
        directions: ``deletion``, ``insertion`` or both.
        deletion_baseline: where deletion ends.
        insertion_baseline: where insertion starts.
        accumulation: ``paper``, ``trapezoid``, ``gauss`` or ``isotonic``.
        gauss_nodes: nodes inside each move for ``gauss``.
        tie_band: 1e-6 reproduces the authors' selection, 0 takes exactly ``pixels_per_step`` pixels.
        steps: number of moves that share out the pixels evenly, instead of ``pixels_per_step``.
        max_steps: refuse or stop a longer search.
        score: what of the logits is explained.
        batch_size: most images sent through the network at once.

    Raises:
        ValueError: a setting is out of its range.

    Example:
        >>> samp = SAMP.samp_plus_plus(network)
        >>> maps, gap = samp.attribute(images, target=labels, return_convergence_delta=True)
    """

    def __init__(
        self,
        forward_func: Callable[..., Tensor],
        pixels_per_step: int | None = None,
        momentum: float = 0.5,
        ic_tolerance: float | None = 0.02,
        directions: Sequence[str] = DIRECTIONS,
        deletion_baseline: Baseline | None = None,
        insertion_baseline: Baseline | None = None,
        accumulation: str = "paper",
        tie_band: float = 0.0,
        *,
        steps: int | None = None,
        gauss_nodes: int = 16,
        max_steps: int = 2000,
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
        self.directions = tuple(directions)
        if not self.directions or len(set(self.directions)) != len(self.directions):
            raise ValueError("directions needs 'deletion', 'insertion' or both, each once.")
        if unknown := set(self.directions) - set(DIRECTIONS):
            raise ValueError(f"There is no direction {unknown.pop()!r}. Choose from 'deletion' and 'insertion'.")
        if pixels_per_step is None and steps is None:
            pixels_per_step = 3584
        self._path = GreedyPath(pixels_per_step, steps, momentum, ic_tolerance, tie_band, max_steps)
        self.deletion_baseline = Zero() if deletion_baseline is None else deletion_baseline
        self.insertion_baseline = GaussianBlur() if insertion_baseline is None else insertion_baseline

    @property
    def path(self) -> GreedyPath:
        """The greedy search and its settings."""
        return self._path

    def endpoints(self, inputs: Float[Tensor, "n c h w"]) -> Endpoints:
        """Return the starts and ends of both directions."""
        ways = {
            "deletion": lambda: (inputs, self.deletion_baseline(inputs), -1.0),
            "insertion": lambda: (self.insertion_baseline(inputs), inputs, 1.0),
        }
        starts, ends, signs = zip(*(ways[d]() for d in self.directions), strict=True)
        return Endpoints(torch.cat(starts), torch.cat(ends), inputs.new_tensor(signs).repeat_interleave(len(inputs)))

    @classmethod
    def samp(cls, forward_func: Callable[..., Tensor], **settings: Any) -> SAMP:
        """Build SAMP as published: no momentum, no infinitesimal constraint. Other settings as in the class."""
        return cls(forward_func, **{"momentum": 0.0, "ic_tolerance": None, **settings})

    @classmethod
    def samp_plus_plus(cls, forward_func: Callable[..., Tensor], **settings: Any) -> SAMP:
        """Build SAMP++ as published: momentum 0.5, infinitesimal constraint 1/50. Other settings as in the class."""
        return cls(forward_func, **{"momentum": 0.5, "ic_tolerance": 0.02, **settings})

    @classmethod
    def isotonic(cls, forward_func: Callable[..., Tensor], **settings: Any) -> SAMP:
        """Build this project's variant: momentum 0.8, constraint 1/20, isotonic accumulation."""
        return cls(forward_func, **{"momentum": 0.8, "ic_tolerance": 0.05, "accumulation": "isotonic", **settings})

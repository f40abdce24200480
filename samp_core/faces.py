"""Path methods as classes in the manner of captum, for code that is written for captum."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Literal, overload

from captum.attr import GradientAttribution
from jaxtyping import Float
from torch import Tensor

from samp_core.attribution import PathMethod, Target, Way
from samp_core.baselines import Baseline, GaussianBlur, Zero
from samp_core.methods import METHODS
from samp_core.methods.options import DIRECTIONS
from samp_core.paths import BlurPath, GreedyPath, GuidedPath, Path, StraightPath
from samp_core.scores import Score


class PathAttribution(PathMethod, GradientAttribution):  # type: ignore[misc]  # captum ships no types for subclasses
    """A path method that captum takes for one of its own.

    So ``captum.attr.NoiseTunnel``, ``captum.metrics`` and code written for captum accept it. Its arguments are those
    of :class:`~samp_core.attribution.PathMethod`.
    """

    def __init__(self, forward_func: Callable[..., Tensor], path: Path, ways: Sequence[Way], **more: Any) -> None:
        GradientAttribution.__init__(self, forward_func)
        PathMethod.__init__(self, forward_func, path, ways, **more)

    @overload
    def attribute(
        self,
        inputs: Float[Tensor, "n c h w"],
        target: Target = None,
        additional_forward_args: Any = None,
        return_convergence_delta: Literal[False] = False,
    ) -> Float[Tensor, "n c h w"]: ...

    @overload
    def attribute(
        self,
        inputs: Float[Tensor, "n c h w"],
        target: Target = None,
        additional_forward_args: Any = None,
        *,
        return_convergence_delta: Literal[True],
    ) -> tuple[Float[Tensor, "n c h w"], Float[Tensor, " n"]]: ...

    def attribute(
        self,
        inputs: Float[Tensor, "n c h w"],
        target: Target = None,
        additional_forward_args: Any = None,
        return_convergence_delta: bool = False,
    ) -> Tensor | tuple[Tensor, Tensor]:
        """Return the attributions, same shape as ``inputs``; their sum over channels is the pixel map.

        Args:
            inputs: images in the network's normalised space, (N, C, H, W).
            target: explained class, one for all images or one for each.
            additional_forward_args: further arguments of ``forward_func``.
            return_convergence_delta: also return the completeness gap (N,), sum minus target over all directions.

        Raises:
            ValueError: inputs, targets or settings do not fit together.
            PathError: the path cannot be walked or finished.
        """
        explanation = self._finished(inputs, target, additional_forward_args)
        if return_convergence_delta:
            return explanation.attributions, explanation.completeness.gap.sum(0)
        return explanation.attributions

    def has_convergence_delta(self) -> bool:
        """Return True: path methods are held to completeness."""
        return True


def _published(method: str) -> dict[str, Any]:
    """Return what tells a registered search from the others, as it is declared."""
    options = METHODS[method].defaults.options
    return {name: options[name] for name in ("momentum", "ic_tolerance", "accumulation")}


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
        accumulation: name of a rule in :data:`~samp_core.catalogue.RULES`.
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
        directions: Sequence[str] = tuple(DIRECTIONS),
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
        if not directions or len(set(directions)) != len(directions):
            raise ValueError("directions needs 'deletion', 'insertion' or both, each once.")
        if unknown := set(directions) - set(DIRECTIONS):
            raise ValueError(f"There is no direction {unknown.pop()!r}. Choose from 'deletion' and 'insertion'.")
        if pixels_per_step is None and steps is None:
            pixels_per_step = 3584
        ways = {
            "deletion": Way("deletion", None, Zero() if deletion_baseline is None else deletion_baseline),
            "insertion": Way("insertion", GaussianBlur() if insertion_baseline is None else insertion_baseline, None),
        }
        super().__init__(
            forward_func,
            GreedyPath(pixels_per_step, steps, momentum, ic_tolerance, tie_band, max_steps),
            [ways[direction] for direction in directions],
            accumulation=accumulation,
            gauss_nodes=gauss_nodes,
            score=score,
            batch_size=batch_size,
        )

    @classmethod
    def samp(cls, forward_func: Callable[..., Tensor], **settings: Any) -> SAMP:
        """Build SAMP as published: no momentum, no infinitesimal constraint. Other settings as in the class."""
        return cls(forward_func, **{**_published("samp"), **settings})

    @classmethod
    def samp_plus_plus(cls, forward_func: Callable[..., Tensor], **settings: Any) -> SAMP:
        """Build SAMP++ as published: momentum 0.5, infinitesimal constraint 1/50. Other settings as in the class."""
        return cls(forward_func, **{**_published("samp++"), **settings})

    @classmethod
    def isotonic(cls, forward_func: Callable[..., Tensor], **settings: Any) -> SAMP:
        """Build this project's variant: momentum 0.8, constraint 1/20, isotonic accumulation."""
        return cls(forward_func, **{**_published("samp-isotonic"), **settings})


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
        accumulation: name of a rule in :data:`~samp_core.catalogue.RULES`.
        gauss_nodes: nodes inside each move for ``gauss``.
        score: what of the logits is explained.
        batch_size: most images sent through the network at once.

    Raises:
        ValueError: a setting is out of its range.
    """

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
            StraightPath(steps),
            [Way("insertion", Zero() if baseline is None else baseline, None)],
            accumulation=accumulation,
            gauss_nodes=gauss_nodes,
            score=score,
            batch_size=batch_size,
        )


class BlurIG(PathAttribution):
    """Attribution along images of falling blur; needs no baseline of another kind.

    Xu, Venugopalan and Sundararajan, "Attribution in Scale and Space", CVPR 2020, arXiv 2004.03383.

    Args:
        forward_func: images (N, C, H, W) to logits (N, K), or to one number an image.
        steps: number of moves.
        max_sigma: standard deviation of the first blur, in pixels, at most 1000; 50 in the paper.
        even_scale: space the moves evenly in sigma squared instead of in sigma.
        accumulation: name of a rule in :data:`~samp_core.catalogue.RULES`.
        gauss_nodes: nodes inside each move for ``gauss``.
        score: what of the logits is explained.
        batch_size: most images sent through the network at once.

    Raises:
        ValueError: a setting is out of its range.
    """

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
        path = BlurPath(steps, max_sigma, even_scale)
        super().__init__(
            forward_func,
            path,
            [Way("insertion", path.start, None)],
            accumulation=accumulation,
            gauss_nodes=gauss_nodes,
            score=score,
            batch_size=batch_size,
        )


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
        accumulation: name of a rule in :data:`~samp_core.catalogue.RULES`.
        gauss_nodes: nodes inside each move for ``gauss``.
        score: what of the logits is explained.
        batch_size: most images sent through the network at once.

    Raises:
        ValueError: a setting is out of its range.
    """

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
            GuidedPath(steps, fraction, max_dist),
            [Way("insertion", Zero() if baseline is None else baseline, None)],
            accumulation=accumulation,
            gauss_nodes=gauss_nodes,
            score=score,
            batch_size=batch_size,
        )

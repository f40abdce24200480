"""Path methods as classes in the manner of captum, for code that is written for captum."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Literal, overload

from captum.attr import GradientAttribution
from jaxtyping import Float
from torch import Tensor, nn

from samp_core import maps
from samp_core.attribution import AttributionMethod, Copies, DirectMethod, PathMethod, Steady, Target, Way, not_known
from samp_core.baselines import Baseline, GaussianBlur, Zero
from samp_core.images import Preprocessing
from samp_core.methods import FORWARD, METHODS
from samp_core.methods.options import DIRECTIONS
from samp_core.paths import (
    AdversarialPath,
    BlurPath,
    BoundaryPath,
    DecisionPath,
    FeaturePath,
    GreedyPath,
    GuidedPath,
    OpenPath,
    Path,
    RefinedPath,
    SpectralPath,
    StraightPath,
    WeightedPath,
)
from samp_core.scores import Logit, Score


class Face(AttributionMethod, GradientAttribution):  # type: ignore[misc]  # captum ships no types for subclasses
    """A method that captum takes for one of its own.

    So ``captum.attr.NoiseTunnel``, ``captum.metrics`` and code written for captum accept it.
    """

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


class PathAttribution(Face, PathMethod):
    """A path method that captum takes for one of its own; arguments of :class:`~samp_core.attribution.PathMethod`."""

    def __init__(
        self, forward_func: Callable[..., Tensor], path: Path | OpenPath, ways: Sequence[Way], **more: Any
    ) -> None:
        GradientAttribution.__init__(self, forward_func)
        PathMethod.__init__(self, forward_func, path, ways, **more)


class SteadyAttribution(Face, Steady):
    """A path method over several copies of every image, each with a little noise: their mean map.

    ``explain(...).belief`` says how far the copies agree on each pixel.

    Args:
        method: the method, such as ``SAMP(network, steps=4)``.
        copies: number of copies.
        noise: standard deviation of their noise, in normalised units.
        shift: most pixels by which a copy is moved; its map is moved back.
        seed: seed of the copies.
        together: most copies of a round, after which a run's map is there anew; by default as many as the method's
            ``batch_size`` allows.

    Raises:
        ValueError: a number is out of its range, or all copies would be the same.

    Example:
        >>> steady = SteadyAttribution(IntegratedGradients(network), copies=10)
        >>> belief = steady.explain(images, target=labels).belief
    """

    def __init__(
        self,
        method: PathAttribution,
        copies: int = 5,
        noise: float = 0.02,
        shift: int = 0,
        seed: int = 0,
        together: int | None = None,
    ) -> None:
        GradientAttribution.__init__(self, method.forward_func)
        Steady.__init__(self, method, Copies(copies, noise, shift, seed, together))


def _order(method: str) -> dict[str, Any]:
    """Return what tells a registered refined order from the others, as it is declared."""
    names = ("searches", "search_steps", "sweeps", "states", "steps", "pull", "noise", "accumulation")
    return {name: METHODS[method].defaults.options[name] for name in names}


def _published(method: str, settings: dict[str, Any]) -> dict[str, Any]:
    """Return what tells a registered search from the others, as it is declared, changed by ``settings``."""
    options = METHODS[method].defaults.options
    own = {name: options[name] for name in ("momentum", "ic_tolerance", "accumulation")}
    # The paper counts pixels a move, which on its photos is the same as its number of moves.
    if options["steps"] != METHODS["samp"].defaults.options["steps"] and settings.get("pixels_per_step") is None:
        own["steps"] = options["steps"]
    return own | settings


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
        return cls(forward_func, **_published("samp", settings))

    @classmethod
    def samp_plus_plus(cls, forward_func: Callable[..., Tensor], **settings: Any) -> SAMP:
        """Build SAMP++ as published: momentum 0.5, infinitesimal constraint 1/50. Other settings as in the class."""
        return cls(forward_func, **_published("samp++", settings))

    @classmethod
    def isotonic(cls, forward_func: Callable[..., Tensor], **settings: Any) -> SAMP:
        """Build this project's variant: momentum 0.8, constraint 1/20, isotonic accumulation."""
        return cls(forward_func, **_published("samp-isotonic", settings))

    @classmethod
    def instant(cls, forward_func: Callable[..., Tensor], **settings: Any) -> SAMP:
        """Build this project's quick search: six moves each way, ``half`` accumulation."""
        return cls(forward_func, **_published("samp-instant", settings))

    @staticmethod
    def clear(forward_func: Callable[..., Tensor], **settings: Any) -> RefinedSAMP:
        """Build this project's clearest map: an order refined along the whole path and walked in twelve moves.

        Args:
            forward_func: images (N, C, H, W) to logits (N, K), or to one number an image.
            settings: others of :class:`RefinedSAMP`.
        """
        return RefinedSAMP(forward_func, **{**_order("samp-clear"), **settings})

    @staticmethod
    def steady(forward_func: Callable[..., Tensor], copies: int | None = None, **settings: Any) -> RefinedSAMP:
        """Build this project's steady map: an order refined along the whole path, at most 60 gradients.

        Args:
            forward_func: images (N, C, H, W) to logits (N, K), or to one number an image.
            copies: copies of the image that are searched first, 1 to 1000; five are published.
            settings: others of :class:`RefinedSAMP`.
        """
        searched = {} if copies is None else {"searches": copies}
        return RefinedSAMP(forward_func, **{**_order("samp-steady"), **searched, **settings})


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


class RefinedSAMP(PathAttribution):
    """Attribution along an order of the pixels that is found by searching and refined along the whole path.

    This project's own; see :class:`~samp_core.paths.RefinedPath`. Complete to rounding with the rule ``falling``.

    Args:
        forward_func: images (N, C, H, W) to logits (N, K), or to one number an image.
        steps: number of moves each way.
        searches: short greedy searches on copies under noise, whose mean order is refined.
        search_steps: moves of each search.
        sweeps: how often it is refined.
        states: states along the whole path at which each sweep looks.
        pull: how far one sweep changes the order, in standard deviations of what stood before.
        noise: standard deviation of the noise on copies and states, in normalised units.
        seed: seed of the noise.
        deletion_baseline: where deletion ends; zeros if not given.
        insertion_baseline: where insertion starts; the image blurred if not given.
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
        steps: int = 6,
        searches: int = 22,
        sweeps: int = 4,
        pull: float = 0.08,
        noise: float = 0.02,
        seed: int = 0,
        deletion_baseline: Baseline | None = None,
        insertion_baseline: Baseline | None = None,
        accumulation: str = "falling",
        *,
        search_steps: int = 3,
        states: int = 7,
        gauss_nodes: int = 16,
        score: Score | None = None,
        batch_size: int | None = None,
    ) -> None:
        super().__init__(
            forward_func,
            RefinedPath(
                GreedyPath(steps=search_steps, momentum=0.3), steps, searches, sweeps, pull, noise, seed, states=states
            ),
            [
                Way("deletion", None, Zero() if deletion_baseline is None else deletion_baseline),
                Way("insertion", GaussianBlur() if insertion_baseline is None else insertion_baseline, None),
            ],
            accumulation=accumulation,
            gauss_nodes=gauss_nodes,
            score=score,
            batch_size=batch_size,
        )


class SIG(PathAttribution):
    """Attribution along a path that opens the strong components of the way before the weak ones.

    Kim, Lim, Lee and Choi, "Spectral Integrated Gradients for Coarse-to-Fine Feature Attribution", KDD 2026,
    arXiv 2605.19607. A line integral like any other, so it is complete as far as its rule is exact.

    Args:
        forward_func: images (N, C, H, W) to logits (N, K), or to one number an image.
        steps: number of moves.
        overlap: share of the path in which each component opens, above 0 to 1; 1 is Integrated Gradients.
        basis: ``svd`` (each channel), ``svd-joint`` (channels together), ``dct``, ``laplacian`` or ``wavelet``.
        baseline: where the path starts.
        accumulation: name of a rule in :data:`~samp_core.catalogue.RULES`; ``paper`` is the authors' sum.
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
        overlap: float = 0.4,
        basis: str = "svd",
        baseline: Baseline | None = None,
        accumulation: str = "paper",
        *,
        gauss_nodes: int = 16,
        score: Score | None = None,
        batch_size: int | None = None,
    ) -> None:
        super().__init__(
            forward_func,
            SpectralPath(steps, overlap, basis),
            [Way("insertion", Zero() if baseline is None else baseline, None)],
            accumulation=accumulation,
            gauss_nodes=gauss_nodes,
            score=score,
            batch_size=batch_size,
        )


class IDG(PathAttribution):
    """Attribution along the straight line, weighed by how fast the score changes along it.

    Walker, Jha, Chen and Ewetz, "Integrated Decision Gradients: Compute Your Attributions Where the Model Makes Its
    Decision", AAAI 2024, arXiv 2305.20052. Not complete: a linear score gives Integrated Gradients, others give more
    credit where the score changes fast. The scale differs from the authors' by one number for each image, see
    :class:`~samp_core.paths.DecisionPath`.

    Args:
        forward_func: images (N, C, H, W) to logits (N, K), or to one number an image.
        steps: number of gradients, at least 2; as many scores are measured before.
        baseline: where the line starts.
        accumulation: name of a rule in :data:`~samp_core.catalogue.RULES`; only ``paper`` weighs, others add
            up the straight line as always.
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
        accumulation: str = "paper",
        *,
        gauss_nodes: int = 16,
        score: Score | None = None,
        batch_size: int | None = None,
    ) -> None:
        super().__init__(
            forward_func,
            DecisionPath(steps),
            [Way("insertion", Zero() if baseline is None else baseline, None)],
            accumulation=accumulation,
            gauss_nodes=gauss_nodes,
            score=score,
            batch_size=batch_size,
        )


class PWIG(PathAttribution):
    """Attribution along the straight line, early or late parts of which count more.

    Kamalov, Al Falasi and Thabtah, "Path-Weighted Integrated Gradients for Interpretable Dementia Classification",
    arXiv 2509.17491. Not complete unless ``emphasis`` is 0; see :class:`~samp_core.paths.WeightedPath` for the weight.

    Args:
        forward_func: images (N, C, H, W) to logits (N, K), or to one number an image.
        steps: number of equal moves.
        emphasis: where gradients count, -20 to 20: 0 evenly (Integrated Gradients with the same rule), above 0 near
            the image, below 0 near the start.
        baseline: where the line starts.
        accumulation: name of a rule in :data:`~samp_core.catalogue.RULES`; only ``paper`` weighs, others add
            up the straight line as always.
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
        emphasis: float = 1.0,
        baseline: Baseline | None = None,
        accumulation: str = "paper",
        *,
        gauss_nodes: int = 16,
        score: Score | None = None,
        batch_size: int | None = None,
    ) -> None:
        super().__init__(
            forward_func,
            WeightedPath(steps, emphasis),
            [Way("insertion", Zero() if baseline is None else baseline, None)],
            accumulation=accumulation,
            gauss_nodes=gauss_nodes,
            score=score,
            batch_size=batch_size,
        )


class AGI(PathAttribution):
    """Attribution along paths from the image to where other classes win, all added up; needs no baseline.

    Pan, Li and Zhu, "Explaining Deep Neural Network Models with Adversarial Gradient Integration", IJCAI 2021. Each
    class is a direction of its own, ``class-1`` and so on. Where such a path ends is not known before, so its promise
    is the score's change up to where it ended: f(image) - f(adversarial image).

    Args:
        forward_func: images (N, C, H, W) to logits (N, K).
        classes: how many other classes, evenly spaced over all of them, or their numbers.
        step: length of each signed step, in the network's normalised space; one number or one for each channel. The
            paper takes 0.05 of images of the range 0 to 1.
        max_steps: a path ends after so many moves if its class has not won.
        restart: begin every step at the image, as the published code does, instead of where the last one ended.
        bounds: least and largest value of images in the normalised space; no bounds if not given.
        accumulation: name of a rule in :data:`~samp_core.catalogue.RULES`; ``paper`` is the published sum.
        gauss_nodes: nodes inside each move for ``gauss``.
        score: what of the logits is explained; the paper explains the probability.
        batch_size: most images sent through the network at once.

    Raises:
        ValueError: a setting is out of its range.
    """

    def __init__(
        self,
        forward_func: Callable[..., Tensor],
        classes: int | Sequence[int] = 3,
        step: float | Sequence[float] = 0.05,
        max_steps: int = 20,
        restart: bool = False,
        bounds: tuple[float, float] | None = None,
        accumulation: str = "paper",
        *,
        gauss_nodes: int = 16,
        score: Score | None = None,
        batch_size: int | None = None,
    ) -> None:
        wanted = classes if isinstance(classes, int) else tuple(classes)
        length = step if isinstance(step, int | float) else tuple(step)
        path = AdversarialPath(wanted, length, max_steps, restart, *(bounds or ()))
        super().__init__(
            forward_func,
            path,
            [Way(f"class-{k + 1}", None, not_known) for k in range(path.count)],
            accumulation=accumulation,
            gauss_nodes=gauss_nodes,
            score=score,
            batch_size=batch_size,
        )


class RevealIG(DirectMethod):
    """Attribution along distributions: Gaussian probes that close in on the image, and their expected score.

    Murphy and Shrestha, "Attribution via Distributional Paths for Information Revelation", arXiv 2606.03885; see
    :func:`~samp_core.maps.reveal_ig` for what of it this is. It walks through no images, so there are no states, and
    captum's ``GradientAttribution`` is not its kin.

    Args:
        network: images (N, C, H, W) to logits (N, K).
        steps: number of times at which the gradient is taken.
        samples: number of probes drawn at each.
        noise: standard deviation of the first probes, in the network's normalised space, at least 0.
        baseline: mean of the first probes.
        score: what of the logits is explained.
        batch_size: most images sent through the network at once.
        seed: seed of the draws, of which each image has its own.

    Raises:
        ValueError: a setting is out of its range.
    """

    def __init__(
        self,
        network: nn.Module,
        steps: int = 16,
        samples: int = 4,
        noise: float = 0.5,
        baseline: Baseline | None = None,
        *,
        score: Score | None = None,
        batch_size: int = 16,
        seed: int = 0,
    ) -> None:
        if steps < 1 or samples < 1 or not 0 <= noise < float("inf"):
            raise ValueError(
                f"steps and samples must be at least 1 and noise a finite number of at least 0, not {steps}, {samples} "
                f"and {noise}."
            )
        start = Zero() if baseline is None else baseline
        super().__init__(
            network,
            lambda task: maps.reveal_ig(task, start, steps, samples, noise),
            score=Logit() if score is None else score,
            gradients=lambda height, width: steps * samples + FORWARD * (1 + samples),
            preprocessing=Preprocessing(None, (1, 1), (0.0,), (1.0,)),
            batch_size=batch_size,
            seed=seed,
        )


class IG2(PathAttribution):
    """Attribution along a path from the image to one with another photo's features; needs no blank baseline.

    Zhuo and Ge, "IG2: Integrated Gradient on Iterative Gradient Path for Feature Attribution", TPAMI 2024,
    arXiv 2406.10852. Where the path ends is not known before, so its promise is the score's change up to there.

    Args:
        forward_func: images (N, C, H, W) to logits (N, K), or to one number an image. Features are looked at in a copy
            of it; of what is no module, or has no dense layer, the outputs stand for them.
        reference: the other photo, (1, C, H, W), or a function from images to the photos that they are led to.
        steps: number of moves.
        step: length of a move, as the root mean square over all values, in the network's normalised space.
        bounds: least and largest value of images in the normalised space; no bounds if not given.
        accumulation: name of a rule in :data:`~samp_core.catalogue.RULES`; ``paper`` is the published sum.
        gauss_nodes: nodes inside each move for ``gauss``.
        score: what of the logits is explained.
        batch_size: most images sent through the network at once.

    Raises:
        ValueError: a setting is out of its range.
    """

    def __init__(
        self,
        forward_func: Callable[..., Tensor],
        reference: Tensor | Baseline,
        steps: int = 201,
        step: float = 0.01,
        bounds: tuple[float, float] | None = None,
        accumulation: str = "paper",
        *,
        gauss_nodes: int = 16,
        score: Score | None = None,
        batch_size: int | None = None,
    ) -> None:
        photo = reference.expand_as if isinstance(reference, Tensor) else reference
        super().__init__(
            forward_func,
            FeaturePath(photo, steps, step, 1.0, *(bounds or ())),
            [Way("counterfactual", None, not_known)],
            accumulation=accumulation,
            gauss_nodes=gauss_nodes,
            score=score,
            batch_size=batch_size,
        )


class MFABA(PathAttribution):
    """Attribution along a path from the image to the boundary of its class.

    Zhu et al., "MFABA: A More Faithful and Accelerated Boundary-based Attribution Method for Deep Neural Networks",
    AAAI 2024, arXiv 2312.13630. Where the path ends is not known before, so its promise is the score's change up to
    there.

    Args:
        forward_func: images (N, C, H, W) to logits (N, K).
        step: length of each signed step, in the network's normalised space; one number or one for each channel. The
            paper's code takes 0.001 of images of the range 0 to 1.
        max_steps: a path ends after so many moves if the class still wins.
        bounds: least and largest value of images in the normalised space; no bounds if not given.
        accumulation: name of a rule in :data:`~samp_core.catalogue.RULES`; ``paper`` is the sum of the published code,
            ``trapezoid`` that of the text.
        gauss_nodes: nodes inside each move for ``gauss``.
        score: what of the logits is explained; the paper explains the probability.
        batch_size: most images sent through the network at once.

    Raises:
        ValueError: a setting is out of its range.
    """

    def __init__(
        self,
        forward_func: Callable[..., Tensor],
        step: float | Sequence[float] = 0.001,
        max_steps: int = 50,
        bounds: tuple[float, float] | None = None,
        accumulation: str = "paper",
        *,
        gauss_nodes: int = 16,
        score: Score | None = None,
        batch_size: int | None = None,
    ) -> None:
        length = step if isinstance(step, int | float) else tuple(step)
        super().__init__(
            forward_func,
            BoundaryPath(length, max_steps, *(bounds or ())),
            [Way("boundary", None, not_known)],
            accumulation=accumulation,
            gauss_nodes=gauss_nodes,
            score=score,
            batch_size=batch_size,
        )

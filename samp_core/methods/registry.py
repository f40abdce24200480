"""The registry of methods: one entry says all that pages, command line and tests need to know of a method."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Any

from torch import Tensor

from samp_core.baselines import make_baseline
from samp_core.classifiers import Classifier
from samp_core.images import Preprocessing
from samp_core.methods.base import PathAttribution
from samp_core.methods.blur_ig import BlurIG
from samp_core.methods.direct import DirectMethod
from samp_core.methods.guided_ig import GuidedIG
from samp_core.methods.integrated_gradients import IntegratedGradients
from samp_core.methods.library import ENTRIES
from samp_core.methods.samp import SAMP
from samp_core.methods.spec import PATHS, SCORES, Method, Option, Settings

__all__ = ["METHODS", "PATHS", "SCORES", "Method", "Option", "Settings", "default_settings", "make_method"]


def _build_samp(forward_func: Callable[..., Tensor], preprocessing: Preprocessing, s: Settings) -> SAMP:
    return SAMP(
        forward_func,
        s.pixels_per_step,
        s.momentum,
        s.ic_tolerance,
        s.directions,
        make_baseline(s.deletion_baseline, preprocessing, s.seed),
        make_baseline(s.insertion_baseline, preprocessing, s.seed),
        s.accumulation,
        s.tie_band,
        steps=s.steps,
        gauss_nodes=s.gauss_nodes,
        max_steps=s.max_steps,
        score=s.make_score(),
        batch_size=s.batch_size,
    )


def _line(s: Settings) -> dict[str, Any]:
    """Return what all methods of one path towards the image are given.

    Raises:
        ValueError: the number of steps is not given.
    """
    if s.steps is None:
        raise ValueError(f"{METHODS[s.method].title} moves every pixel at every step: give steps, not pixels_per_step.")
    return {
        "steps": s.steps,
        "accumulation": s.accumulation,
        "gauss_nodes": s.gauss_nodes,
        "score": s.make_score(),
        "batch_size": s.batch_size,
    }


def _build_ig(forward_func: Callable[..., Tensor], preprocessing: Preprocessing, s: Settings) -> IntegratedGradients:
    baseline = make_baseline(s.insertion_baseline, preprocessing, s.seed)
    return IntegratedGradients(forward_func, baseline=baseline, **_line(s))


def _build_blur_ig(forward_func: Callable[..., Tensor], preprocessing: Preprocessing, s: Settings) -> BlurIG:
    return BlurIG(forward_func, max_sigma=float(s.options["max_sigma"]), **_line(s))


def _build_guided_ig(forward_func: Callable[..., Tensor], preprocessing: Preprocessing, s: Settings) -> GuidedIG:
    baseline = make_baseline(s.insertion_baseline, preprocessing, s.seed)
    fraction, max_dist = float(s.options["fraction"]), float(s.options["max_dist"])
    return GuidedIG(forward_func, baseline=baseline, fraction=fraction, max_dist=max_dist, **_line(s))


def _line_settings(name: str, accumulation: str, **options: float | str) -> Settings:
    return Settings(
        name,
        steps=50,
        momentum=0.0,
        ic_tolerance=None,
        directions=("insertion",),
        insertion_baseline="zero",
        accumulation=accumulation,
        options=options,
    )


_PAPER = (
    "Zhang, Zheng, Zhou and Lu. Path Choice Matters for Clear Attribution in Path Methods. ICLR 2024. arXiv:2401.10442"
)
_ENTRIES = (
    Method(
        "samp",
        "SAMP",
        PATHS,
        "Greedy search: each move takes the pixels that promise to change the score most; momentum and constraint off.",
        _PAPER,
        True,
        Settings("samp", momentum=0.0, ic_tolerance=None),
        _build_samp,
    ),
    Method(
        "samp++",
        "SAMP++",
        PATHS,
        "SAMP with short moves (infinitesimal constraint 1/50) and a steadier direction (momentum 0.5).",
        _PAPER,
        True,
        Settings("samp++"),
        _build_samp,
    ),
    Method(
        "samp-isotonic",
        "SAMP isotonic",
        PATHS,
        "This project's variant: more momentum, fewer moves, and the measured score changes dealt out, so the map "
        "always adds up.",
        f"Search: {_PAPER}. Accumulation: this project.",
        True,
        Settings("samp-isotonic", momentum=0.8, ic_tolerance=0.05, accumulation="isotonic"),
        _build_samp,
    ),
    Method(
        "ig",
        "Integrated Gradients",
        PATHS,
        "The straight line: all pixels fade in together. The reference that path choice is measured against.",
        "Sundararajan, Taly and Yan. Axiomatic Attribution for Deep Networks. ICML 2017. arXiv:1703.01365",
        False,
        _line_settings("ig", "trapezoid"),
        _build_ig,
        way="Straight line",
    ),
    Method(
        "blur-ig",
        "Blur IG",
        PATHS,
        "The image comes into focus: from very blurred to sharp, coarse features are credited before fine ones.",
        "Xu, Venugopalan and Sundararajan. Attribution in Scale and Space. CVPR 2020. arXiv:2004.03383",
        False,
        _line_settings("blur-ig", "trapezoid", max_sigma=50.0),
        _build_blur_ig,
        (Option("max_sigma", "First blur", "Standard deviation of the first blur, in pixels.", 50.0, 5.0, 100.0, 5.0),),
        start="blur, sigma {max_sigma:g}",
        way="Blur to sharp",
    ),
    Method(
        "guided-ig",
        "Guided IG",
        PATHS,
        "Near the straight line, but values of small gradient move first: the path goes around noise.",
        "Kapishnikov, Venugopalan, Avci, Wedin, Terry and Bolukbasi. Guided Integrated Gradients: an Adaptive Path "
        "Method for Removing Noise. CVPR 2021. arXiv:2106.09788",
        False,
        _line_settings("guided-ig", "paper", fraction=0.25, max_dist=0.02),
        _build_guided_ig,
        (
            Option("fraction", "Fraction", "Share of the values that moves at once; 1 is the straight line.",
                   0.25, 0.05, 1.0, 0.05),
            Option("max_dist", "Corridor", "Half width of the corridor around the straight line; 0 is the line.",
                   0.02, 0.0, 1.0, 0.02),
        ),
        way="Around noise",
    ),
)  # fmt: skip

METHODS: Mapping[str, Method] = MappingProxyType({m.name: m for m in (*_ENTRIES, *ENTRIES)})
"""All methods by name."""


def default_settings(name: str, **changes: Any) -> Settings:
    """Return a method's published settings, with changes.

    Raises:
        ValueError: no method has this name.
    """
    if name not in METHODS:
        raise ValueError(f"There is no method {name!r}. Choose one of: {', '.join(METHODS)}.")
    return replace(METHODS[name].defaults, **changes)


def make_method(classifier: Classifier, settings: Settings) -> PathAttribution | DirectMethod:
    """Build the method that ``settings`` describe, for this classifier.

    Raises:
        ValueError: a name is unknown, an option missing, or a value out of its range.
    """
    if settings.method not in METHODS:
        raise ValueError(f"There is no method {settings.method!r}. Choose one of: {', '.join(METHODS)}.")
    method = METHODS[settings.method]
    settled = replace(settings, options=method.settle(settings.options))
    return method.builder(classifier.network, classifier.preprocessing, settled)

"""The registry of methods: one entry says all that pages, command line and tests need to know of a method."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, replace
from types import MappingProxyType
from typing import Any

from torch import Tensor, nn

from samp_core.baselines import make_baseline
from samp_core.classifiers import Classifier
from samp_core.images import Preprocessing
from samp_core.methods.base import PathAttribution
from samp_core.methods.direct import DirectMethod
from samp_core.methods.integrated_gradients import IntegratedGradients
from samp_core.methods.samp import DIRECTIONS, SAMP
from samp_core.scores import Contrast, Logit, LogProbability, Probability, Score

PATHS = "Path methods"
"""Family of the methods that walk a path."""

SCORES = {"logit": "Logit", "probability": "Probability", "log-probability": "Log-probability"}
"""Name to title of the scores of one class."""


@dataclass(frozen=True)
class Settings:
    """Everything that decides a map, apart from image and network, in plain values that a file can hold.

    Attributes:
        method: name in :data:`METHODS`.
        steps: number of moves that share out the pixels; None if ``pixels_per_step`` is given.
        pixels_per_step: pixels moved at once; None if ``steps`` is given. Not used by straight lines.
        momentum, ic_tolerance, tie_band, max_steps: see :class:`~samp_core.paths.GreedyPath`.
        directions: directions searched.
        deletion_baseline, insertion_baseline: names in :data:`~samp_core.baselines.BASELINES`; a straight line
            starts at the insertion baseline.
        accumulation, gauss_nodes: see :mod:`samp_core.integrate`.
        score: name in :data:`SCORES`; not used with a contrast.
        target: explained class index; None until one is chosen.
        contrast: class index to contrast the target with, or None.
        seed: seed of everything random (the noise baseline; the search itself is deterministic).
        options: what only this method has; see its :attr:`Method.options`.
    """

    method: str = "samp++"
    steps: int | None = 14
    pixels_per_step: int | None = None
    momentum: float = 0.5
    ic_tolerance: float | None = 0.02
    directions: tuple[str, ...] = DIRECTIONS
    deletion_baseline: str = "zero"
    insertion_baseline: str = "blur"
    accumulation: str = "paper"
    gauss_nodes: int = 16
    tie_band: float = 0.0
    max_steps: int = 2000
    score: str = "logit"
    target: int | None = None
    contrast: int | None = None
    seed: int = 0
    options: Mapping[str, float | str] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """Return the settings as values that JSON can hold."""
        return {**asdict(self), "directions": list(self.directions), "options": dict(self.options)}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Settings:
        """Read what :meth:`to_dict` wrote.

        Raises:
            ValueError: a name is unknown.
        """
        if unknown := set(values) - set(cls.__dataclass_fields__):
            raise ValueError(
                f"There is no setting {', '.join(sorted(unknown))}. Was the file written by a newer version?"
            )
        return cls(**{**values, "directions": tuple(values.get("directions", DIRECTIONS))})

    def make_score(self) -> Score:
        """Build the explained score.

        Raises:
            ValueError: the score's name is unknown, or a contrast has no target or the same class twice.
        """
        if self.contrast is not None:
            if self.target is None:
                raise ValueError("A contrast needs the class to explain as well: choose a target.")
            return Contrast(self.target, self.contrast)
        scores: dict[str, Score] = {
            "logit": Logit(),
            "probability": Probability(),
            "log-probability": LogProbability(),
        }
        if self.score not in scores:
            raise ValueError(f"There is no score {self.score!r}. Choose one of: {', '.join(scores)}.")
        return scores[self.score]


Builder = Callable[[nn.Module, Preprocessing, Settings], PathAttribution | DirectMethod]


@dataclass(frozen=True)
class Option:
    """A setting that one method has: what it is, and in which range a person may turn it.

    Attributes:
        name: keyword of the method.
        title: what people call it.
        help: one sentence.
        default: its published value.
        low, high, step: range of a number; ``choices`` instead for a text.
    """

    name: str
    title: str
    help: str
    default: float | str
    low: float = 0.0
    high: float = 1.0
    step: float = 1.0
    choices: tuple[str, ...] = ()


@dataclass(frozen=True)
class Method:
    """One entry of the registry.

    Attributes:
        name: what command line and files call it.
        title: what people call it.
        family: group it is shown in.
        summary: one sentence for somebody who has never heard of it.
        citation: where it comes from.
        is_search: whether the path is searched, so that momentum, tolerance and directions mean something.
        defaults: its settings as published.
        builder: makes the method.
        options: settings that only this method has.
        limits: what it cannot do, in a sentence; empty if nothing is known.
    """

    name: str
    title: str
    family: str
    summary: str
    citation: str
    is_search: bool
    defaults: Settings
    builder: Builder
    options: tuple[Option, ...] = ()
    limits: str = ""

    @property
    def has_path(self) -> bool:
        """Whether it walks a path, so that there are states, score curves and a completeness gap."""
        return self.family == PATHS


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
        batch_size=16,
    )


def _build_ig(forward_func: Callable[..., Tensor], preprocessing: Preprocessing, s: Settings) -> IntegratedGradients:
    if s.steps is None:
        raise ValueError("Integrated Gradients moves every pixel at every step: give steps, not pixels_per_step.")
    return IntegratedGradients(
        forward_func,
        s.steps,
        make_baseline(s.insertion_baseline, preprocessing, s.seed),
        s.accumulation,
        gauss_nodes=s.gauss_nodes,
        score=s.make_score(),
        batch_size=16,
    )


_PAPER = (
    "Zhang, Zheng, Zhou and Lu. Path Choice Matters for Clear Attribution in Path Methods. ICLR 2024. arXiv:2401.10442"
)
_ENTRIES = (
    Method(
        "samp",
        "SAMP",
        PATHS,
        "Greedy search for the path that concentrates attribution on few pixels; momentum and constraint off.",
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
        Settings("ig", steps=50, momentum=0.0, ic_tolerance=None, directions=("insertion",),
                 insertion_baseline="zero", accumulation="trapezoid"),
        _build_ig,
    ),
)  # fmt: skip

METHODS: Mapping[str, Method] = MappingProxyType({m.name: m for m in _ENTRIES})
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
        ValueError: a name is unknown or a value out of its range.
    """
    if settings.method not in METHODS:
        raise ValueError(f"There is no method {settings.method!r}. Choose one of: {', '.join(METHODS)}.")
    return METHODS[settings.method].builder(classifier.network, classifier.preprocessing, settings)

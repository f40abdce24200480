"""What the registry holds: methods, their settings and the options that only one of them has."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from typing import Any

from torch import nn

from samp_core.images import Preprocessing
from samp_core.methods.base import PathAttribution
from samp_core.methods.direct import DirectMethod
from samp_core.scores import Contrast, Logit, LogProbability, Probability, Score

DIRECTIONS = ("deletion", "insertion")  # of the searches, as files hold them

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
        seed: seed of everything random: the noise baseline, and what a method draws for a photo. A search draws
            nothing, but it amplifies rounding, so it gives the same map again only for the same threads, batch and
            device.
        options: what only this method has; see its :attr:`Method.options`.
        batch_size: most images sent through the network at once. Decides memory and speed, and how the network rounds:
            a search's map depends on that, others to rounding only.
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
    options: Mapping[str, float | str] = field(default_factory=dict, hash=False)
    batch_size: int = 16

    def to_dict(self) -> dict[str, Any]:
        """Return the settings as values that JSON can hold."""
        values = {f.name: getattr(self, f.name) for f in fields(self)}
        return values | {"directions": list(self.directions), "options": dict(self.options)}

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
        directions = values.get("directions", DIRECTIONS)
        if isinstance(directions, str):
            raise ValueError(f"directions must be a list such as ['deletion', 'insertion'], not {directions!r}.")
        return cls(**{**values, "directions": tuple(directions)})

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

    def settle(self, value: object) -> float | str:
        """Return a value as the method takes it: a text, a number or a whole number.

        Raises:
            ValueError: it is of another kind, or out of range.
        """
        if isinstance(self.default, str):
            if self.choices and str(value) not in self.choices:
                raise ValueError(f"{self.name} must be one of {', '.join(self.choices)}, not {value!r}")
            return str(value)
        whole = isinstance(self.default, int)
        words = f"{self.name} must be from {self.low:g} to {self.high:g}{', a whole number' * whole}, not {value!r}"
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise ValueError(words)
        if not self.low <= value <= self.high or (whole and value != int(value)):  # NaN is in no range
            raise ValueError(words)
        return int(value) if whole else float(value)


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
        start: where its path starts if the insertion baseline means nothing to it, as a format of its options.
        way: what its one direction is called; searches are called by their directions' names.
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
    start: str = ""
    way: str = "Path"

    @property
    def has_path(self) -> bool:
        """Whether it walks a path, so that there are states, score curves and a completeness gap."""
        return self.family == PATHS

    @property
    def has_baseline(self) -> bool:
        """Whether the insertion baseline means something to it."""
        return not self.start

    def settle(self, given: Mapping[str, object]) -> dict[str, float | str]:
        """Return the method's options as it takes them.

        Raises:
            ValueError: an option is unknown or missing, or its value is of another kind or out of range.
        """
        names = [option.name for option in self.options]
        if unknown := sorted(set(given) - set(names)):
            raise ValueError(f"{self.title} has no option {', '.join(unknown)}. It has: {', '.join(names) or 'none'}.")
        if missing := [f"{o.name} (published: {o.default!r})" for o in self.options if o.name not in given]:
            raise ValueError(f"{self.title} needs every option, and these are missing: {', '.join(missing)}.")
        try:
            return {option.name: option.settle(given[option.name]) for option in self.options}
        except ValueError as error:
            raise ValueError(f"{self.title}: {error}.") from None

"""What a person may set of a method: one declaration each, from which knobs, flags, links and refusals are made."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any

from samp_core.catalogue import BASELINES, RULES, SCORES, Catalogue

Value = float | int | str | tuple[str, ...] | None
"""A setting in plain values; a tuple holds several of an option's choices."""

_NOTHING = ("none", "off")  # what people write for None


@dataclass(frozen=True)
class Option:
    """One setting: what it is, what it may be, and how a person is shown it.

    Attributes:
        name: keyword, in files and on the command line.
        title: what people call it.
        help: one sentence.
        default: the published value. Its type says of what kind all values are: whole numbers, numbers, text, or
            several of the choices.
        low, high: range of a number; ``step`` is how finely a slider turns.
        choices: names to choose from, or a catalogue of them; empty for numbers and free text.
        optional: whether it may be None, because another option says the same.
        off: what None is called, where people may choose it.
        whole: whether a number is a whole one; by default where the default is.
        instead_of: name of the option that this one replaces: exactly one of both is set.
        when: name of another option and the value (or one of its several values) with which alone this one counts.
        slider: range of its slider, where that is narrower than the range of values.
        stops: the values of its slider, where those are few.
        typed: whether it is typed in rather than slid.
        minor: whether it is one of those that most people leave alone.
        short: what it is called in a link; by default its name.
        fraction: whether people write it as one over a whole number.
        phrase: how a description says it, a format of ``value``; empty: only where it is not the default.
    """

    name: str
    title: str
    help: str
    default: Value
    low: float = 0.0
    high: float = 1.0
    step: float = 1.0
    choices: Catalogue[Any] | Mapping[str, str] | tuple[str, ...] = ()
    optional: bool = False
    off: str = ""
    whole: bool | None = None
    instead_of: str = ""
    when: tuple[str, str] | None = None
    slider: tuple[float, float] | None = None
    stops: tuple[float, ...] = ()
    typed: bool = False
    minor: bool = False
    short: str = ""
    fraction: bool = False
    phrase: str | None = None

    @property
    def is_several(self) -> bool:
        """Whether its value is several of its choices."""
        return isinstance(self.default, tuple)

    @property
    def is_text(self) -> bool:
        """Whether its value is a text that people write themselves."""
        return isinstance(self.default, str) and not self.has_choices

    @property
    def has_choices(self) -> bool:
        """Whether its values are names to choose from."""
        return isinstance(self.choices, Catalogue) or bool(self.choices)

    @property
    def is_whole(self) -> bool:
        """Whether its value is a whole number."""
        return isinstance(self.default, int) if self.whole is None else self.whole

    @property
    def titles(self) -> dict[str, str]:
        """What people call each of its choices."""
        if isinstance(self.choices, tuple):
            return {name: name for name in self.choices}
        if isinstance(self.choices, Catalogue):
            return {name: choice.title for name, choice in self.choices.items()}
        return dict(self.choices)

    @property
    def key(self) -> str:
        """What it is called in a link."""
        return self.short or self.name

    @property
    def range_in_words(self) -> str:
        """What it may be, e.g. ``from 1 to 500, a whole number``."""
        if self.has_choices:
            words = f"one of {', '.join(self.titles)}"
            return f"{words}, or several with 'and' between" if self.is_several else words
        if self.is_text:
            return "a text"
        if self.is_whole:
            words = f"from {int(self.low):,} to {int(self.high):,}, a whole number"
        else:
            words = f"from {self.low:g} to {self.high:g}"
        return f"{words}, or {_NOTHING[0]}" if self.off else words

    def counts(self, values: Mapping[str, Value]) -> bool:
        """Return whether it decides anything beside these values of the other options."""
        if self.when is None or self.when[0] not in values:
            return True
        other = values[self.when[0]]
        return self.when[1] in other if isinstance(other, tuple) else other == self.when[1]

    def settle(self, value: object) -> Value:
        """Return a value as the method takes it.

        Raises:
            ValueError: it is of another kind, or out of range.
        """
        if value is None and (self.off or self.optional):
            return None
        if self.is_several:
            given = (value,) if isinstance(value, str) else tuple(value) if isinstance(value, list | tuple) else ()
            if not given or len(set(given)) != len(given) or not set(given) <= set(self.titles):
                raise self._refusal(value)
            return tuple(name for name in self.titles if name in given)
        if self.has_choices or isinstance(self.default, str):
            if not isinstance(value, str) or (self.has_choices and value not in self.titles):
                raise self._refusal(value)
            return value
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise self._refusal(value)
        if not self.low <= value <= self.high or (self.is_whole and value != int(value)):  # NaN is in no range
            raise self._refusal(value)
        return int(value) if self.is_whole else float(value)

    def _refusal(self, value: object) -> ValueError:
        return ValueError(f"{self.name} must be {self.range_in_words}, not {value!r}")

    def read(self, text: str) -> Value:
        """Return the value that a person or a link has written.

        Raises:
            ValueError: it cannot be read, or is out of range.
        """
        text = text.strip()
        if self.off and text.lower() in (*_NOTHING, self.off):
            return None
        if self.is_several:
            return self.settle(tuple(self.titles) if text == "both" else text.replace("+", " and ").split(" and "))
        if self.has_choices or isinstance(self.default, str):
            return self.settle(text)
        try:
            number = float(Fraction(text)) if "/" in text else int(text) if text.isdigit() else float(text)
        except (ValueError, ZeroDivisionError):
            raise self._refusal(text) from None
        return self.settle(number)

    def write(self, value: Value) -> str:
        """Return a value as a person would write it, and :meth:`read` reads it."""
        if value is None:
            return _NOTHING[1] if self.off else _NOTHING[0]
        if isinstance(value, tuple):
            return "both" if len(value) == len(self.titles) == 2 else "+".join(value)
        if isinstance(value, str) or self.is_whole:
            return str(value)
        if self.fraction and value and abs(1 / value - round(1 / value)) < 1e-9:
            return f"1/{round(1 / value)}"
        return f"{value:g}" if float(f"{value:g}") == value else repr(value)

    def in_words(self, value: Value) -> str:
        """Return a value with what it is, as descriptions say it; empty where they leave it out."""
        if self.phrase == "" and value == self.default:
            return ""
        if value is None:
            return self.off
        if self.phrase:
            s, es = ("", "") if value == 1 else ("s", "es")
            return self.phrase.format(value=self.write(value), s=s, es=es)
        return f"{self.title.lower()} {self.write(value)}" if value != "" else ""


def steps(default: int, help: str = "Into how many moves the path is cut.", **more: object) -> Option:
    """Return the option of a path's number of moves."""
    option = Option("steps", "Steps", help, default, 1, 10_000, slider=(2, 200), whole=True, phrase="{value} step{s}")
    return replace(option, **more)  # type: ignore[arg-type]


def rule(default: str) -> tuple[Option, Option]:
    """Return the options of how a path's moves are added up."""
    return (
        Option(
            "accumulation", "Adding up", "How the moves become a map.", default, choices=RULES, short="rule",
            phrase="{value} rule",
        ),
        Option(
            "gauss_nodes", "Gradients a move",
            "Nodes of the Gauss-Legendre quadrature inside each move; the cost multiplies by about this number.", 16, 1,
            256, slider=(2, 32), when=("accumulation", "gauss"), short="nodes", phrase="{value} nodes a move",
        ),
    )  # fmt: skip


def baseline(name: str, title: str, help: str, default: str, **more: object) -> Option:
    """Return an option that names a baseline."""
    option = Option(name, title, help, default, choices=BASELINES, phrase="")
    return replace(option, **more)  # type: ignore[arg-type]


def fill(default: str = "zero") -> Option:
    """Return the option that says what stands in for a hidden pixel."""
    return baseline("fill", "Hidden pixels become", "What stands where the image is hidden.", default, phrase=None)


COPIES = (
    Option(
        "copies", "Copies", "How many copies of the photo, each with a little noise, are explained. The map is the "
        "mean of theirs, and a second map says how far they agree. The cost multiplies.", 1, 1, 1000,
        slider=(1, 50), whole=True, minor=True, phrase="",
    ),
    Option(
        "copy_noise", "Noise of the copies",
        "Standard deviation of the noise on each copy, in the network's units: 0.02 is one to three grey levels.",
        0.02, 1e-4, 10.0, 0.01, slider=(0.01, 0.2), minor=True, short="jitter", phrase="",
    ),
    Option(
        "copy_shift", "Shift of the copies", "Most pixels by which a copy is moved; its map is moved back.", 0, 0,
        1000, slider=(0, 8), whole=True, minor=True, phrase="",
    ),
    Option(
        "copies_at_once", "Copies at once", "How many copies are explained together before the map of a path "
        "is shown anew. With 1 it is seen to settle, and takes longer; by itself as many as images at once allow.",
        None, 1, 1000, stops=(1, 2, 4, 8, 16), whole=True, off="as many as fit", minor=True, phrase="",
    ),
)  # fmt: skip
"""Of how many copies of the photo the map is the mean, which every method can be asked."""


DIRECTIONS = {"deletion": "Deletion", "insertion": "Insertion"}

SEARCH: tuple[Option, ...] = (
    steps(
        14, "Into how many moves the pixels are shared out. The paper takes 14 (3,584 pixels a move on photos of "
        "224 x 224).", optional=True,
    ),
    Option(
        "momentum", "Momentum",
        "How much of the last direction is kept. 0 is SAMP, the paper's SAMP++ keeps 0.5; more is steadier.", 0.5, 0.0,
        0.999, 0.05, slider=(0.0, 0.95), phrase="momentum {value}",
    ),
    Option(
        "ic_tolerance", "IC tolerance",
        "The infinitesimal constraint: the longest move, as a share of the whole way. Shorter moves predict the "
        "score's change better and cost more. The paper's SAMP++ takes 1/50.", 0.02, 1e-4, 1.0, off="no IC",
        stops=(1 / 5, 1 / 10, 1 / 20, 1 / 40, 1 / 50, 1 / 100, 1 / 200), short="ic", fraction=True, phrase="IC {value}",
    ),
    Option(
        "pixels_per_step", "Pixels a step", "How many pixels move at once, instead of a number of steps.", None, 1,
        10**8, whole=True, optional=True, instead_of="steps", typed=True, minor=True, short="pixels",
        phrase="",
    ),
    Option(
        "directions", "Directions",
        "Deletion walks from the photo to a blank image and lowers the score; insertion walks from a blurred photo to "
        "the photo and raises it. The map is the sum of both.", tuple(DIRECTIONS), choices=DIRECTIONS, minor=True,
        short="ways", phrase="",
    ),
    baseline(
        "deletion_baseline", "Deletion ends at", "The blank image that deletion walks to.", "zero",
        when=("directions", "deletion"), minor=True, short="end",
    ),
    baseline(
        "insertion_baseline", "Insertion starts at", "The image without content that insertion starts from.", "blur",
        when=("directions", "insertion"), minor=True, short="start",
    ),
    Option(
        "tie_band", "Tie band",
        "Also move pixels whose promise is within this of the last one's; 1e-6 reproduces the authors' selection.", 0.0,
        0.0, 1e9, 1e-6, typed=True, minor=True, phrase="",
    ),
    Option(
        "max_steps", "Most moves", "Refuse or stop a search that needs more moves than this.", 2000, 1, 10**6,
        typed=True, minor=True, phrase="",
    ),
)  # fmt: skip
"""What all searches share; rules are added by :func:`~samp_core.methods.declaration.path_method`."""

SHARED: tuple[Option, ...] = (
    Option("score", "Explained score", "What of the class is explained.", "logit", choices=SCORES),
    Option("target", "Class", "Number of the explained class.", None, 0, 10**9, whole=True, off="first choice"),
    Option("contrast", "Rather than", "Explain the target rather than this class.", None, 0, 10**9, whole=True,
           off="no class"),
    Option("seed", "Seed", "Seed of everything random.", 0, 0, 2**63 - 1, typed=True),
    Option(
        "batch_size", "Images at once", "Most images sent through the network at once; bounds the memory, and changes "
        "how the network rounds.", 16, 1, 4096,
    ),
)  # fmt: skip
"""What all methods share."""


def settle(
    title: str, options: tuple[Option, ...], given: Mapping[str, object], said: Callable[[Option], str]
) -> dict[str, Value]:
    """Return all values as a method takes them: one function for every method and for what all share.

    Args:
        title: whose options they are.
        options: the options.
        given: a value for each.
        said: how to name an option that is missing, with its published value.

    Raises:
        ValueError: an option is unknown or missing, its value of another kind or out of range, or it and the one that
            it stands instead of are both given, or neither.
    """
    names = [option.name for option in options]
    if unknown := sorted(set(given) - set(names)):
        raise ValueError(f"{title} has no option {', '.join(unknown)}. It has: {', '.join(names) or 'none'}.")
    if missing := [said(option) for option in options if option.name not in given]:
        raise ValueError(f"{title} needs every option, and these are missing: {', '.join(missing)}.")
    try:
        settled = {option.name: option.settle(given[option.name]) for option in options}
    except ValueError as error:
        raise ValueError(f"{title}: {error}.") from None
    for option in options:
        if option.instead_of and (settled[option.name] is None) == (settled[option.instead_of] is None):
            raise ValueError(f"{title} needs either {option.instead_of} or {option.name}: each follows from the other.")
    return settled


def is_same(a: Value, b: Value) -> bool:
    """Return whether two values of an option are one; numbers that a link may have rounded are."""
    if isinstance(a, float) and isinstance(b, float):
        return math.isclose(a, b, rel_tol=1e-9)
    return a == b

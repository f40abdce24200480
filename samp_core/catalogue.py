"""What there is to choose from: methods, accumulation rules, scores and baselines, each by name.

Every one of them is declared once, in a file of its own or beside its kin, and is read when somebody first asks. So a
catalogue can be handed around, and named in another declaration, without importing what it lists. Other packages add
methods and rules by entry points; what cannot be read there is named in :attr:`Catalogue.left_out` and nothing else
suffers.
"""

from __future__ import annotations

import difflib
import importlib
from collections.abc import Iterator, Mapping, Sequence
from importlib.metadata import entry_points
from threading import RLock
from typing import Any, Generic, Protocol, TypeVar, runtime_checkable


@runtime_checkable
class Named(Protocol):
    """A declaration, as far as a catalogue is concerned."""

    @property
    def name(self) -> str:
        """What command line and files call it."""
        ...


Declaration = TypeVar("Declaration", bound=Named)


class Catalogue(Mapping[str, Declaration], Generic[Declaration]):
    """Declarations by name, read on first use: this project's in the order they are shown, then those of others.

    Args:
        noun: what one is called, for sentences.
        attribute: name of the declaration, or of a tuple of them, in each module.
        modules: full names of the modules, in order.
        group: group of the entry points by which other packages add theirs; none if they cannot.
    """

    def __init__(self, noun: str, attribute: str, modules: Sequence[str], group: str | None = None) -> None:
        self.noun, self._attribute, self._modules, self._group = noun, attribute, tuple(modules), group
        self._lock = RLock()
        self._own: dict[str, Declaration] = {}
        self._others: dict[str, Declaration] = {}
        self._left_out: dict[str, str] = {}
        self._begun = False
        self._all: dict[str, Declaration] | None = None  # own and others, until one is added

    def _entries(self) -> dict[str, Declaration]:
        if (known := self._all) is not None:
            return known
        with self._lock:
            if self._all is None and not self._begun:
                self._read()
                self._all = self._own | self._others
            # A package that asks while it is read gets what there is so far; other threads wait for all.
            return self._own | self._others if self._all is None else self._all

    def _read(self) -> None:
        for module in self._modules:
            declared = getattr(importlib.import_module(module), self._attribute)
            for each in declared if isinstance(declared, tuple) else (declared,):
                self._own[each.name] = each
        self._begun = True
        for point in entry_points(group=self._group) if self._group else ():
            try:
                self._add(point.load())
            except Exception as error:  # whatever another package does, the rest has to work
                reason = str(error).strip() or "it gives no reason"
                self._left_out[point.name] = f"{type(error).__name__}: {reason}"

    @property
    def kind(self) -> type[Any]:
        """What its declarations are."""
        self._entries()
        return type(next(iter(self._own.values())))

    def _add(self, declaration: Any) -> None:
        if not isinstance(declaration, self.kind):
            raise TypeError(
                f"This is no {self.noun}: a {self.kind.__name__} is needed, not a {type(declaration).__name__}."
            )
        if declaration.name in self._own:
            raise ValueError(f"There is a {self.noun} {declaration.name!r} already. Choose another name.")
        self._others[declaration.name] = declaration

    @property
    def left_out(self) -> Mapping[str, str]:
        """Entry points of installed packages that could not be used, by name, with the reason."""
        self._entries()
        return dict(self._left_out)

    def register(self, declaration: Any) -> None:
        """Add a declaration; one that was added under the same name before is replaced.

        Raises:
            TypeError: it is no declaration of this kind.
            ValueError: this project has one of this name.
        """
        with self._lock:
            self._entries()
            self._add(declaration)
            self._all = self._own | self._others

    def unregister(self, name: str) -> None:
        """Take a declaration away that was added by :meth:`register`; none of this project's."""
        with self._lock:
            self._entries()
            self._others.pop(name, None)
            self._all = self._own | self._others

    def require(self, name: str) -> Declaration:
        """Return a declaration by name.

        Raises:
            ValueError: there is none; the message names the nearest.
        """
        entries = self._entries()
        if name not in entries:
            near = difflib.get_close_matches(str(name), entries, 1)
            guess = f"Did you mean {near[0]!r}? " if near else ""
            raise ValueError(f"There is no {self.noun} {name!r}. {guess}Choose one of: {', '.join(entries)}.")
        return entries[name]

    def __getitem__(self, name: str) -> Declaration:
        return self._entries()[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._entries())

    def __len__(self) -> int:
        return len(self._entries())


def left_out_in_words(*catalogues: Catalogue[Any]) -> str:
    """Say which declarations of installed packages cannot be used, and why, a line each; empty if all can."""
    found = (entry for catalogue in catalogues for entry in catalogue.left_out.items())
    return "\n".join(f"Left out: {name} ({why})" for name, why in found)


def _files(package: str, *names: str) -> tuple[str, ...]:
    return tuple(f"samp_core.{package}.{name}" for name in names)


METHODS: Catalogue[Any] = Catalogue(
    "method",
    "METHOD",
    _files(
        "methods",
        *(
            "samp",
            "samp_plus_plus",
            "samp_isotonic",
            "samp_instant",
            "samp_steady",
            "samp_clear",
            "samp_refined",
            "ig",
            "blur_ig",
            "guided_ig",
            "sig",
            "idg",
            "pwig",
        ),
        *("agi", "ig2", "mfaba"),
        *("gradient", "input_x_gradient", "smoothgrad", "gradient_shap", "reveal_ig"),
        *("guided_backprop", "deeplift", "lrp", "random", "edges"),
        *("cam", "grad_cam", "grad_cam_plus_plus", "layer_cam", "score_cam"),
        *("legrad", "rollout"),
        *("occlusion", "rise", "lime", "kernel_shap", "xrai"),
    ),
    group="samp_core.methods",
)
"""Attribution methods, as :class:`~samp_core.methods.Method`."""

RULES: Catalogue[Any] = Catalogue(
    "accumulation rule",
    "RULE",
    _files(
        "rules", "paper", "trapezoid", "gauss", "isotonic", "spread", "monotone", "half", "ordered", "falling", "idgi"
    ),
    group="samp_core.rules",
)
"""Accumulation rules, as :class:`~samp_core.rules.RuleDeclaration`."""

SCORES: Catalogue[Any] = Catalogue("score", "DECLARED", ("samp_core.scores",))
"""Scores of one class, as :class:`~samp_core.scores.ScoreDeclaration`."""

BASELINES: Catalogue[Any] = Catalogue("baseline", "DECLARED", ("samp_core.baselines",))
"""Baselines, as :class:`~samp_core.baselines.BaselineDeclaration`."""


def register(declaration: Any) -> None:
    """Add a method or an accumulation rule for this process; everything that lists them lists it from now on.

    Raises:
        TypeError: it is neither.
        ValueError: this project has one of this name.
    """
    for catalogue in (METHODS, RULES):
        if isinstance(declaration, catalogue.kind):
            catalogue.register(declaration)
            return
    raise TypeError(
        f"Only methods and accumulation rules can be registered, not a {type(declaration).__name__}: make one with "
        "samp_core.path_method, samp_core.direct_method or samp_core.rule."
    )

"""Lanes as text for the address of the page: ``samp++,momentum=0.8,ic=1/20``. Only what differs from the published."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from typing import Any

from samp_core.baselines import BASELINES
from samp_core.integrate import RULES
from samp_core.methods import METHODS, Option, Settings

WAYS = {"both": ("deletion", "insertion"), "deletion only": ("deletion",), "insertion only": ("insertion",)}
"""Directions of a search, as people choose them."""

STEPS = (2, 200)
MOMENTUM = (0.0, 0.95)
NODES = (2, 32)

_SHORT = {"both": "both", "deletion only": "deletion", "insertion only": "insertion"}


def to_text(settings: Settings) -> str:
    """Return a lane's settings as text."""
    published = METHODS[settings.method].defaults
    parts = [settings.method]
    for name, (field, write, _) in _FIELDS.items():
        value = getattr(settings, field)
        if value != getattr(published, field) and (text := write(value)):
            parts.append(f"{name}={text}")
    for option in METHODS[settings.method].options:
        value = settings.options.get(option.name, option.default)
        if value != option.default:
            parts.append(f"{option.name}={value}")
    return ",".join(parts)


def from_text(text: str) -> Settings | None:
    """Read what :func:`to_text` wrote; what makes no sense is left at its published value. None: no such method."""
    name, *parts = text.split(",")
    if name not in METHODS:
        return None
    settings = METHODS[name].defaults
    options = {option.name: option for option in METHODS[name].options}
    for part in parts:
        key, _, value = part.partition("=")
        try:
            if key in _FIELDS:
                field, _, read = _FIELDS[key]
                settings = replace(settings, **{field: read(value)})
            elif key in options:
                settings = replace(settings, options={**settings.options, key: _read_option(options[key], value)})
        except (ValueError, KeyError, ZeroDivisionError, OverflowError):
            continue
    return settings


def _within(kind: Callable[[str], Any], low: float, high: float) -> Callable[[str], Any]:
    def read(text: str) -> Any:
        value = kind(text)
        if not low <= value <= high:
            raise ValueError(text)
        return value

    return read


def _one_of(names: Any) -> Callable[[str], str]:
    def read(text: str) -> str:
        if text not in names:
            raise ValueError(text)
        return text

    return read


def _read_option(option: Option, text: str) -> float | str:
    if option.choices:
        return _one_of(option.choices)(text)
    if isinstance(option.default, str):
        return text[:80]
    value: float = _within(type(option.default), option.low, option.high)(text)
    return value


def _tolerance(text: str) -> float | None:
    if text == "off":
        return None
    value = float(Fraction(text))
    if not 0 < value <= 1 or not math.isfinite(value):
        raise ValueError(text)
    return value


_FIELDS: dict[str, tuple[str, Callable[[Any], str], Callable[[str], Any]]] = {
    "steps": ("steps", lambda v: "" if v is None else str(v), _within(int, *STEPS)),
    "momentum": ("momentum", lambda v: f"{v:g}", _within(float, *MOMENTUM)),
    "ic": ("ic_tolerance", lambda v: "off" if v is None else f"1/{round(1 / v)}", _tolerance),
    "rule": ("accumulation", str, _one_of(RULES)),
    "nodes": ("gauss_nodes", str, _within(int, *NODES)),
    "ways": (
        "directions",
        lambda v: next(_SHORT[name] for name, ways in WAYS.items() if ways == tuple(v)),
        lambda text: WAYS[next(name for name, short in _SHORT.items() if short == _one_of(_SHORT.values())(text))],
    ),
    "end": ("deletion_baseline", str, _one_of(BASELINES)),
    "start": ("insertion_baseline", str, _one_of(BASELINES)),
}

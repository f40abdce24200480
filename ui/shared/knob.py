"""One knob for each declared option, the same on every page."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import streamlit as st

from samp_core.catalogue import Catalogue
from samp_core.methods import METHODS, Option, Settings, Value
from ui.shared.kept import Kept

OFF = 0.0  # a select slider takes None for "nothing chosen"


@dataclass(frozen=True)
class Face:
    """How an option is shown: a widget of Streamlit, and what its values are to that widget.

    Attributes:
        widget: the function.
        more: its arguments, but for label, key and default.
        default: makes a shown value the widget's own default.
        shown: from the option's value to what the widget shows.
        value: and back.
    """

    widget: Callable[..., Any]
    more: dict[str, Any]
    default: Callable[[Any], dict[str, Any]]
    shown: Callable[[Value], Any]
    value: Callable[[Any], Value]


def _same(value: Any) -> Any:
    return value


def face(option: Option, now: Value = None) -> Face:
    """Return how an option is shown, so that it can show the value that it has now, too.

    A slider is as long as most people need; a link, a file or code may hold a value beyond it, or between its stops.
    """
    help_text = option.help
    if option.is_several:
        names = ["both", *option.titles] if len(option.titles) == 2 else list(option.titles)
        words = {name: f"{name} only" for name in option.titles} | {"both": "both"}
        return Face(
            st.radio, {"options": names, "format_func": words.__getitem__, "help": help_text},
            lambda shown: {"index": names.index(shown)}, option.write, option.read,
        )  # fmt: skip
    if option.has_choices:
        names, titles = list(option.titles), option.titles
        if isinstance(option.choices, Catalogue):
            summaries = [f"*{c.title}*: {c.summary}." for c in option.choices.values() if hasattr(c, "summary")]
            help_text = " ".join([help_text, *summaries])
        return Face(
            st.selectbox, {"options": names, "format_func": titles.__getitem__, "help": help_text},
            lambda shown: {"index": names.index(shown) if shown in names else 0}, _same, _same,
        )  # fmt: skip
    if option.is_text:
        return Face(st.text_input, {"max_chars": 80, "help": help_text}, lambda shown: {"value": shown}, _same, _same)
    if option.stops:
        stops = list(option.stops)
        if isinstance(now, int | float) and now not in stops:
            stops = sorted([*stops, now], reverse=stops[0] > stops[-1])
        if option.off:
            stops.insert(0, OFF)
        return Face(
            st.select_slider,
            {"options": stops, "format_func": lambda v: option.write(v) if v else option.off, "help": help_text},
            lambda shown: {"value": shown},
            lambda value: value or OFF,
            lambda shown: shown or None,
        )
    kind: Callable[[Any], Any] = int if option.is_whole else float
    if option.typed or option.default is None:  # no place on a slider is nothing at all
        return Face(
            st.number_input,
            {"min_value": kind(option.low), "max_value": kind(min(option.high, 2**53 - 1)), "step": kind(option.step),
             "format": "%d" if option.is_whole else "%.7g", "help": help_text,
             "placeholder": f"by {option.instead_of}" if option.instead_of else option.off or None},
            lambda shown: {"value": shown}, lambda value: None if value is None else kind(value), _same,
        )  # fmt: skip
    low, high = option.slider or (option.low, option.high)
    if isinstance(now, int | float):
        low, high = min(low, now), max(high, now)
    return Face(
        st.slider,
        {"min_value": kind(low), "max_value": kind(high), "step": kind(option.step), "help": help_text},
        lambda shown: {"value": shown},
        lambda value: kind(value if isinstance(value, int | float) else option.default),
        lambda shown: None if shown is None else kind(round(shown, 10)),
    )


def knob(option: Option, value: Value, key: str, **more: Any) -> None:
    """Show an option's widget with this value as its default."""
    looks = face(option, value)
    looks.widget(option.title, key=key, **looks.default(looks.shown(value)), **looks.more, **more)


def said(option: Option, value: Value, after: Any) -> Value:
    """Return what an option's widget says that began with this value and shows ``after`` now."""
    looks = face(option, value)
    return value if after == looks.shown(value) else looks.value(after)


@dataclass(frozen=True)
class KeptOption(Kept[Value]):
    """An option whose value lasts, see :mod:`ui.shared.kept`."""

    option: Option

    def _read(self, words: str) -> Value:
        return self.option.read(words)

    def _write(self, value: Value) -> str:
        return self.option.write(value)

    def knob(self, key: str, **more: Any) -> Value:
        """Show its widget."""
        looks = face(self.option, self.value())
        return self._show(
            looks.widget, self.option.title, key, looks.default, shown=looks.shown, value=looks.value,
            **looks.more, **more,
        )  # fmt: skip


def changes(wanted: Iterable[Settings]) -> str:
    """Say in which settings a choice differs from the published ones.

    Args:
        wanted: settings of one method or more; the explained score is no part of the comparison.
    """
    found = []
    for settings in wanted:
        method = METHODS[settings.method]
        parts = [
            f"{option.title[0].lower() if option.title[1:2].islower() else option.title[0]}{option.title[1:]} "
            f"{_said(option, value)}, not {_said(option, option.default)}"
            for option in method.options
            if (value := settings.options.get(option.name, option.default)) != option.default
        ]
        if settings.batch_size != method.defaults.batch_size:
            parts.append(f"images at once {settings.batch_size}, not {method.defaults.batch_size}")
        if parts:
            found.append(f"{method.title} ({'; '.join(parts)})")
    return f"Not as published: {', '.join(found)}." if found else "All settings as published."


def _said(option: Option, value: Value) -> str:
    if option.is_text:
        text = str(value).replace("`", " ")
        return f"`{text}`" if value else "empty"
    return option.write(value).replace("_", " ")

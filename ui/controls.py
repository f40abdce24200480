"""The knobs of a run, with what they will cost."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import streamlit as st

from samp_core.integrate import RULES
from samp_core.methods import METHODS, Settings
from ui import kept

OFF = 0.0  # a select slider takes None for "nothing chosen"
TOLERANCES = [OFF, 1 / 5, 1 / 10, 1 / 20, 1 / 40, 1 / 50, 1 / 100, 1 / 200]


def tolerance_words(value: float) -> str:
    """Return a tolerance as the paper writes it."""
    return "off" if value == OFF else f"1/{round(1 / value)}"


def rule_choice(name: str, default: str) -> kept.Choice[str]:
    """Return the choice of an accumulation rule."""
    return kept.Choice(name, default, list(RULES))


def choose_rule(rule: kept.Choice[str], key: str, **more: str) -> str:
    """Show the choice of an accumulation rule by short names, and what the chosen one does beneath."""
    chosen = rule.selectbox("Adding up", key=key, format_func=lambda r: RULES[r].split(":")[0], **more)
    st.caption(RULES[chosen])
    return chosen


_ASKED = {"score", "target", "contrast", "seed"}  # what is explained, and not how


def changes(wanted: Sequence[Settings]) -> str:
    """Say in which settings a choice differs from the published ones.

    Args:
        wanted: settings of one method or more; the explained score is no part of the comparison.
    """
    found = []
    for settings in wanted:
        method = METHODS[settings.method]
        now, published = flat(settings), flat(method.defaults)
        parts = [
            f"{name.replace('_', ' ')} {_said(name, value)}, not {_said(name, published[name])}"
            for name, value in now.items()
            if value != published[name]
        ]
        if parts:
            found.append(f"{method.title} ({'; '.join(parts)})")
    return f"Not as published: {', '.join(found)}." if found else "All settings as published."


def flat(settings: Settings) -> dict[str, Any]:
    """Return everything that decides how a map is made, one level deep."""
    values = settings.to_dict()
    return {k: v for k, v in (values | values.pop("options")).items() if k not in _ASKED}


def _said(name: str, value: Any) -> str:
    if name == "ic_tolerance":
        return tolerance_words(value or OFF)
    if isinstance(value, str):
        return f"`{value.replace('`', ' ')}`" if value else "empty"
    return " and ".join(value) if isinstance(value, list) else f"{value:g}"

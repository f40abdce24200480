"""The knobs of a run, with what they will cost."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import streamlit as st

from samp_core.baselines import BASELINES
from samp_core.integrate import RULES
from samp_core.methods import METHODS, Settings, make_method
from ui import kept, state
from ui.sidebar import Question

OFF = 0.0  # a select slider takes None for "nothing chosen"
TOLERANCES = [OFF, 1 / 5, 1 / 10, 1 / 20, 1 / 40, 1 / 50, 1 / 100, 1 / 200]
# The methods that these knobs are for; Compare has all.
SHORT = {"samp": "SAMP", "samp++": "SAMP++", "samp-isotonic": "Isotonic", "ig": "IG"}
WAYS = {
    "both": ("deletion", "insertion"),
    "deletion only": ("deletion",),
    "insertion only": ("insertion",),
}
_METHOD = kept.Choice("method", "samp++", list(SHORT))


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


def _knobs(name: str) -> dict[str, Any]:
    """Return the knobs of a method, by the setting that they turn, with its published values as defaults."""
    method = METHODS[name]
    published = method.defaults
    ways = next(way for way, directions in WAYS.items() if directions == published.directions)
    return {
        "steps": kept.Number("steps", published.steps or 14, 4, 112 if method.is_search else 200),
        "momentum": kept.Number("momentum", published.momentum, 0.0, 0.95, 0.05),
        "ic_tolerance": kept.Choice("tolerance", published.ic_tolerance or OFF, TOLERANCES, tolerance_words),
        "ways": kept.Choice("directions", ways, list(WAYS), lambda way: way.split()[0]),
        "deletion_baseline": kept.Choice("end", published.deletion_baseline, list(BASELINES)),
        "insertion_baseline": kept.Choice("start", published.insertion_baseline, list(BASELINES)),
        "accumulation": rule_choice("adding-up", published.accumulation),
        "gauss_nodes": kept.Number("nodes", published.gauss_nodes, 2, 32),
    }


def controls(question: Question) -> Settings:
    """Show the knobs and return the settings they stand for."""
    name = _METHOD.segments(
        "Method", key="method", format_func=SHORT.__getitem__, wrap=True,
        resets=[knob.name for knob in _knobs(_METHOD.default).values()],
    )  # fmt: skip
    method, knobs = METHODS[name], _knobs(name)
    st.caption(method.summary)
    height, width = question.classifier.preprocessing.crop
    momentum, tolerance = 0.0, OFF
    if method.is_search:
        steps = knobs["steps"].slider(
            "Steps", key="knob-steps",
            help="Into how many moves the pixels are shared out. Fewer pixels a move follow the network more closely "
            "and cost more. The paper takes 14 (3,584 pixels a move on photos of 224 x 224).",
        )  # fmt: skip
        st.caption(f"{math.ceil(height * width / steps):,} pixels move at a time")
        momentum = knobs["momentum"].slider(
            "Momentum",
            key="knob-momentum",
            help="How much of the last direction is kept. 0 is SAMP, the paper's SAMP++ keeps 0.5; more is steadier.",
        )
        tolerance = knobs["ic_tolerance"].select_slider(
            "IC tolerance", key="knob-ic_tolerance", format_func=tolerance_words,
            help="The infinitesimal constraint: the longest move, as a share of the whole way. Shorter moves predict "
            "the score's change better and cost more. The paper's SAMP++ takes 1/50.",
        )  # fmt: skip
    else:
        steps = knobs["steps"].slider(
            "Steps", key="knob-steps", help="Into how many equal moves the straight line is cut."
        )
    rule = choose_rule(
        knobs["accumulation"], key="knob-accumulation",
        help="How the moves become a map. The first three approximate the line integral of the gradient, better and "
        "dearer in this order. Isotonic deals out the score changes that were measured: its map always adds up, but it "
        "is no line integral.",
    )  # fmt: skip
    nodes = knobs["gauss_nodes"].default
    if rule == "gauss":
        nodes = knobs["gauss_nodes"].slider(
            "Gradients inside each move",
            key="knob-gauss_nodes",
            help="Nodes of the Gauss-Legendre quadrature; the cost multiplies by about this number.",
        )
    ways, blank, start = _ends(knobs, method.is_search)
    settings = replace(
        method.defaults,
        steps=steps,
        momentum=momentum,
        ic_tolerance=tolerance or None,
        directions=WAYS[ways] if method.is_search else ("insertion",),
        deletion_baseline=blank,
        insertion_baseline=start,
        accumulation=rule,
        gauss_nodes=nodes,
        score=question.score,
        target=question.target,
        contrast=question.contrast,
    )
    st.caption(changes([settings]))
    return settings


def _ends(knobs: dict[str, Any], is_search: bool) -> tuple[str, str, str]:
    ways, blank = "insertion only", knobs["deletion_baseline"].default
    with st.expander("Where the paths start and end"):
        if is_search:
            ways = knobs["ways"].radio(
                "Directions",
                key="knob-ways",
                help="Deletion walks from the photo to a blank image and lowers the score; insertion walks from a "
                "blurred photo to the photo and raises it. The map is the sum of both.",
            )
            if ways != "insertion only":
                blank = knobs["deletion_baseline"].selectbox(
                    "Deletion ends at", key="knob-deletion_baseline", format_func=BASELINES.__getitem__
                )
        start = knobs["insertion_baseline"].value()
        if ways != "deletion only" or not is_search:
            start = knobs["insertion_baseline"].selectbox(
                "Insertion starts at" if is_search else "The line starts at", key="knob-insertion_baseline",
                format_func=BASELINES.__getitem__,
            )  # fmt: skip
    return ways, blank, start


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


def estimate(question: Question, settings: Settings) -> str:
    """Say what a run will cost, before it begins."""
    expected = make_method(question.classifier, settings).estimate(*question.classifier.preprocessing.crop)
    seconds = expected.gradients * state.seconds_per_gradient(question.network)
    return (
        f"about **{expected.gradients:,}** gradient evaluations, about **{seconds_in_words(seconds)}** "
        f":gray[({expected.steps} steps, at most {expected.step_bound})]"
    )


def seconds_in_words(value: float) -> str:
    """Return a duration as people say it."""
    if value < 1:
        return "a second"
    return f"{value:.0f} s" if value < 90 else f"{value / 60:.1f} min"


def start_with(method: str, **settings: float | str) -> None:
    """Choose a method for a page that leads to Explain.

    Args:
        method: one of ``SHORT``, with its published settings.
        settings: values that are to differ, by the names of :class:`Settings`; a tolerance is taken to the nearest on
            offer.
    """
    _METHOD.put(method)
    knobs = _knobs(method)
    for knob in knobs.values():
        kept.put(knob.name, None)
    if "ic_tolerance" in settings:
        wanted = float(settings["ic_tolerance"])
        settings["ic_tolerance"] = min(TOLERANCES, key=lambda offered: abs(offered - wanted))
    for name, value in settings.items():
        knobs[name].put(value)

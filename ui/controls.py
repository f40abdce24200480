"""The knobs of a run, with what they will cost."""

from __future__ import annotations

import math
from dataclasses import replace

import streamlit as st

from samp_core.baselines import BASELINES
from samp_core.integrate import RULES
from samp_core.methods import METHODS, Settings, make_method
from ui import state
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
KNOBS = ("steps", "momentum", "ic_tolerance", "ways", "deletion_baseline", "insertion_baseline", "accumulation")


def _apply_defaults() -> None:
    """Set every knob to the chosen method's published settings."""
    defaults = METHODS[st.session_state["method"]].defaults
    ways = next(name for name, directions in WAYS.items() if directions == defaults.directions)
    values = {k: getattr(defaults, k) for k in KNOBS if k != "ways"}
    values |= {"ways": ways, "ic_tolerance": defaults.ic_tolerance or OFF}
    for knob, value in values.items():
        st.session_state[f"knob-{knob}"] = value


def tolerance_words(value: float) -> str:
    """Return a tolerance as the paper writes it."""
    return "off" if value == OFF else f"1/{round(1 / value)}"


def controls(question: Question) -> Settings:
    """Show the knobs and return the settings they stand for."""
    st.session_state.setdefault("method", "samp++")
    if "knob-steps" not in st.session_state:
        _apply_defaults()
    name = st.segmented_control(
        "Method", list(SHORT), format_func=SHORT.__getitem__, key="method", required=True,
        on_change=_apply_defaults, persist_state="session", wrap=True,
    )  # fmt: skip
    method = METHODS[str(name)]
    st.caption(method.summary)
    height, width = question.classifier.preprocessing.crop
    if method.is_search:
        steps = st.slider(
            "Steps", 4, 112, key="knob-steps", persist_state="session",
            help="Into how many moves the pixels are shared out. Fewer pixels a move follow the network more closely "
            "and cost more. The paper takes 14 (3,584 pixels a move on photos of 224 x 224).",
        )  # fmt: skip
        st.caption(f"{math.ceil(height * width / steps):,} pixels move at a time")
        momentum = st.slider(
            "Momentum", 0.0, 0.95, step=0.05, key="knob-momentum", persist_state="session",
            help="How much of the last direction is kept. 0 is SAMP, the paper's SAMP++ keeps 0.5; more is steadier.",
        )  # fmt: skip
        tolerance = st.select_slider(
            "IC tolerance", TOLERANCES, format_func=tolerance_words, key="knob-ic_tolerance", persist_state="session",
            help="The infinitesimal constraint: the longest move, as a share of the whole way. Shorter moves predict "
            "the score's change better and cost more. The paper's SAMP++ takes 1/50.",
        )  # fmt: skip
    else:
        steps = st.slider(
            "Steps", 4, 200, key="knob-steps", persist_state="session",
            help="Into how many equal moves the straight line is cut.",
        )  # fmt: skip
        momentum, tolerance = 0.0, OFF
    rule = st.selectbox(
        "Adding up", list(RULES), format_func=RULES.__getitem__, key="knob-accumulation", persist_state="session",
        help="How the moves become a map. The first three approximate the line integral of the gradient, better and "
        "dearer in this order. Isotonic deals out the score changes that were measured: its map always adds up, but it "
        "is no line integral.",
    )  # fmt: skip
    nodes = 16
    if rule == "gauss":
        st.session_state.setdefault("knob-gauss_nodes", nodes)
        nodes = st.slider(
            "Gradients inside each move", 2, 32, key="knob-gauss_nodes", persist_state="session",
            help="Nodes of the Gauss-Legendre quadrature; the cost multiplies by about this number.",
        )  # fmt: skip
    ways, blank, start = _ends(method.is_search)
    return replace(
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


def _ends(is_search: bool) -> tuple[str, str, str]:
    ways, blank = "insertion only", "zero"
    with st.expander("Where the paths start and end"):
        if is_search:
            ways = st.radio(
                "Directions", list(WAYS), key="knob-ways", persist_state="session",
                help="Deletion walks from the photo to a blank image and lowers the score; insertion walks from a "
                "blurred photo to the photo and raises it. The map is the sum of both.",
            )  # fmt: skip
            if ways != "insertion only":
                blank = st.selectbox(
                    "Deletion ends at", list(BASELINES), format_func=BASELINES.__getitem__,
                    key="knob-deletion_baseline", persist_state="session",
                )  # fmt: skip
        start = st.session_state["knob-insertion_baseline"]
        if ways != "deletion only" or not is_search:
            start = st.selectbox(
                "Insertion starts at" if is_search else "The line starts at", list(BASELINES),
                format_func=BASELINES.__getitem__, key="knob-insertion_baseline", persist_state="session",
            )  # fmt: skip
    return str(ways), str(blank), str(start)


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


def start_with(method: str, **knobs: float | str) -> None:
    """Choose a method for a page that leads to Explain.

    Args:
        method: one of ``SHORT``, with its published settings.
        knobs: values of knobs by name (``KNOBS``) that are to differ; a tolerance is taken to the nearest on offer.
    """
    st.session_state["method"] = method
    _apply_defaults()
    if "ic_tolerance" in knobs:
        wanted = float(knobs["ic_tolerance"])
        knobs["ic_tolerance"] = min(TOLERANCES, key=lambda offered: abs(offered - wanted))
    for knob, value in knobs.items():
        st.session_state[f"knob-{knob}"] = value

"""Which methods to compare, each with its own settings."""

from __future__ import annotations

from dataclasses import replace

import streamlit as st

from samp_core.integrate import RULES
from samp_core.methods import METHODS, Method, Settings, make_method
from ui import state
from ui.controls import OFF, TOLERANCES, seconds_in_words, tolerance_words
from ui.sidebar import Question

_FAST = ("samp", "ig", "grad-cam", "edges")
_TABLE = (
    *("samp", "samp++", "samp-isotonic", "ig", "blur-ig", "guided-ig", "gradient-shap", "smoothgrad", "deeplift"),
    *("grad-cam", "grad-cam++", "layer-cam", "score-cam", "occlusion", "rise", "xrai", "random"),
)
MINE = "My choice"
BATCHES = (1, 2, 4, 8, 16, 32, 64)


def presets() -> dict[str, list[str]]:
    """Return the methods of each preset, of those that are registered."""
    return {
        "Path methods": [m.name for m in METHODS.values() if m.has_path],
        "Fast": [n for n in _FAST if n in METHODS],
        "The paper's table": [n for n in _TABLE if n in METHODS],
        "All": list(METHODS),
    }


def choice(question: Question) -> list[Settings]:
    """Show the presets, the picker and each method's settings; return the settings of the chosen methods."""
    st.session_state.setdefault("compare-preset", "Path methods")
    st.session_state.setdefault("compare-batch", 16)
    known = presets()
    preset = st.segmented_control(
        "Methods", [*known, MINE], key="compare-preset", required=True, persist_state="session", wrap=True,
        label_visibility="collapsed",
    )  # fmt: skip
    if preset == MINE:
        st.session_state.setdefault("compare-mine", known["Fast"])
        names = st.multiselect(
            "Which methods", list(METHODS), format_func=lambda n: METHODS[n].title, key="compare-mine",
            persist_state="session", label_visibility="collapsed", placeholder="Choose at least one method",
        )  # fmt: skip
    else:
        names = known[str(preset)]
    with st.popover("Settings of each method", width="content"):
        if not names:
            st.caption("No method is chosen.")
            return []
        name = st.selectbox(
            "Method", names, format_func=lambda n: METHODS[n].title, key="compare-which", persist_state="session"
        )
        _knobs(METHODS[name])
        st.divider()
        st.select_slider(
            "Images at once", BATCHES, key="compare-batch", persist_state="session",
            help="How many images are sent through the network together. Bounds the memory, changes no result.",
        )  # fmt: skip
    asked = {
        "score": question.score,
        "target": question.target,
        "contrast": question.contrast,
        "batch_size": st.session_state["compare-batch"],
    }
    return [replace(_settings(METHODS[n]), **asked) for n in names]


def _key(method: Method, knob: str) -> str:
    return f"compare-{method.name}-{knob}"


def _defaults(method: Method) -> dict[str, float | str]:
    values: dict[str, float | str] = {option.name: option.default for option in method.options}
    if not method.has_path:
        return values
    values |= {"steps": method.defaults.steps or 14, "accumulation": method.defaults.accumulation}
    if method.is_search:
        values |= {"momentum": method.defaults.momentum, "ic_tolerance": method.defaults.ic_tolerance or OFF}
    return values


def _reset(method: Method) -> None:
    for knob, value in _defaults(method).items():
        st.session_state[_key(method, knob)] = value


def _knobs(method: Method) -> None:
    """Show one method's settings; their values stay in the session."""
    st.caption(method.summary)
    if method.limits:
        st.caption(f"Limits: {method.limits}")
    for knob, value in _defaults(method).items():
        st.session_state.setdefault(_key(method, knob), value)
    keep = {"persist_state": "session"}
    if method.has_path:
        st.slider("Steps", 4, 200, key=_key(method, "steps"), **keep)
        if method.is_search:
            st.slider("Momentum", 0.0, 0.95, step=0.05, key=_key(method, "momentum"), **keep)
            st.select_slider(
                "IC tolerance", TOLERANCES, format_func=tolerance_words, key=_key(method, "ic_tolerance"), **keep
            )
        st.selectbox("Adding up", list(RULES), format_func=RULES.__getitem__, key=_key(method, "accumulation"), **keep)
    for option in method.options:
        key = _key(method, option.name)
        if option.choices:
            st.selectbox(option.title, option.choices, key=key, help=option.help, **keep)
        elif isinstance(option.default, str):
            st.text_input(option.title, key=key, help=option.help, **keep)
        else:
            kind = type(option.default)
            st.slider(
                option.title, kind(option.low), kind(option.high), step=kind(option.step), key=key, help=option.help,
                **keep,
            )  # fmt: skip
    if not _defaults(method):
        st.caption("It has no settings.")
    else:
        st.button("Reset to published values", on_click=_reset, args=(method,), key=_key(method, "reset"))


def _settings(method: Method) -> Settings:
    chosen = {knob: st.session_state.get(_key(method, knob), value) for knob, value in _defaults(method).items()}
    options = {option.name: chosen.pop(option.name) for option in method.options}
    if "ic_tolerance" in chosen:
        chosen["ic_tolerance"] = chosen["ic_tolerance"] or None
    return replace(method.defaults, options=options, **chosen)


def estimate(question: Question, wanted: list[Settings], explanations: int = 1, forwards: int = 58) -> str:
    """Say what explaining and measuring will cost, before it begins; without more said, both curves are measured."""
    count = sum(
        make_method(question.classifier, s).estimate(*question.classifier.preprocessing.crop).gradients for s in wanted
    )
    # A forward pass takes a little less than half a gradient evaluation.
    count = count * explanations + round(0.45 * forwards * len(wanted))
    return (
        f"about **{seconds_in_words(count * state.seconds_per_gradient(question.network))}** for {len(wanted)} methods"
    )

"""Which methods to compare, each with its own settings."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import streamlit as st

from samp_core.baselines import BASELINES
from samp_core.methods import METHODS, Method, Settings
from ui import kept, state
from ui.controls import OFF, TOLERANCES, changes, choose_rule, rule_choice, tolerance_words
from ui.cost import Work
from ui.sidebar import Question
from ui.words import seconds_in_words

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


_PRESETS = {"Path methods": "path", "Fast": "fast", "The paper's table": "paper", "All": "all"}
_BATCH = kept.Choice("batch", 16, BATCHES)


def _in_link(preset: str) -> str:
    """Return what a preset is called in a link; one's own choice is a list of methods."""
    if preset != MINE:
        return _PRESETS[preset]
    words = kept.text("methods")
    if words is None or not set(words.split()) <= set(METHODS):
        words = kept.text("mine")
    return " ".join(presets()["Fast"]) if words is None else words


def choice(question: Question) -> list[Settings]:
    """Show the presets, the picker and each method's settings; return the settings of the chosen methods."""
    known = presets()
    preset = kept.Choice("methods", "Path methods", [*known, MINE], _in_link).segments(
        "Methods", key="compare-preset", wrap=True, label_visibility="collapsed"
    )
    if preset == MINE:
        kept.put("mine", kept.text("methods"))  # to come back to after a look at a preset
        names = kept.Several("methods", None, list(METHODS)).multiselect(
            "Which methods", key="compare-mine", format_func=lambda n: METHODS[n].title, label_visibility="collapsed",
            placeholder="Choose at least one method",
        )  # fmt: skip
    else:
        names = known[preset]
    with st.popover("Settings of each method", width="content"):
        if not names:
            st.caption("No method is chosen.")
            return []
        name = st.selectbox(
            "Method", names, format_func=lambda n: METHODS[n].title, key="compare-which", persist_state="session"
        )
        _show(METHODS[name])
        st.divider()
        _BATCH.select_slider(
            "Images at once", key="compare-batch",
            help="How many images are sent through the network together: more take more memory. The number also "
            "changes how the network rounds, and a search can follow that to another map, so keep it for maps that are "
            "to be compared.",
        )  # fmt: skip
    asked = {
        "score": question.score,
        "target": question.target,
        "contrast": question.contrast,
        "batch_size": _BATCH.value(),
    }
    wanted = [replace(_settings(METHODS[n]), **asked) for n in names]
    st.caption(" ".join((changes(wanted), *starts(wanted))))
    return wanted


def _knobs(method: Method) -> dict[str, Any]:
    """Return what can be set of a method, by name, with its published values as defaults."""
    published = method.defaults
    knobs: dict[str, Any] = {}
    if method.has_path:
        knobs["steps"] = kept.Number(f"{method.name}.steps", published.steps or 14, 4, 200)
        if method.is_search:
            knobs["momentum"] = kept.Number(f"{method.name}.momentum", published.momentum, 0.0, 0.95, 0.05)
            knobs["ic_tolerance"] = kept.Choice(
                f"{method.name}.tolerance", published.ic_tolerance or OFF, TOLERANCES, tolerance_words
            )
        knobs["accumulation"] = rule_choice(f"{method.name}.adding-up", published.accumulation)
    for option in method.options:
        name = f"{method.name}.{option.name}"
        if option.choices:
            knobs[option.name] = kept.Choice(name, option.default, option.choices)
        elif isinstance(option.default, str):
            knobs[option.name] = kept.Text(name, option.default)
        else:
            knobs[option.name] = kept.Number(name, option.default, option.low, option.high, option.step)
    return knobs


def _reset(method: Method) -> None:
    for knob in _knobs(method).values():
        kept.put(knob.name, None)


def _show(method: Method) -> None:
    """Show one method's settings."""
    st.caption(method.summary)
    if method.limits:
        st.caption(f"Limits: {method.limits}")
    knobs = _knobs(method)
    options = {option.name: option for option in method.options}
    for name, knob in knobs.items():
        key = f"compare-{method.name}-{name}"
        if name in options:
            more = {"label": options[name].title, "help": options[name].help}
            if isinstance(knob, kept.Choice):
                knob.selectbox(key=key, **more)
            elif isinstance(knob, kept.Text):
                knob.text_input(key=key, **more)
            else:
                knob.slider(key=key, **more)
        elif name == "ic_tolerance":
            knob.select_slider("IC tolerance", key=key, format_func=tolerance_words)
        elif name == "accumulation":
            choose_rule(knob, key=key)
        else:
            knob.slider(name.capitalize(), key=key)
    if knobs:
        st.button("Reset to published values", on_click=_reset, args=(method,), key=f"compare-{method.name}-reset")
    else:
        st.caption("It has no settings.")


def _settings(method: Method) -> Settings:
    chosen = {name: knob.value() for name, knob in _knobs(method).items()}
    options = {option.name: chosen.pop(option.name) for option in method.options}
    if "ic_tolerance" in chosen:
        chosen["ic_tolerance"] = chosen["ic_tolerance"] or None
    return replace(method.defaults, options=options, **chosen)


def starts(wanted: list[Settings]) -> list[str]:
    """Say it where the paths of a choice start at different images."""
    places: dict[str, list[str]] = {}
    for settings in wanted:
        method = METHODS[settings.method]
        if method.has_path:
            place = BASELINES[settings.insertion_baseline] if method.has_baseline else "a first blur of its own"
            places.setdefault(place, []).append(method.title)
    if len(places) < 2:
        return []
    words = "; ".join(f"{', '.join(titles)}: {place}" for place, titles in places.items())
    return [
        f"As published, the insertion paths start at different images ({words}), so the maps differ by start as well "
        "as by path."
    ]


def estimate(question: Question, wanted: list[Settings], metrics: Sequence[str] | None = None) -> str:
    """Say how long explaining and measuring will take, before it begins; maps that are remembered cost nothing.

    Args:
        question: photo, network and score.
        wanted: the methods.
        metrics: what is measured; without it, both curves, and those that are remembered cost nothing either.
    """
    remembered = state.entries()
    expected = bound = 0.0
    there = 0
    for settings in wanted:
        entry = remembered.get(state.run_key(question.network, question.photo, settings))
        if entry is None or entry.deletion is None or metrics is not None:
            work = Work.of(question.classifier, settings, metrics, has_map=entry is not None)
            expected, bound = expected + work.map + work.rest, bound + work.map_bound + work.rest_bound
        there += entry is not None
    count = f"{len(wanted)} method{'s' * (len(wanted) != 1)}"
    memory = f", {there if there < len(wanted) else 'all'} of them remembered" if there else ""
    if not expected:
        return f"nothing to wait for: {count}{memory}"
    second = state.seconds_per_gradient(question.network)
    most = f", at most **{seconds_in_words(bound * second)}**" if bound > 1.1 * expected else ""
    return f"about **{seconds_in_words(expected * second)}**{most} for {count}{memory}"

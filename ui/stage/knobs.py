"""The knobs of the lane in hand. Letting one go changes that lane alone."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import streamlit as st

from samp_core.baselines import BASELINES
from samp_core.integrate import RULES
from samp_core.methods import METHODS, Option, Settings
from ui.controls import OFF, TOLERANCES, tolerance_words
from ui.sidebar import Question
from ui.stage.lanes import LIVE, MOST, STAYS_LIVE, Lane, Stage, cost
from ui.stage.link import MOMENTUM, NODES, STEPS, WAYS
from ui.words import plain, seconds_in_words

_ROW = 5  # knobs in a row on a wide screen
_EDGES = (("#4338ca", "#a5a2fa"), ("#0f766e", "#2dd4bf"), ("#be185d", "#f472b6"), ("#8a5a00", "#facc15"))
_STYLE = f"""<style>
  [class*="st-key-knobs-"] {{ border-left: 4px solid; border-radius: 4px; padding-left: 14px; gap: 0.5rem; }}
  {
    "".join(
        f".st-key-knobs-{k} {{ border-left-color: light-dark({a}, {b}) !important; }}"
        for k, (a, b) in enumerate(_EDGES)
    )
}
  .st-key-feed-place {{ position: absolute; height: 0; overflow: hidden; }}
  @media (max-width: 640px) {{
    [class*="st-key-knobs-"] [data-testid="stHorizontalBlock"] {{ flex-wrap: wrap; gap: 0.6rem 1rem; }}
    [class*="st-key-knobs-"] [data-testid="stColumn"] {{ min-width: calc(50% - 0.5rem); flex: 1 1 calc(50% - 0.5rem); }}
  }}
</style>"""


def knobs(stage: Stage, question: Question) -> None:
    """Show the knobs of the lane in hand, and change its settings to what they say."""
    lane = stage.in_hand
    st.html(_STYLE)
    with st.container(key=f"knobs-{lane.colour}"):
        _bar(stage, lane, question)


def _bar(stage: Stage, lane: Lane, question: Question) -> None:
    columns = st.columns(_ROW + 1, vertical_alignment="top")
    name = columns[0].selectbox(
        "Method", list(METHODS), index=list(METHODS).index(lane.settings.method), key=_key(lane, "method"),
        format_func=lambda n: METHODS[n].title, help=METHODS[lane.settings.method].summary,
    )  # fmt: skip
    if name != lane.settings.method:
        lane.settings, lane.live = METHODS[name].defaults, None
        lane.generation += 1
        st.rerun()  # another method has other knobs
    shown = _knobs_of(lane, question)
    values: dict[str, Any] = {}
    for column, knob in zip(columns[1:], shown[:_ROW], strict=False):
        with column:
            knob(values)
    rest = shown[_ROW:]
    method = METHODS[lane.settings.method]
    if rest or method.has_path:
        with st.container(horizontal=True, vertical_alignment="center", gap="small"):
            with st.popover("Start, end and more", width="content", key=_key(lane, "more")):
                for knob in rest:
                    knob(values)
                _ends(lane, values)
                if method.limits:
                    st.caption(f"Limits: {method.limits}")
                st.caption(f"Source: {method.citation}")
            _actions(stage, lane, question, values)
    else:
        with st.container(horizontal=True, vertical_alignment="center", gap="small"):
            _actions(stage, lane, question, values)


def _actions(stage: Stage, lane: Lane, question: Question, values: dict[str, Any]) -> None:
    before, lane.settings = lane.settings, _changed(lane.settings, values)
    if (
        "gauss" in (before.accumulation, lane.settings.accumulation)
        and before.accumulation != lane.settings.accumulation
    ):
        st.rerun()  # this rule has a knob of its own
    published = METHODS[lane.settings.method].defaults
    if st.button("Published settings", key=_key(lane, "reset"), type="tertiary", disabled=lane.settings == published):
        lane.settings, lane.live = published, None
        lane.generation += 1
        st.rerun()
    try:
        estimate, seconds = cost(lane, question)
    except ValueError as error:
        st.error(plain(error))
        return
    default = stage.is_live(lane, question)
    key = _key(lane, f"live-{default}")
    live = st.toggle(
        "Live", value=default, key=key, on_change=_choose_live, args=(lane, key),
        help="Letting a knob go restarts this lane at once. Off by itself where a run is expected to take longer than "
        f"{LIVE:g} seconds; where it was on, {STAYS_LIVE:g}.",
    )  # fmt: skip
    words = f"about **{estimate.gradients:,}** gradient evaluations, **{seconds_in_words(seconds)}**"
    if not stage.begun:
        words += ", for this lane"
    st.markdown(words, width="content")
    if not stage.begun:
        label, wanted = ("Run" if len(stage.lanes) == 1 else "Run all lanes"), {each.identity for each in stage.lanes}
    else:
        label, wanted = "Run", {lane.identity}
    waits = not stage.begun or not live or lane.run is None
    up_to_date = lane.run is not None and lane.run.key == lane.key(question)
    if waits and not up_to_date and st.button(label, type="primary", key="run"):
        stage.wanted |= wanted
    if len(stage.lanes) < MOST and st.button("Add beside it", key="add", help="Put another method on the stage."):
        taken = {each.settings.method for each in stage.lanes}
        stage.add(next((m.defaults for m in METHODS.values() if m.name not in taken), lane.settings))
        st.rerun()


def _choose_live(lane: Lane, key: str) -> None:
    lane.live = st.session_state.get(key, lane.live)


def _key(lane: Lane, knob: str) -> str:
    # What a lane is asked is kept in the lane; a widget is new for every lane, method and reset and begins with that.
    return f"{lane.identity}-{lane.generation}-{lane.settings.method}-{knob}"


def _knobs_of(lane: Lane, question: Question) -> list[Callable[[dict[str, Any]], None]]:
    """Return what draws each knob of a lane's method, most important first."""
    method, settings = METHODS[lane.settings.method], lane.settings
    found: list[Callable[[dict[str, Any]], None]] = []
    height, width = question.classifier.preprocessing.crop

    def steps(values: dict[str, Any]) -> None:
        least, most = STEPS
        count = settings.steps or math.ceil(height * width / (settings.pixels_per_step or height * width))
        values["steps"] = st.slider(
            "Steps", least, most, value=min(max(count, least), most), key=_key(lane, "steps"),
            help="Into how many moves the pixels are shared out. The paper takes 14 (3,584 pixels a move on photos of "
            "224 x 224)." if method.is_search else "Into how many moves the path is cut.",
        )  # fmt: skip

    def momentum(values: dict[str, Any]) -> None:
        values["momentum"] = st.slider(
            "Momentum", *MOMENTUM, value=settings.momentum, step=0.05, key=_key(lane, "momentum"),
            help="How much of the last direction is kept. 0 is SAMP, the paper's SAMP++ keeps 0.5; more is steadier.",
        )  # fmt: skip

    def tolerance(values: dict[str, Any]) -> None:
        now = min(TOLERANCES, key=lambda t: abs(t - (settings.ic_tolerance or OFF)))
        values["ic_tolerance"] = (
            st.select_slider(
                "IC tolerance", TOLERANCES, value=now, format_func=tolerance_words, key=_key(lane, "ic"),
                help="The infinitesimal constraint: the longest move, as a share of the whole way. Shorter moves "
                "predict the score's change better and cost more. The paper's SAMP++ takes 1/50.",
            )
            or None
        )  # fmt: skip

    def rule(values: dict[str, Any]) -> None:
        values["accumulation"] = st.selectbox(
            "Adding up", list(RULES), index=list(RULES).index(settings.accumulation), key=_key(lane, "rule"),
            format_func=lambda r: RULES[r].split(":")[0],
            help="How the moves become a map. " + " ".join(f"*{t.replace(': ', '*: ')}." for t in RULES.values()),
        )  # fmt: skip

    def nodes(values: dict[str, Any]) -> None:
        values["gauss_nodes"] = st.slider(
            "Gradients a move", *NODES, value=settings.gauss_nodes, key=_key(lane, "nodes"),
            help="Nodes of the Gauss-Legendre quadrature inside each move; the cost multiplies by about this number.",
        )  # fmt: skip

    if method.has_path:
        found.append(steps)
        if method.is_search:
            found += [momentum, tolerance]
        found.append(rule)
        if settings.accumulation == "gauss":
            found.append(nodes)
    found += [_option(lane, option) for option in method.options]
    return found


def _option(lane: Lane, option: Option) -> Callable[[dict[str, Any]], None]:
    def draw(values: dict[str, Any]) -> None:
        now, key = lane.settings.options.get(option.name, option.default), _key(lane, f"option-{option.name}")
        chosen: float | str | None
        if option.choices:
            at = option.choices.index(str(now)) if now in option.choices else 0
            chosen = st.selectbox(option.title, option.choices, index=at, key=key, help=option.help)
        elif isinstance(option.default, str):
            chosen = st.text_input(option.title, value=str(now), key=key, help=option.help)
        else:
            kind = type(option.default)
            chosen = st.slider(
                option.title, kind(option.low), kind(option.high), value=kind(now), step=kind(option.step), key=key,
                help=option.help,
            )  # fmt: skip
        values.setdefault("options", {})[option.name] = chosen

    return draw


def _ends(lane: Lane, values: dict[str, Any]) -> None:
    method, settings = METHODS[lane.settings.method], lane.settings
    names = list(BASELINES)
    if method.is_search:
        now = next(name for name, directions in WAYS.items() if directions == settings.directions)
        chosen = st.radio(
            "Directions", list(WAYS), index=list(WAYS).index(now), key=_key(lane, "ways"),
            help="Deletion walks from the photo to a blank image and lowers the score; insertion walks from a blurred "
            "photo to the photo and raises it. The map is the sum of both.",
        )  # fmt: skip
        values["directions"] = WAYS[chosen]
        values["deletion_baseline"] = st.selectbox(
            "Deletion ends at", names, index=names.index(settings.deletion_baseline), key=_key(lane, "end"),
            format_func=BASELINES.__getitem__, disabled=chosen == "insertion only",
        )  # fmt: skip
    if method.has_baseline:
        values["insertion_baseline"] = st.selectbox(
            "Insertion starts at" if method.is_search else "The path starts at", names,
            index=names.index(settings.insertion_baseline), key=_key(lane, "start"), format_func=BASELINES.__getitem__,
            disabled=method.is_search and values["directions"] == ("deletion",),
        )  # fmt: skip


def _changed(settings: Settings, values: dict[str, Any]) -> Settings:
    if "steps" in values and settings.pixels_per_step is not None:
        values["pixels_per_step"] = None
    return replace(settings, **values)

"""The page: which knobs, the maps of all their settings as they come, and what the settings give."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from samp_core.compare import Entry
from samp_core.methods import METHODS, Method, Settings
from samp_core.sweep import Axis, read_axis, settings_of, suggestion
from ui.shared import kept, state, travel
from ui.shared.outcome import explained, exports, figures, trade_off
from ui.shared.picker import estimate, in_units
from ui.shared.room import room
from ui.shared.shelf import keep_finished
from ui.shared.sidebar import Question
from ui.shared.table import Table, to_the_stage
from ui.shared.words import plain
from ui.tune.many import many, over_many_photos
from ui.tune.numbers import by_knob
from ui.work.queue import Queue

MOST = 48
"""Points of a sweep on the page; the command line takes more."""

_PRESETS = {
    "Momentum": ("samp", "momentum=0:0.8:0.2", ""),
    "The infinitesimal constraint": ("samp", "ic=off,1/10,1/20,1/50,1/100", ""),
    "Momentum and constraint": ("samp", "momentum=0:0.8:0.4", "ic=off,1/10,1/20"),
    "Pixels a step": ("samp", "pixels=1792,3584,7168,14336", ""),
    "Where paths start and end": ("samp", "start=blur,zero,mean,noise", "end=zero,mean"),
    "What noise does": ("samp-instant", "copies=1,3,7", "jitter=0.01,0.02,0.05"),
    "How moves are added up": ("samp", "rule=paper,trapezoid,isotonic,half,monotone", ""),
}
"""Sweeps to begin with: the paper's ablations, and questions that people ask of it."""

_NONE = ""
_OVERS = {"photo": "This photo: maps and numbers", "many": "Many photos: numbers with intervals"}
_OVER = kept.Choice("tune-over", "photo", list(_OVERS))


def _swept(method: Method) -> list[str]:
    """Return what links call the knobs that can be swept."""
    return [option.key for option in method.options if not option.is_text]


_METHOD = kept.Choice("tune", "samp", list(METHODS))
_KNOBS = ("tune-a", "tune-b")


def _take(preset: str) -> None:
    method, *sweeps = _PRESETS[preset]
    _METHOD.put(method)
    for name, text in zip(_KNOBS, sweeps, strict=True):
        kept.put(name, text or None)


def _axes(method: Method) -> list[Axis]:
    """Show the choice of knobs and their values; return what is swept.

    Raises:
        ValueError: a knob cannot have these values.
    """
    # Without a word in the link: the first preset of the method, or a knob that says most about it.
    first = next((k for k in ("momentum", "steps") if k in _swept(method)), _swept(method)[0])
    usual = next((sweep for name, sweep, _ in _PRESETS.values() if name == method.name), f"{first}=")
    titles = {option.key: option.title for option in method.options}
    axes = []
    for place, (name, column) in enumerate(zip(_KNOBS, st.columns(2), strict=True)):
        knobs = _swept(method) if place == 0 else [_NONE, *_swept(method)]
        text = kept.text(name) or (usual if place == 0 else "")
        knob, _, values = text.partition("=")
        if knob not in knobs:
            kept.reject(name)
            knob, _, values = (usual if place == 0 else _NONE).partition("=")
        with column.container(horizontal=True, vertical_alignment="bottom"):
            chosen = st.selectbox(
                "Knob" if place == 0 else "Second knob", knobs, index=knobs.index(knob),
                key=f"{name}-{method.name}-{knob}",
                format_func=lambda key: titles.get(key, "none"), width=210,
            )  # fmt: skip
            if chosen != knob:
                kept.put(name, f"{chosen}=" if chosen else None)
                st.rerun()
            if not knob:
                continue
            option = next(o for o in method.options if o.key == knob)
            shown = values or suggestion(option)
            given = st.text_input(
                "Values", shown, key=f"{name}-values-{method.name}-{knob}-{shown}",
                help=f"first:last:step, or values with commas between; {option.range_in_words}. {option.help}",
            )  # fmt: skip
            if given != shown:
                kept.put(name, f"{knob}={given}")
                st.rerun()
        axes.append(read_axis(method, f"{knob}={shown}"))
    return axes


def _wanted(question: Question, method: Method, axes: Sequence[Axis]) -> list[Settings]:
    points = settings_of(method.defaults, axes)
    if len(points) > MOST:
        raise ValueError(
            f"The sweep has {len(points)} points; the page takes {MOST}, the command samp tune more. Take fewer values."
        )
    return [point.changed(score=question.score, target=question.target, contrast=question.contrast) for point in points]


def show(question: Question) -> None:
    """Show the sweep of a method's knobs on a photo, network and class."""
    to_the_stage("tune")
    with st.container(horizontal=True, key="tune-presets"):
        for number, preset in enumerate(_PRESETS):
            st.button(preset, key=f"tune-preset-{number}", on_click=_take, args=(preset,))
    name = _METHOD.selectbox(
        "Method", key="tune-method", format_func=lambda n: METHODS[n].title, resets=_KNOBS, width=320,
    )  # fmt: skip
    method, axes, wanted, problem = METHODS[name], list[Axis](), list[Settings](), ""
    try:
        axes = _axes(method)
        wanted = _wanted(question, method, axes)
    except ValueError as error:
        problem = str(error)
    over = _OVER.segments("Sweep over", key="tune-over", format_func=_OVERS.__getitem__, label_visibility="collapsed")
    if over == "many":
        st.caption("The other knobs are as published. Each photo's own first class is explained.")
        many(question, axes, over_many_photos(wanted, question.score), problem)
        return
    st.caption("The other knobs are as published. Every map explains the same score.")
    queue = state.tuning()
    polling = queue is not None and queue.active
    with room("run", horizontal=True, vertical_alignment="center"):
        if queue is not None and polling:
            st.button("Cancel all", on_click=queue.cancel, key="tune-cancel")
        elif st.button("Sweep", type="primary", key="tune-run", disabled=not wanted):
            state.start_tuning(question.classifier, question.photo, question.network, wanted)
            st.rerun()
        st.markdown(plain(problem) if problem else estimate(question, wanted, noun="setting"))
    if queue is not None and not polling and queue.photo_key != question.photo.fingerprint:
        queue = None  # another photo: its maps would be about something else
    asked = {state.run_key(question.network, question.photo, s): s for s in wanted}
    with st.container(horizontal=True, vertical_alignment="center"):
        explained(queue, question, wanted)
        units = in_units("tune-units")
    table = Table(question, asked, queue, {}, polling, units, "tune", "Sweep")
    table.show()
    if queue is not None and not polling:
        keep_finished()  # it may have ended since this run of the script began
        _below(queue, axes if not table.stale else [], units)


def _below(queue: Queue, axes: Sequence[Axis], units: bool) -> None:
    given = [item.entry for item in queue.items if item.entry is not None]
    if not given:
        return

    def shown(entry: Entry) -> Entry:
        return (entry.in_units if units else None) or entry

    entries = [shown(entry) for entry in given]
    tabs = st.tabs(["By knob", "Trade-off", "Figures", "Export"])
    with tabs[0]:
        by_knob(axes, [None if item.entry is None else shown(item.entry) for item in queue.items])
    with tabs[1]:
        trade_off(queue, entries, "tune")
    with tabs[2]:
        figures(entries)
    with tabs[3]:
        display = st.session_state.get("grid-display") or {}
        exports(queue, entries, {**display, "scale": "shared"} if units else display)
        travel.download_all(queue, "sweep", "tune-runs")
        if axes:
            st.caption(
                "Over many photos, the logit of each one's first choice, with intervals, and into a file that survives "
                "a kill: `samp tune PHOTOS "
                + " ".join(f"--sweep {axis.option.key}={','.join(axis.words)}" for axis in axes)
                + f" --method {queue.items[0].settings.method} --out tune.sqlite --export tune.html`."
            )

"""A sweep over many photos: the same numbers with intervals, in a file that survives whatever happens."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from functools import partial
from html import escape
from pathlib import Path

import numpy as np
import plotly.graph_objects as go
import streamlit as st

from samp_core.benchmark import COST, Photo, Plan, Store, StoreError, find_photos
from samp_core.benchmark.report import INTERVALS, better, heading
from samp_core.methods import Settings
from samp_core.metrics import METRICS
from samp_core.sweep import Axis, Sweep, gathered, write
from ui.shared.benches import show_progress
from ui.shared.lanes import current, put_beside
from ui.shared.metric_cards import metrics_in_session
from ui.shared.plots import COLOURS, PLAIN
from ui.shared.sidebar import Question
from ui.shared.state import turns
from ui.shared.stores import store_path
from ui.shared.uploads import photo_source
from ui.shared.words import plain
from ui.tune.numbers import curve, grid
from ui.work.bench import Bench

_METRICS = ("curves", "gap")
_STORE = "sweep"
_FILES = {
    "html": ("Page (html)", "text/html"),
    "csv": ("Numbers (csv)", "text/csv"),
    "png": ("Figure (png)", "image/png"),
    "pdf": ("Figure (pdf)", "application/pdf"),
}


def many(question: Question, axes: Sequence[Axis], points: Sequence[Settings], problem: str) -> None:
    """Show source, progress and numbers of a sweep over many photos.

    Args:
        question: network and score.
        axes: the knobs.
        points: the settings, the last axis fastest.
        problem: why they cannot be swept; empty if they can.
    """
    bench: Bench | None = st.session_state.get("tune-bench")
    polling = bench is not None and bench.active
    left, right = st.columns(2)
    with left:
        folder, photos = photo_source("tune")
    limit = right.number_input("At most so many photos", 1, 100_000, 10, key="tune-limit", persist_state="session")
    names = metrics_in_session("tune-metrics", _METRICS)
    with st.container(horizontal=True, vertical_alignment="center"):
        if polling and bench is not None:
            st.button("Cancel", on_click=bench.cancel, key="tune-bench-cancel")
            st.markdown("What is measured stays, and the next sweep goes on from there.")
        elif st.button(
            "Sweep", type="primary", key="tune-bench-run", disabled=not points or not names or not (folder or photos)
        ):
            _start(question, folder, photos, int(limit), points, names)
        if problem:
            st.markdown(plain(problem))
        elif not (folder or photos) and not polling:
            st.markdown("Name a folder or upload photos. Each photo's own first class is explained.")
    if wrong := st.session_state.pop("tune-bench-problem", None):
        st.error(plain(wrong))
    if bench is not None:
        same = bench.plan.methods == tuple(points) and bench.classifier is question.classifier
        st.fragment(_live, run_every=1.0 if polling else None)(bench, axes if same else [], polling)


def _start(
    question: Question,
    folder: str,
    photos: tuple[Photo, ...],
    limit: int,
    points: Sequence[Settings],
    names: Sequence[str],
) -> None:
    try:
        found = photos or find_photos([Path(folder).expanduser()])
        plan = Plan(found[:limit], tuple(points), tuple(names), points[0].batch_size)
    except (ValueError, OSError, RuntimeError) as error:  # RuntimeError: nobody's home folder
        st.session_state["tune-bench-problem"] = str(error)
        st.rerun()
    bench = Bench(question.classifier, plan, store_path(_STORE), turns(), "Sweep over many photos", "Tune")
    st.session_state["tune-bench"] = bench.start()
    st.rerun()


def _live(bench: Bench, axes: Sequence[Axis], polling: bool) -> None:
    show_progress(bench, "Sweep")
    if not axes:
        st.info("Shown would be the last sweep. The choice differs from it: press Sweep.")
    elif bench.path.is_file():
        _numbers(bench, axes)
    if polling and not bench.active:
        st.rerun()


def _numbers(bench: Bench, axes: Sequence[Axis]) -> None:
    columns = [c.name for name in bench.plan.metrics for c in METRICS[name].columns] + list(COST)
    first = "difference" if "difference" in columns else columns[0]
    left, right = st.columns(2)
    number = left.selectbox(
        "Number", columns, index=columns.index(first), format_func=heading, key="tune-many-number",
    )  # fmt: skip
    others = [c for c in columns if better(c) and c != number]
    against = right.selectbox(
        "Weighed against", others, index=others.index("gradients" if number != "gradients" else "seconds"),
        format_func=heading, key=f"tune-many-against-{number}",
    )  # fmt: skip
    try:
        with Store(bench.path, read_only=True) as store:
            sweep = gathered(store, bench.plan, bench.classifier, axes, (number, against))
    except StoreError as error:
        st.error(plain(error))
        return
    name = heading(number)
    values = sweep.frame[name].to_numpy(float)
    if np.isnan(values).all():
        st.caption("There is no number yet.")
        return
    by_knob, trade = st.columns(2)
    with by_knob:
        plot = _band(axes[0], sweep, name) if len(axes) == 1 else grid(axes[0], axes[1], values)
        plot.update_layout(height=380, margin={"l": 10, "r": 10, "t": 10, "b": 10})
        st.plotly_chart(plot, config=PLAIN, key="tune-many-plot")
    with trade:
        st.plotly_chart(_trade(sweep), config=PLAIN, key="tune-many-trade")
    spread = f"{INTERVALS}. " if sweep.photos > 1 else ""
    best = f"{plain(words)}. " if (words := sweep.wins(name)) else ""
    st.caption(
        f"Means over {sweep.photos} photo{'s' * (sweep.photos != 1)}, each explained for its own first class. {spread}"
        f"Protocol: {plain(sweep.protocols.get(name, 'cost of one map'))}. {best}"
        "Squares: no other setting is as good in both numbers and better in one."
    )
    chosen = st.dataframe(
        sweep.frame.drop(columns="front"), hide_index=True, key="tune-many-table", on_select="rerun",
        selection_mode="single-row", placeholder="-",
    ).selection.rows  # fmt: skip
    with st.container(horizontal=True):
        if st.button("Selected setting on the stage", key="tune-many-stage", disabled=not chosen):
            put_beside(current(), bench.plan.methods[chosen[0]])
            st.switch_page("pages/1_Explain.py")
        for ending, (label, mime) in _FILES.items():
            st.download_button(
                label, partial(_file, sweep, ending), f"sweep.{ending}", mime, on_click="ignore",
                key=f"tune-many-{ending}",
            )  # fmt: skip


def _file(sweep: Sweep, ending: str) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"sweep.{ending}"
        write(sweep, path)
        return path.read_bytes()


def _band(axis: Axis, sweep: Sweep, name: str) -> go.Figure:
    plot = curve(axis, sweep.frame[name].to_numpy(float))
    if sweep.photos > 1:
        low, high = (sweep.frame[f"{name}, {end}"].to_numpy(float) for end in ("low", "high"))
        plot.add_trace(
            go.Scatter(
                x=[*axis.words, *reversed(axis.words)], y=[*high, *low[::-1]], fill="toself", mode="lines",
                line={"width": 0}, fillcolor="rgba(99, 102, 241, 0.18)", hoverinfo="skip", showlegend=False,
            )
        )  # fmt: skip
    plot.update_layout(showlegend=False)
    return plot


def _trade(sweep: Sweep) -> go.Figure:
    up, across = sweep.trade
    best = sweep.frame["front"].to_numpy(bool)
    plot = go.Figure()
    for which, colour, symbol, label in ((~best, "#8a8794", "circle", ""), (best, COLOURS[3], "square", "unbeaten")):
        rows = sweep.frame[which]
        words = [escape(", ".join(f"{knob} {row[knob]}" for knob in sweep.knobs)) for _, row in rows.iterrows()]
        plot.add_trace(
            go.Scatter(
                x=rows[across], y=rows[up], text=words, mode="markers", name=label,
                hovertemplate="%{text}<br>%{x:.4g}, %{y:.4g}<extra></extra>",
                marker={"color": colour, "symbol": symbol, "size": 10 if label else 7},
            )
        )  # fmt: skip
    plot.update_layout(
        height=380, margin={"l": 10, "r": 10, "t": 10, "b": 10}, showlegend=False,
        xaxis_title=escape(across), yaxis_title=escape(up),
    )  # fmt: skip
    return plot


def over_many_photos(points: Sequence[Settings], score: str) -> list[Settings]:
    """Return settings as many photos are asked: each photo's own first class, which leaves none to contrast with."""
    return [point.changed(score=score, target=None, contrast=None) for point in points]

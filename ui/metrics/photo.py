"""Metrics of one photo: a table, how the methods stand to each other, and what each number was made from."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go
import streamlit as st

from samp_core.compare import CALIBRATED
from samp_core.methods import Settings
from samp_core.metrics import COLUMNS, METRICS, Measurement, ScoreTable
from ui.metrics.evidence import evidence
from ui.shared import kept, state, travel
from ui.shared.metric_cards import choose_metrics, what_they_say
from ui.shared.picker import choice, estimate, in_units
from ui.shared.plots import COLOURS, PLAIN, progress_in_words
from ui.shared.room import room
from ui.shared.shelf import keep_finished, measured
from ui.shared.sidebar import Question
from ui.shared.words import plain
from ui.work.cost import CURVES
from ui.work.queue import Measuring

DEFAULT = ("curves", "diffid", "mu-fidelity", "gap", "cancellation", "concentration")
ARROWS = {"up": " ↑", "down": " ↓", "": ""}
_GRID = 24  # invisible points along each side, so that Plotly has something to select


def one_photo(question: Question) -> None:
    """Show choices, progress, table, profile and evidence for the photo in hand."""
    wanted = choice(question)
    chosen = kept.Several("metrics", list(DEFAULT), list(METRICS))
    names = chosen.value()
    with choose_metrics("metrics-names", names, chosen.put, list(METRICS)):
        units = in_units("metrics-units")
    box = _box(question) if "localisation" in names else None
    run = state.measuring()
    polling = run is not None and run.active
    problem = "Choose at least one method." if not wanted else "Choose at least one metric." if not names else None
    if problem is None and "localisation" in names and box is None:
        problem = "Draw a box on the photo: drag over it, or use the sliders beside it."
    with room("run", horizontal=True, vertical_alignment="center"):
        if polling and run is not None:
            st.button("Cancel", on_click=run.cancel, key="cancel-measuring")
        elif st.button("Measure", type="primary", key="measure", disabled=problem is not None):
            order = newest_first(names, DEFAULT if run is None else run.metrics)
            state.start_measuring(question.classifier, question.photo, question.network, wanted, order, box, units)
            st.rerun()
        st.markdown(problem or _estimate(question, wanted, names, box, units))
    if run is not None and not polling and run.photo_key != question.photo.fingerprint:
        run = None  # another photo: its numbers would be about something else
    asked = [state.run_key(question.network, question.photo, s) for s in wanted]
    stale = run is not None and (
        [i.key for i in run.items] != asked or set(run.metrics) != set(names) or (run.box, run.in_units) != (box, units)
    )
    with st.empty():  # gone before the table comes, which would push it down
        if run is None:
            with st.container():
                st.caption(
                    "Nothing has been measured on this photo yet. Each number will come with the evidence behind it."
                )
                what_they_say(names or list(METRICS))
    if run is None:
        return
    with st.container():  # what a fragment writes must not come to lie where the evidence is
        st.fragment(_stage, run_every=0.6 if polling else None)(run, polling, stale)
    if not polling:
        keep_finished()  # it may have ended since this run of the script began
        _profile(run)
        evidence(run)
        what_they_say(run.metrics)


def newest_first(names: Sequence[str], known: Sequence[str]) -> list[str]:
    """Return the metrics in the order of their columns: what was just asked for stands where it is seen."""
    return [n for n in names if n not in known] + [n for n in known if n in names]


def _estimate(
    question: Question,
    wanted: list[Settings],
    names: list[str],
    box: tuple[float, float, float, float] | None,
    units: bool,
) -> str:
    again = sum(METRICS[n].explanations for n in names)
    more = f"; each map is made {again + 1} times" if again else ""
    more += f"; each is calibrated by {CURVES} forward passes" if units else ""

    def known(key: str) -> dict[str, Any]:
        return state.numbers(key, box, units)

    return f"{estimate(question, wanted, names, calibrates=units, known=known)}, {len(names)} metrics{more}"


def _status(run: Measuring, stale: bool) -> None:
    with room("status"):
        if run.active:
            words = progress_in_words(run, METRICS[run.now].title if run.now else "metrics")
            st.progress(run.progress, text=words)
        elif stale:
            st.info("Shown is the last measuring. The choice differs from it: press Measure.")
        else:
            st.caption(
                f"Explained: the **{plain(run.score)}** of {plain(run.classifier.name)}."
                + (f" {CALIBRATED}" if run.in_units else "")
            )


def _box(question: Question) -> tuple[float, float, float, float] | None:
    """Let the user draw a box on the photo, with the pointer or by sliders."""
    key = f"box-{question.photo.fingerprint[:12]}"
    sides = {axis: kept.Range(f"box-{axis}", (0, 100), 0, 100) for axis in "xy"}
    photo = question.classifier.preprocessing.crop_image(question.photo.image).convert("RGB")
    width, height = photo.size
    left, right = st.columns([2, 3])
    with right:
        st.markdown("**Where should the map point?** Drag a box over the object, or set its sides here.")
        across = sides["x"].slider("Left and right side, %", key=f"{key}-x")
        down = sides["y"].slider("Top and bottom side, %", key=f"{key}-y")
    plot = go.Figure(go.Image(z=np.asarray(photo), hoverinfo="skip"))
    xs, ys = np.meshgrid(np.linspace(0, width - 1, _GRID), np.linspace(0, height - 1, _GRID))
    plot.add_trace(
        go.Scatter(x=xs.ravel(), y=ys.ravel(), mode="markers", marker={"opacity": 0, "size": 8}, hoverinfo="skip")
    )
    chosen = across != (0, 100) or down != (0, 100)
    if chosen:
        plot.add_shape(
            type="rect", x0=across[0] / 100 * width, x1=across[1] / 100 * width, y0=down[0] / 100 * height,
            y1=down[1] / 100 * height, line={"color": "#facc15", "width": 3},
        )  # fmt: skip
    plot.update_layout(
        height=320, margin={"l": 0, "r": 0, "t": 0, "b": 0}, dragmode="select", showlegend=False, selectdirection="any"
    )
    plot.update_xaxes(visible=False, range=[0, width], constrain="domain")
    plot.update_yaxes(visible=False, range=[height, 0], scaleanchor="x")

    def take() -> None:
        boxes = st.session_state[f"{key}-plot"].selection.box
        if boxes:
            for axis, size in (("x", width), ("y", height)):
                low, high = (min(100, max(0, round(100 * side / size))) for side in sorted(boxes[-1][axis]))
                sides[axis].put((low, max(low + 1, high)))

    with left:
        st.plotly_chart(plot, config=PLAIN, key=f"{key}-plot", on_select=take, selection_mode=["box"])
    if not chosen or across[0] == across[1] or down[0] == down[1]:
        return None
    return across[0] / 100, down[0] / 100, across[1] / 100, down[1] / 100


def scores(run: Measuring) -> ScoreTable:
    """Return all numbers of a measuring, each column of one protocol."""
    found = ScoreTable()
    for item in run.items:
        for name in run.metrics:
            found.add(item.title, item.measured.get(name, ()))
    return found


def number(measurement: Measurement | None) -> float | None:
    """Return a measurement's number of the photo; None where it is not defined."""
    if measurement is None or not bool(measurement.values[0].isfinite()):
        return None
    return float(measurement.values[0])


def to_csv(run: Measuring) -> str:
    """Return every number of a measuring as csv, a line each, with the protocol and all settings it came from."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(
        [
            *("method", "number", "value", "better", "protocol", "note", "explained score", "settings"),
            *("box", "photo", "photo sha256", "network", "weights sha256", "map"),
        ]
    )
    box = "" if run.box is None else " ".join(f"{side:g}" for side in run.box)
    map_kind = "calibrated" if run.in_units else "as given"
    end = [box, run.name, run.photo_key, run.classifier.name, run.classifier.fingerprint, map_kind]
    for item in run.items:
        settings = item.settings if item.entry is None else item.entry.settings
        rest = [run.score, json.dumps(settings.to_dict()), *end]
        for name in run.metrics:
            measured = {m.name: m for m in item.measured.get(name, ())}
            for column in METRICS[name].columns:
                found = measured.get(column.name)
                value = number(found)
                note = found.note if found is not None else item.missing.get(name) or item.error or item.status
                protocol = "" if found is None else str(found.protocol)
                writer.writerow(
                    [item.title, column.title, "" if value is None else value, column.better, protocol, note, *rest]
                )
    return buffer.getvalue()


def _stage(run: Measuring, polling: bool, stale: bool) -> None:
    _status(run, stale)
    columns = [c for name in run.metrics for c in METRICS[name].columns]
    found = scores(run)
    frame = pd.DataFrame(
        [[number(found.rows.get(i.title, {}).get(c.name)) for c in columns] for i in run.items],
        index=pd.Index([i.title for i in run.items], name="Method"),
        columns=[c.title + ARROWS[c.better] for c in columns],
        dtype=float,
    )
    st.dataframe(
        frame, key="metrics-table", on_select=lambda: _select(run), selection_mode="single-cell",
        placeholder="-", column_config={
            # Narrow and always in sight: even a telephone shows a number beside it.
            "_index": st.column_config.TextColumn(width=150, pinned=True),
        } | {
            c: st.column_config.NumberColumn(format="%.1e" if c.startswith("Var") else "%.3g") for c in frame.columns
        },
    )  # fmt: skip
    st.caption("↑ more is better, ↓ less is better. Click a number to see how it was made. A dash has no number.")
    if not polling:
        st.download_button(
            "Numbers with protocols (csv)", lambda: to_csv(run), f"{Path(run.name).stem}-metrics.csv", "text/csv",
            on_click="ignore", key="metrics-csv",
        )  # fmt: skip
        if any(item.entry is not None for item in run.items):
            travel.download_all(run, "metrics", "metrics-runs", **measured(run))
    for item in run.items:
        if item.error:
            st.warning(f"{item.title}: {plain(item.error)}")
        for name, why in item.missing.items():
            st.warning(f"{item.title}, {METRICS[name].title}: {plain(why)}")
    # The evidence stands outside of this fragment.
    if (polling and not run.active) or (st.session_state.pop("evidence-asked", False) and not polling):
        st.rerun()


def _select(run: Measuring) -> None:
    cells = st.session_state["metrics-table"].selection.cells
    if cells:
        row, heading = cells[0]
        names = {c.title + ARROWS[c.better]: c.name for c in COLUMNS.values()}
        st.session_state["evidence-method"] = run.items[row].title
        if heading in names:
            st.session_state["evidence-number"] = names[heading]
        st.session_state["evidence-asked"] = True


def _profile(run: Measuring) -> None:
    """Show where each method stands between the worst and the best of those shown, number by number."""
    found = scores(run)
    columns = [c for name in run.metrics for c in METRICS[name].columns if c.better]
    titles = [i.title for i in run.items if i.title in found.rows]
    values = np.array([[number(found.rows[t].get(c.name)) for c in columns] for t in titles], dtype=float)
    if len(titles) < 2 or not columns:
        return
    st.subheader("Profile", anchor=False)
    plot = go.Figure()
    with np.errstate(invalid="ignore", divide="ignore"):
        low = np.array([np.nanmin(v) if np.isfinite(v).any() else np.nan for v in values.T])
        high = np.array([np.nanmax(v) if np.isfinite(v).any() else np.nan for v in values.T])
        places = (values - low) / (high - low)
    places[:, [c.better == "down" for c in columns]] = 1 - places[:, [c.better == "down" for c in columns]]
    for n, title in enumerate(titles):
        plot.add_trace(
            go.Scatter(
                x=[c.title for c in columns], y=places[n], name=title, mode="lines+markers", customdata=values[n],
                line={"color": COLOURS[n % len(COLOURS)], "dash": "solid" if n < len(COLOURS) else "dash"},
                hovertemplate=f"{title}<br>%{{x}}: %{{customdata:.3g}}<extra></extra>",
            )
        )  # fmt: skip
    plot.update_layout(
        height=380, margin={"l": 10, "r": 10, "t": 10, "b": 10}, legend={"orientation": "h", "y": -0.25},
        yaxis={"title": None, "tickvals": [0, 1], "ticktext": ["worst shown", "best shown"], "range": [-0.06, 1.06]},
    )  # fmt: skip
    st.plotly_chart(plot, config=PLAIN, key="profile")
    st.caption(
        "Each number's place between the worst and the best of the methods shown; on one photo, small differences "
        "look large here. Numbers of which neither way is better are left out."
    )

"""What stands around a table of maps: what is explained, how far it is; trade-offs, figures, files."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import plotly.graph_objects as go
import streamlit as st
from numpy.typing import NDArray

from samp_core.compare import (
    BETTER,
    COLUMNS,
    Entry,
    figure,
    front,
    maps_npz,
    report_html,
    table,
    to_csv,
)
from samp_core.films import data_uri
from samp_core.methods import Settings
from samp_core.render import format_gap, overlay
from samp_core.runs import describe
from samp_core.words import settings_in_words
from ui.components.glance import Picture, glance
from ui.shared.link import from_text, to_text
from ui.shared.plots import COLOURS, PLAIN, progress_in_words
from ui.shared.room import room
from ui.shared.sidebar import Question
from ui.shared.words import plain
from ui.work.queue import Queue


def explained(queue: Queue | None, question: Question, wanted: Sequence[Settings]) -> None:
    """Say what all maps explain: those shown, or those that are asked for."""
    if queue is not None:
        st.markdown(f"All explain the **{plain(queue.score)}** of {plain(queue.classifier.name)}.")
    elif wanted:
        score = describe(question.classifier, wanted[0])[1]
        st.markdown(f"All explain the **{plain(score)}** of {plain(question.classifier.name)}.")


def status(queue: Queue | None, stale: bool, button: str) -> None:
    """Say how far a comparison is, or that what is shown is not what is asked for: what the button would bring."""
    with room("status"):
        if queue is None:
            st.caption("Each map appears as soon as it is finished, with its time, cost and completeness gap.")
        elif queue.active:
            st.progress(queue.progress, text=progress_in_words(queue))
        elif stale:
            st.info(f"Shown is the last result. The choice differs from it: press {button}.")
        else:
            there = sum(item.entry is not None for item in queue.items)
            rest = "." if there == len(queue.items) else "; where one is missing, its place says why."
            st.caption(f"{there} of {len(queue.items)} maps are here{rest} Figures and files are below them.")


def trade_off(queue: Queue, entries: Sequence[Entry], page: str) -> None:
    """Show two numbers of every method against each other, which methods nothing beats in both, and a chosen one's map.

    Args:
        queue: what the maps are of.
        entries: the maps.
        page: what the session calls the page, which leads to the stage.
    """
    rows = table(entries)
    known = [name for name in BETTER if sum(row[name] is not None for row in rows) >= 2]
    if len(known) < 2:
        st.info("A trade-off needs two maps or more with the same two numbers.")
        return
    chosen: list[str] = []
    for column, words, usual in zip(st.columns(2), ("Up", "Across"), ("difference", "gradients"), strict=True):
        index = known.index(usual) if usual in known else len(chosen)
        chosen.append(
            column.selectbox(
                words, known, index=index, key=f"trade-{words.lower()}", persist_state="session",
                format_func=lambda n: f"{COLUMNS[n]} ({'more' if BETTER[n] == 'up' else 'less'} is better)",
            )
        )  # fmt: skip
    up, across = chosen
    if up == across:
        st.info("Choose two different numbers.")
        return
    there = [k for k, row in enumerate(rows) if row[up] is not None and row[across] is not None]
    rows = [rows[k] for k in there]
    values = np.array([[row[up], row[across]] for row in rows], dtype=float).reshape(-1, 2)
    best = front(values, [BETTER[up], BETTER[across]])
    order = np.flatnonzero(best)[np.argsort(values[best, 1])]
    plot = go.Figure()
    plot.add_trace(
        go.Scatter(
            x=values[order, 1], y=values[order, 0], mode="lines", line={"color": "#8a8794", "dash": "dot"},
            hoverinfo="skip", showlegend=False,
        )
    )  # fmt: skip
    for n, (row, (high, wide), is_best) in enumerate(zip(rows, values, best, strict=True)):
        plot.add_trace(
            go.Scatter(
                x=[wide], y=[high], mode="markers+text", name=row["method"], text=[row["method"]],
                textposition=_word_place(wide, values[:, 1]),
                marker={
                    "color": COLOURS[n % len(COLOURS)], "size": 12 if is_best else 8,
                    "symbol": "diamond" if is_best else "circle",
                },
                hovertemplate=f"{row['method']}<br>{COLUMNS[up]} %{{y:.3g}}<br>{COLUMNS[across]} %{{x:.3g}}"
                "<extra></extra>",
            )
        )  # fmt: skip
    wide_range = values[:, 1].min() > 0 and values[:, 1].max() > 30 * values[:, 1].min()
    plot.update_layout(
        height=430, margin={"l": 10, "r": 10, "t": 10, "b": 10}, showlegend=False,
        xaxis={"title": COLUMNS[across], "type": "log" if wide_range else "linear"}, yaxis_title=COLUMNS[up],
    )  # fmt: skip
    left, right = st.columns([3, 1])
    with left:
        event = st.plotly_chart(plot, config=PLAIN, key="trade-off", on_select="rerun", selection_mode="points")
    with right:
        # The first line drawn is that of the front, and no point.
        points = [point["curve_number"] - 1 for point in event["selection"]["points"] if point["curve_number"]]
        point = points[0] if points else None
        shown = [entries[k] for k in there]
        pictures = _pictures(queue, shown, [str(row["method"]) for row in rows])
        glance("trade-glance", "trade-off", pictures, point, "Point at a map's number to see the map here.", skip=1)
        if point is None:
            st.caption("A click keeps it here, and takes its method and settings to the stage.")
        else:
            _chosen(shown[point], page)
    names = ", ".join(plain(rows[k]["method"]) for k in order)
    missing = len(entries) - len(rows)
    st.caption(
        f"Diamonds: nothing here is as good in both and better in one ({names}). On one photo, small differences mean "
        "little." + (f" Left out for want of a number: {missing}." if missing else "")
    )


def _pictures(queue: Queue, entries: Sequence[Entry], names: Sequence[str]) -> list[Picture]:
    """Return each map over the photo, small; they are drawn once."""
    known: dict[int, tuple[Entry, str]] = st.session_state.get("glances", {})
    drawn = {id(e): known[id(e)] for e in entries if id(e) in known}
    if new := [e for e in entries if id(e) not in drawn]:
        photo = queue.classifier.preprocessing.crop_image(queue.image).convert("RGB")
        drawn |= {id(e): (e, data_uri(overlay(photo, e.map, 0.8), quality=72)) for e in new}
    st.session_state["glances"] = drawn  # with the entries, so that nothing else can have their identities
    return [Picture(drawn[id(e)][1], name, e.in_words) for e, name in zip(entries, names, strict=True)]


def _chosen(entry: Entry, page: str) -> None:
    """Say how the map of a point that was clicked was made, and lead to the stage."""
    st.caption(plain(settings_in_words(entry.settings)))
    if st.button("Onto the stage", key=f"{page}-trade-stage"):
        st.session_state[f"{page}-lane"] = from_text(to_text(entry.settings))
        st.rerun()


def _word_place(at: float, all_places: NDArray[np.float64]) -> str:
    """Return where a point's words stand so that they stay inside the picture."""
    share = (at - all_places.min()) / max(all_places.max() - all_places.min(), 1e-12)
    return "top right" if share < 1 / 4 else "top left" if share > 3 / 4 else "top center"


def figures(entries: Sequence[Entry]) -> None:
    """Show every figure of every method."""
    rows = table(entries)
    shown = [
        {COLUMNS[k]: (format_gap(v) if k == "gap" and v is not None else v) for k, v in row.items()} for row in rows
    ]
    st.dataframe(shown, hide_index=True, width="stretch")
    curves = next((f"Curves: {plain(e.deletion.protocol)}. " for e in entries if e.deletion is not None), "")
    st.caption(
        f"{curves}A method that promises no sum has no completeness gap. Times were taken while the app was running, "
        "one method after the other."
    )


def exports(queue: Queue, entries: Sequence[Entry], display: dict[str, Any]) -> None:
    """Offer figure, maps, table and report."""
    style = {
        "scale": display.get("scale", "map"),
        "mode": display.get("mode", "signed"),
        "opacity": float(display.get("opacity", 0.75)),
    }

    def drawn(kind: str) -> bytes:
        buffer = io.BytesIO()
        figure(queue.classifier, queue.image, entries, **style).savefig(buffer, format=kind, dpi=200)
        return buffer.getvalue()

    stem = queue.name.rsplit(".", 1)[0]
    files: dict[str, tuple[Callable[[], str | bytes], str, str]] = {
        "Figure (png)": (lambda: drawn("png"), "png", "image/png"),
        "Figure (pdf)": (lambda: drawn("pdf"), "pdf", "application/pdf"),
        "Maps (npz)": (
            lambda: maps_npz(queue.classifier, queue.image, queue.name, entries),
            "npz",
            "application/octet-stream",
        ),
        "Table (csv)": (lambda: to_csv(queue.classifier, entries), "csv", "text/csv"),
        "Report (html)": (
            lambda: report_html(queue.classifier, queue.image, queue.name, entries, style["scale"]),
            "html",
            "text/html",
        ),
    }
    with st.container(horizontal=True):
        for label, (build, ending, mime) in files.items():
            st.download_button(
                label, build, f"{stem}-comparison.{ending}", mime, on_click="ignore", key=f"export-{label}"
            )
    st.caption("The figure takes the colours, values and opacity chosen above the grid.")

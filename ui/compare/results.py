"""What stands around the grid of maps: what is explained, how far it is; curves, agreement, figures, files."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import plotly.graph_objects as go
import streamlit as st

from samp_core.compare import (
    COLUMNS,
    Entry,
    disagreement,
    figure,
    maps_npz,
    report_html,
    table,
    to_csv,
    told_apart,
)
from samp_core.methods import Settings
from samp_core.metrics import rank_correlation, state_at
from samp_core.render import format_gap, overlay
from samp_core.runs import describe
from ui.shared.plots import COLOURS, PLAIN, progress_in_words
from ui.shared.room import room
from ui.shared.sidebar import Question
from ui.shared.words import plain
from ui.work.queue import Queue


# Ten colours that stay apart for colour-blind readers, then the same dashed.
def explained(queue: Queue | None, question: Question, wanted: Sequence[Settings]) -> None:
    """Say what all maps explain: those shown, or those that are asked for."""
    if queue is not None:
        st.markdown(f"All explain the **{plain(queue.score)}** of {plain(queue.classifier.name)}.")
    elif wanted:
        score = describe(question.classifier, wanted[0])[1]
        st.markdown(f"All explain the **{plain(score)}** of {plain(question.classifier.name)}.")


def status(queue: Queue | None, stale: bool) -> None:
    """Say how far a comparison is, or that what is shown is not what is asked for."""
    with room("status"):
        if queue is None:
            st.caption("Each method's map appears as soon as it is finished, with its time, cost and completeness gap.")
        elif queue.active:
            st.progress(queue.progress, text=progress_in_words(queue))
        elif stale:
            st.info("Shown is the last comparison. The choice differs from it: press Run.")
        else:
            there = sum(item.entry is not None for item in queue.items)
            rest = "." if there == len(queue.items) else "; where one is missing, its place says why."
            st.caption(f"{there} of {len(queue.items)} maps are here{rest} Curves, agreement and files are below them.")


def below(queue: Queue, display: dict[str, Any]) -> None:
    """Show what a finished comparison has beside its maps; ``display`` is what the grid gave."""
    entries = [item.entry for item in queue.items if item.entry is not None]
    if not entries:
        return
    tabs = st.tabs(["Deletion and insertion", "Agreement", "Figures", "Export"])
    with tabs[0]:
        curves(queue, entries)
    with tabs[1]:
        agreement(queue, entries)
    with tabs[2]:
        figures(entries)
    with tabs[3]:
        exports(queue, entries, display)


def _named(entries: Sequence[Entry]) -> dict[str, Entry]:
    """Return the entries by names that tell twins apart."""
    return dict(zip(told_apart([e.settings for e in entries]), entries, strict=True))


def _pair(entries: Sequence[Entry], key: str) -> tuple[tuple[str, Entry], tuple[str, Entry]]:
    named = _named(entries)
    names = list(named)
    left, right = st.columns(2)
    first = left.selectbox("Left", names, key=f"{key}-left", persist_state="session")
    second = right.selectbox(
        "Right", names, index=min(1, len(names) - 1), key=f"{key}-right", persist_state="session"
    )  # fmt: skip
    return (first, named[first]), (second, named[second])


def _plot(entries: Sequence[Entry], direction: str, heading: str, below: str) -> go.Figure:
    """Draw one direction's curves; the AUC stands beside each name."""
    plot = go.Figure()
    for n, (title, entry) in enumerate(_named(entries).items()):
        curve = entry.deletion if direction == "deletion" else entry.insertion
        assert curve is not None
        scores = curve.scores[0].tolist()
        plot.add_trace(
            go.Scatter(
                x=[100 * k / (len(scores) - 1) for k in range(len(scores))],
                y=scores,
                name=f"{title} {curve.auc[0]:.2f}",
                line={"color": COLOURS[n % len(COLOURS)], "dash": "solid" if n < len(COLOURS) else "dash", "width": 2},
                hovertemplate=f"{title}<br>%{{x:.0f}} % of pixels<br>%{{y:.2f}}<extra></extra>",
            )
        )
    plot.update_layout(
        title={"text": heading, "font": {"size": 15}, "x": 0, "xref": "paper"},
        height=360 + 11 * len(entries),
        margin={"l": 10, "r": 10, "t": 44, "b": 10},
        legend={"orientation": "h", "y": -0.22, "font": {"size": 11}},
        xaxis_title=below,
        yaxis_title="score / score of the photo",
    )
    return plot


def curves(queue: Queue, entries: Sequence[Entry]) -> None:
    """Show the curves of all methods that have them, and the photo at one point of two of them."""
    entries = [e for e in entries if e.deletion is not None]
    if not entries:
        st.info("No curve was measured: the comparison was cancelled or failed before.")
        return
    left, right = st.columns(2)
    falling = _plot(entries, "deletion", "Deletion, paper's protocol (lower is better)", "pixels replaced, %")
    rising = _plot(entries, "insertion", "Insertion, paper's protocol (higher is better)", "pixels put back, %")
    left.plotly_chart(falling, config=PLAIN, key="deletion-curves")
    right.plotly_chart(rising, config=PLAIN, key="insertion-curves")
    first = entries[0]
    assert first.deletion is not None
    assert first.insertion is not None
    st.caption(f"Protocol: {plain(first.deletion.protocol)}. {plain(first.insertion.protocol)}.")
    st.markdown("**The photo at one point of two curves**")
    pair = _pair(entries, "point")
    steps = first.deletion.scores.shape[1] - 1
    k = st.slider("Point of the curve", 0, steps, steps // 5, key="point", persist_state="session")
    inputs = queue.classifier.preprocessing(queue.image)
    for column, (title, entry) in zip(st.columns(2), pair, strict=True):
        for inner, direction, curve in zip(
            column.columns(2), ("deletion", "insertion"), (entry.deletion, entry.insertion), strict=True
        ):
            assert curve is not None
            shown = state_at(inputs, entry.explanation.maps, k, curve)
            at = min(k, curve.scores.shape[1] - 1)
            words = f"{title}, {direction}: {float(curve.scores[0, at]):.2f}"
            inner.image(queue.classifier.preprocessing.to_image(shown)[0], caption=words, alt=words)


def agreement(queue: Queue, entries: Sequence[Entry]) -> None:
    """Show how alike the maps rank the pixels, and where two of them disagree."""
    if len(entries) < 2:
        st.info("Agreement needs two maps or more.")
        return
    titles = list(_named(entries))
    matrix = rank_correlation(np.stack([e.map for e in entries]))
    plot = go.Figure(
        go.Heatmap(
            z=matrix, x=titles, y=titles, zmin=-1, zmax=1, colorscale=["#1746d1", "#f8f6f3", "#d63f04"],
            texttemplate="%{z:.2f}" if len(entries) <= 12 else None, colorbar={"title": "Spearman"},
            hovertemplate="%{y} and %{x}: %{z:.2f}<extra></extra>",
        )
    )  # fmt: skip
    plot.update_yaxes(autorange="reversed")
    plot.update_layout(height=120 + 32 * len(entries), margin={"l": 10, "r": 10, "t": 10, "b": 10})
    st.plotly_chart(plot, config=PLAIN, key="agreement")
    st.caption("Spearman's rank correlation of the signed pixel values of every two maps: 1 is the same order.")
    (first, left), (second, right) = _pair(entries, "disagreement")
    photo = queue.classifier.preprocessing.crop_image(queue.image).convert("RGB")
    st.image(
        overlay(photo, disagreement(left.map, right.map), 0.85, limit=1.0), width=336, alt="where two maps disagree"
    )
    st.caption(f"Orange: {first} ranks the pixel higher than {second}. Blue: lower. White: the same.")


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

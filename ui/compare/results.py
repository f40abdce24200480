"""What stands around the grid of maps: what is explained, how far it is; curves, agreement, figures, files."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import plotly.graph_objects as go
import streamlit as st
from torch import Tensor

from samp_core.compare import (
    Entry,
    disagreement,
    told_apart,
)
from samp_core.metrics import Curve, rank_correlation, state_at
from samp_core.metrics.curves import UNDIVIDED
from samp_core.render import overlay
from ui.shared import travel
from ui.shared.outcome import exports, figures, trade_off
from ui.shared.plots import COLOURS, PLAIN
from ui.shared.words import plain
from ui.work.queue import Queue


def below(queue: Queue, display: dict[str, Any], units: bool) -> None:
    """Show what a finished comparison has beside its maps.

    Args:
        queue: the comparison.
        display: what the grid gave.
        units: whether maps are shown in units of the score.
    """
    entries = [item.entry for item in queue.items if item.entry is not None]
    if units:
        entries, display = [entry.in_units or entry for entry in entries], {**display, "scale": "shared"}
    if not entries:
        return
    tabs = st.tabs(["Deletion and insertion", "Agreement", "Trade-off", "Figures", "Export"])
    with tabs[0]:
        curves(queue, entries)
    with tabs[1]:
        agreement(queue, entries)
    with tabs[2]:
        trade_off(queue, entries, "compare")
    with tabs[3]:
        figures(entries)
    with tabs[4]:
        exports(queue, entries, display)
        travel.download_all(queue, "comparison", "export-runs")


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
    plot, divided = go.Figure(), False
    for n, (title, entry) in enumerate(_named(entries).items()):
        curve = entry.deletion if direction == "deletion" else entry.insertion
        assert curve is not None
        divided |= bool(curve.auc.isfinite().all())
        scores, number = _drawn(curve)[0].tolist(), f" {curve.auc[0]:.2f}" if curve.auc.isfinite().all() else ""
        plot.add_trace(
            go.Scatter(
                x=[100 * k / (len(scores) - 1) for k in range(len(scores))],
                y=scores,
                name=f"{title}{number}",
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
        yaxis_title="score / score of the photo" if divided else "score",
    )
    return plot


def _drawn(curve: Curve) -> Tensor:
    """Return the points of a curve, divided by the photo's score where they can be, (1, n + 1)."""
    return curve.scores if curve.auc.isfinite().all() else curve.raw


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
    if not first.deletion.auc.isfinite().all():
        st.info(f"{UNDIVIDED} Here they are drawn undivided, and have no number.")
    st.markdown("**The photo at one point of two curves**")
    pair = _pair(entries, "point")
    steps = first.deletion.scores.shape[1] - 1
    k = st.slider("Point of the curve", 0, steps, steps // 5, key="point", persist_state="session")
    inputs = queue.classifier.inputs(queue.image)
    for column, (title, entry) in zip(st.columns(2), pair, strict=True):
        for inner, direction, curve in zip(
            column.columns(2), ("deletion", "insertion"), (entry.deletion, entry.insertion), strict=True
        ):
            assert curve is not None
            shown = state_at(inputs, entry.explanation.maps, k, curve)
            at = min(k, curve.scores.shape[1] - 1)
            words = f"{title}, {direction}: {float(_drawn(curve)[0, at]):.2f}"
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
            z=matrix, x=titles, y=titles, zmin=-1, zmax=1, colorscale=["#762a83", "#f8f6f3", "#1b7837"],
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

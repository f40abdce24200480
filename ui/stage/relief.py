"""The path plane as a relief: the score is the height, and the paths run over it."""

from __future__ import annotations

from collections.abc import Mapping

import plotly.graph_objects as go
import streamlit as st

from samp_core.films import View
from ui.shared.lanes import Lane
from ui.shared.words import plain
from ui.stage.ground import Ground

COLOURS = ("#6d64f0", "#14a294", "#db4f97", "#c58a1b")
"""Colours of the lanes where a plot must be read on a light and on a dark page."""


def relief(ground: Ground | None, lanes: Mapping[str, Lane]) -> None:
    """Show the first plane of a stage as a surface, with the paths of these lanes (by run) on it."""
    if ground is None or not ground.views:
        st.caption("There is no plane yet: it is computed after a run of a path method.")
        return
    view = ground.views[0]
    if len(ground.views) > 1:
        names = {v.title: v for v in ground.views}
        view = names[st.segmented_control("Plane", list(names), default=next(iter(names)), required=True, key="relief")]
    if any(value is None for row in view.values for value in row):
        st.caption("The ground is still being computed." if ground.active else "The ground was stopped before its end.")
        return
    st.plotly_chart(_figure(view, lanes), key="relief-plot", config={"displaylogo": False})
    st.caption(
        f"Height: {plain(view.score)}. The dashed line is the straight way; paths are drawn where the surface is, not "
        "at their own score, because they also leave the plane."
    )


def _figure(view: View, lanes: Mapping[str, Lane]) -> go.Figure:
    rows, columns = len(view.values), len(view.values[0])
    xs = [view.low[0] + (view.high[0] - view.low[0]) * c / (columns - 1) for c in range(columns)]
    ys = [view.low[1] + (view.high[1] - view.low[1]) * r / (rows - 1) for r in range(rows)]

    def height(x: float, y: float) -> float:
        """Return the surface's height between its cells."""
        u = (x - xs[0]) / (xs[-1] - xs[0]) * (columns - 1)
        v = (y - ys[0]) / (ys[-1] - ys[0]) * (rows - 1)
        c, r = min(int(u), columns - 2), min(int(v), rows - 2)
        a, b = u - c, v - r
        low, high = view.values[r], view.values[r + 1]
        return float(
            (1 - b) * ((1 - a) * (low[c] or 0) + a * (low[c + 1] or 0))
            + b * ((1 - a) * (high[c] or 0) + a * (high[c + 1] or 0))
        )

    plot = go.Figure(
        go.Surface(x=xs, y=ys, z=view.values, colorscale="Greys", reversescale=True, opacity=0.9, showscale=False)
    )
    line = [k / 40 for k in range(41)]
    plot.add_trace(
        go.Scatter3d(
            x=line, y=[0.0] * 41, z=[height(x, 0.0) for x in line], mode="lines", name="straight way",
            line={"color": "#8a8a94", "width": 4, "dash": "dash"},
        )
    )  # fmt: skip
    for track in view.tracks:
        lane = lanes.get(track.run)
        if lane is None:
            continue
        x, y = zip(*track.places, strict=True)
        plot.add_trace(
            go.Scatter3d(
                x=x, y=y, z=[height(a, b) for a, b in track.places], mode="lines+markers",
                name=f"{lane.title}, {track.direction}", marker={"size": 2.5},
                line={"color": COLOURS[lane.colour], "width": 6},
            )
        )  # fmt: skip
    plot.update_layout(
        height=520, margin={"l": 0, "r": 0, "t": 0, "b": 0}, legend={"orientation": "h"},
        scene={
            "xaxis": {"title": "straight way"}, "yaxis": {"title": "across"}, "zaxis": {"title": "score"},
            "aspectmode": "manual", "aspectratio": {"x": 1.4, "y": 1, "z": 0.7},
        },
    )  # fmt: skip
    return plot

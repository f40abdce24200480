"""What every setting of a sweep gives, as a curve over one knob or a table over two."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import plotly.graph_objects as go
import streamlit as st

from samp_core.compare import BETTER, COLUMNS, Entry, table
from samp_core.sweep import Axis
from ui.shared.plots import COLOURS, PLAIN


def by_knob(axes: Sequence[Axis], entries: Sequence[Entry | None]) -> None:
    """Show one number of all settings by the knobs.

    Args:
        axes: the knobs; none if what is shown is no sweep of what is chosen now.
        entries: what each point gave, the last axis fastest; None where it gave nothing.
    """
    if not axes:
        st.info("Shown is the last sweep. The choice differs from it: press Sweep.")
        return
    rows: list[dict[str, float | None]] = [{} if entry is None else table([entry])[0] for entry in entries]
    known = [name for name in BETTER if any(row.get(name) is not None for row in rows)]
    if not known:
        st.info("There are no numbers: the sweep was cancelled or failed before.")
        return
    number = st.selectbox(
        "Number", known, index=known.index("difference") if "difference" in known else 0, key="tune-number",
        format_func=lambda n: f"{COLUMNS[n]} ({'more' if BETTER[n] == 'up' else 'less'} is better)",
        persist_state="session", width=420,
    )  # fmt: skip
    values = np.array([np.nan if row.get(number) is None else row[number] for row in rows], dtype=float)
    plot = curve(axes[0], values) if len(axes) == 1 else grid(axes[0], axes[1], values)
    plot.update_layout(height=400, margin={"l": 10, "r": 10, "t": 10, "b": 10})
    st.plotly_chart(plot, config=PLAIN, key="by-knob")
    best = int(np.nanargmax(values) if BETTER[number] == "up" else np.nanargmin(values))
    places = np.unravel_index(best, [len(axis.values) for axis in axes])
    where = ", ".join(f"{axis.option.title} {axis.words[int(k)]}" for axis, k in zip(axes, places, strict=True))
    st.caption(f"Best here: {where} ({values[best]:.3g}). One photo, one run each: a search is chaotic, and small "
               "differences mean little.")  # fmt: skip


def curve(axis: Axis, values: np.ndarray) -> go.Figure:
    """Return a number by one knob."""
    plot = go.Figure(
        go.Scatter(
            x=axis.words, y=values, mode="lines+markers", line={"color": COLOURS[0]},
            hovertemplate=f"{axis.option.title} %{{x}}<br>%{{y:.4g}}<extra></extra>",
        )
    )  # fmt: skip
    plot.update_xaxes(title=axis.option.title, type="category")
    return plot


def grid(first: Axis, second: Axis, values: np.ndarray) -> go.Figure:
    """Return a number by two knobs, the second one fastest."""
    plot = go.Figure(
        go.Heatmap(
            z=values.reshape(len(first.values), len(second.values)), x=second.words, y=first.words,
            colorscale="Cividis", texttemplate="%{z:.3g}",
            hovertemplate=f"{first.option.title} %{{y}}, {second.option.title} %{{x}}: %{{z:.4g}}<extra></extra>",
        )
    )  # fmt: skip
    plot.update_xaxes(title=second.option.title, type="category")
    plot.update_yaxes(title=first.option.title, type="category", autorange="reversed")
    return plot

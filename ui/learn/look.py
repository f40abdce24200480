"""What the scenes share: knobs that last, and plots as large as the room needs."""

from __future__ import annotations

from typing import Any

import plotly.graph_objects as go
import streamlit as st

from ui.comparison import PLAIN

KEPT: dict[str, Any] = {"bind": "query-params", "persist_state": "session"}
"""For every knob: its value stands in the page's link, and stays while other scenes and pages are shown."""

_LARGE = 19  # px, of the letters in a plot that is shown to a room


def presenting() -> bool:
    """Say whether the lesson is being presented."""
    return bool(st.session_state.get("present"))


def show(plot: go.Figure, key: str, words: str) -> None:
    """Draw a plot, with large letters where it is presented.

    Args:
        plot: what to draw; its letters are enlarged in place.
        key: identity of the plot on its page.
        words: the plot in words.
    """
    if presenting():
        plot.update_layout(font_size=_LARGE, legend_font_size=_LARGE, height=round(1.25 * (plot.layout.height or 400)))
        plot.update_xaxes(tickfont_size=_LARGE, title_font_size=_LARGE)
        plot.update_yaxes(tickfont_size=_LARGE, title_font_size=_LARGE)
    st.plotly_chart(plot, config=PLAIN, key=key, alt=words)

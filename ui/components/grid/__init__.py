"""The grid of maps: equal size, one zoom, one choice of colours for all."""

from __future__ import annotations

from pathlib import Path

import streamlit as st

from ui.components.mount import component

_FOLDER = Path(__file__).parent
DISPLAY = {"scale": "map", "mode": "signed", "opacity": 0.75}
VIEW = "sampGrid"  # the browser's name for it
_STYLE = "<style>.st-key-grid-news-place { position: absolute; height: 0; overflow: hidden; }</style>"


def grid() -> None:
    """Mount the grid; what it shows comes by :func:`ui.components.feed.feed`, to :data:`VIEW`."""
    st.html(_STYLE)
    component(_FOLDER, with_kit=True)(key="grid")

"""The engine's player on a page: one component that shows all lanes live and replays them, so that nothing jumps."""

from __future__ import annotations

from functools import cache
from typing import Any

import streamlit as st

from samp_core.films import player_parts

VIEW = "sampStage"  # the browser's name for it
DISPLAY = {"mode": "signed", "opacity": 0.75}


@cache
def _component() -> Any:
    return st.components.v2.component("samp_player", **player_parts())


def player() -> None:
    """Mount the player; what it shows comes by :func:`ui.components.feed.feed`, to :data:`VIEW`."""
    _component()(key="player")

"""Places whose height is kept free, so that what stands below them does not move when something appears there."""

from __future__ import annotations

from typing import Any

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

_STYLE = """<style>
  .st-key-room-run { min-height: 2.6rem; }
  .st-key-room-status { min-height: 2.9rem; }
  .st-key-room-status [data-testid="stAlertContainer"] { padding: 0.5rem 0.9rem; min-height: 0; }
  @media (max-width: 640px) { .st-key-room-run { min-height: 5.6rem; } .st-key-room-status { min-height: 4.9rem; } }
</style>"""


def room(name: str, **layout: Any) -> DeltaGenerator:
    """Return a container that is as high as its tallest content, whatever it holds.

    Args:
        name: ``run``, a button and a line about its cost, or ``status``, one line of what goes on or a banner.
        layout: arguments of ``st.container``.
    """
    st.html(_STYLE)
    return st.container(key=f"room-{name}", **layout)

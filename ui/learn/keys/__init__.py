"""Arrow keys that turn the scenes."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import streamlit as st

_FOLDER = Path(__file__).parent


@cache
def _component() -> Any:
    read = {name: (_FOLDER / f"keys.{name}").read_text() for name in ("html", "js")}
    return st.components.v2.component("samp_keys", **read)


def arrow_keys() -> None:
    """Let the left and right arrow keys press the buttons Back and Next."""
    _component()(key="learn-keys")

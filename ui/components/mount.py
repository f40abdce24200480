"""The app's own components: a folder each, with its html, style and script."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import streamlit as st

from samp_core.films import kit


@cache
def component(folder: Path, with_kit: bool = False) -> Any:
    """Return the component in a folder, read and registered once; its files are named like the folder.

    Args:
        folder: what holds the files.
        with_kit: whether the functions that the engine's player is made of stand before its script.
    """
    files = {ending: folder / f"{folder.name}.{ending}" for ending in ("html", "css", "js")}
    read: dict[str, Any] = {ending: file.read_text() for ending, file in files.items() if file.is_file()}
    if with_kit:
        read["js"] = kit() + read["js"]
    return st.components.v2.component(f"samp_{folder.name}", **read)


def is_point(found: object, side: float) -> bool:
    """Say whether what a browser or a link sent is a point [x, y] of a square with this side."""
    return (
        isinstance(found, list)
        and len(found) == 2
        and all(isinstance(at, int | float) and 0 <= at <= side for at in found)
    )

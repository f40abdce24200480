"""A sheet to draw a digit on, by mouse, touch, pen or keyboard."""

from __future__ import annotations

import base64
import binascii
from io import BytesIO
from pathlib import Path

import streamlit as st
from PIL import Image

from samp_core.images import ImageError, load_image

_FOLDER = Path(__file__).parent
_PREFIX = "data:image/png;base64,"
_LONGEST = 300_000  # characters; a sheet full of strokes takes about 20,000


def pen(key: str) -> Image.Image | None:
    """Mount the sheet and return what is drawn on it, white on black, or None while it is empty.

    The script runs again whenever the pen lifts, and after undo and clear. The strokes are kept for the session, so
    the sheet can leave the page and come back.

    Args:
        key: identity of the sheet on its page.
    """
    kept = f"{key}-kept"
    read = {name: (_FOLDER / f"pen.{name}").read_text() for name in ("html", "css", "js")}
    component = st.components.v2.component("samp_pen", **read)
    sent = component(
        key=key,
        data={"strokes": st.session_state.get(kept, {}).get("strokes", [])},
        default={"drawing": None},
        on_drawing_change=lambda: None,
    ).get("drawing")
    if sent:
        st.session_state[kept] = dict(sent)
    return _decode(str(st.session_state.get(kept, {}).get("image") or ""))


def _decode(uri: str) -> Image.Image | None:
    """Return the picture, or None for anything but one: it comes from the browser, where all can happen."""
    if not uri.startswith(_PREFIX) or len(uri) > _LONGEST:
        return None
    try:
        return load_image(BytesIO(base64.b64decode(uri.removeprefix(_PREFIX), validate=True)))
    except (binascii.Error, ImageError):
        return None

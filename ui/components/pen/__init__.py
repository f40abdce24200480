"""A sheet to draw a digit on, by mouse, touch, pen or keyboard."""

from __future__ import annotations

import base64
import binascii
import re
from io import BytesIO
from pathlib import Path

import numpy as np
import streamlit as st
from PIL import Image

from samp_core.images import ImageError, load_image
from ui.components.mount import component, is_point

_FOLDER = Path(__file__).parent
_PREFIX = "data:image/png;base64,"
_LONGEST = 300_000  # characters; a sheet full of strokes takes about 20,000
_LONGEST_LINK = 1500  # characters
SHEET = 280
"""Side of the sheet, in its own pixels."""


def pen(key: str, link: str) -> Image.Image | None:
    """Mount the sheet and return what is drawn on it, white on black, or None while it is empty.

    The script runs again whenever the pen lifts, and after undo and clear. The strokes are kept for the session, so
    the sheet can leave the page and come back, and in the page's link, so that a drawing can be shared.

    Args:
        key: identity of the sheet on its page.
        link: name of the strokes in the page's link.
    """
    kept = f"{key}-kept"
    if kept not in st.session_state:
        st.session_state[kept] = {"strokes": read_strokes(st.query_params.get(link, "")), "image": ""}
    known = st.session_state[kept]
    sent = component(_FOLDER)(
        key=key,
        # What came by a link is not yet a picture: the sheet paints the strokes and sends it.
        data={"strokes": known["strokes"], "report": bool(known["strokes"]) and not known["image"]},
        default={"drawing": None},
        on_drawing_change=lambda: None,
    ).get("drawing")
    if sent:
        known = st.session_state[kept] = dict(sent)
    ink = write_strokes(known["strokes"])
    if ink and len(ink) <= _LONGEST_LINK:
        st.query_params[link] = ink
    else:
        st.query_params.pop(link, None)
    return _decode(str(known.get("image") or ""))


def write_strokes(strokes: object) -> str:
    """Return strokes as letters and digits for a link: four a point, strokes parted by hyphens."""
    parts = []
    for stroke in strokes if isinstance(strokes, list) else []:
        points = [p for p in stroke if is_point(p, SHEET)] if isinstance(stroke, list) else []
        if points:
            parts.append("".join(np.base_repr(int(at), 36).lower().rjust(2, "0") for point in points for at in point))
    return "-".join(parts)


def read_strokes(text: str) -> list[list[list[int]]]:
    """Return the strokes that a link holds; of anything else, none."""
    if not re.fullmatch(r"([0-9a-z]{4})+(-([0-9a-z]{4})+)*", text[: _LONGEST_LINK + 1]) or len(text) > _LONGEST_LINK:
        return []
    strokes = []
    for part in text.split("-"):
        numbers = [min(SHEET, int(part[at : at + 2], 36)) for at in range(0, len(part), 2)]
        strokes.append([list(pair) for pair in zip(numbers[::2], numbers[1::2], strict=True)])
    return strokes


def _decode(uri: str) -> Image.Image | None:
    """Return the picture, or None for anything but one: it comes from the browser, where all can happen."""
    if not uri.startswith(_PREFIX) or len(uri) > _LONGEST:
        return None
    try:
        return load_image(BytesIO(base64.b64decode(uri.removeprefix(_PREFIX), validate=True)))
    except (binascii.Error, ImageError):
        return None

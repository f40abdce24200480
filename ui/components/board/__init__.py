"""The unit square of two pixels: paths over a picture of the score, and one that the reader draws."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ui.components.mount import component, is_point

_FOLDER = Path(__file__).parent
_MOST = 40


def read_points(found: object) -> list[list[float]]:
    """Return points from whatever a browser or a link sent; what is no point of the square is left out."""
    pairs = [pair for pair in found if is_point(pair, 1)] if isinstance(found, list) else []
    return [[float(at) for at in pair] for pair in pairs[:_MOST]]


def board(
    key: str, background: str, lines: Sequence[dict[str, Any]], points: list[list[float]], colour: str, words: str
) -> list[list[float]]:
    """Mount the board and return the points of the path that the reader has drawn, ends left out.

    Args:
        key: identity of the board on its page.
        background: picture of the score as a data URI, second pixel upwards.
        lines: paths with ``points``, ``colour``, ``dash``, and whether it is ``wide``.
        points: what was drawn before.
        colour: of the reader's own path.
        words: the picture in words.
    """
    data = {
        "background": background, "lines": list(lines), "points": points, "colour": colour, "words": words,
        "across": "first pixel, from blank to image", "down": "second pixel",
    }  # fmt: skip
    sent = component(_FOLDER)(key=key, data=data, default={"points": None}, on_points_change=lambda: None).get("points")
    return points if sent is None else read_points(sent)

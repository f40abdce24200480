"""The grid of maps: equal size, one zoom, one choice of colours for all."""

from __future__ import annotations

import base64
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from samp_core.compare import SCALES, table
from samp_core.methods import METHODS, Settings
from samp_core.render import format_cancellation, format_gap, palette
from samp_core.runs import ends_in_words
from ui.component import component
from ui.queue import Item

_FOLDER = Path(__file__).parent
WORDS = {
    "waiting": "waiting",
    "running": "running",
    "measuring": "measuring its curves",
    "failed": "failed",
    "cancelled": "cancelled",
    "cached": "from memory",
    "done": "",
}
TERMS = ("time", "gradients", "completeness gap", "cancellation", "top 5 % hold", "insertion - deletion")


def _packed(pixel_map: NDArray[np.float64]) -> dict[str, Any]:
    """Return the map as 16-bit integers and what one of them is worth."""
    unit = float(np.abs(pixel_map).max() or 1.0) / 32767
    return {"unit": unit, "values": base64.b64encode(np.round(pixel_map / unit).astype("<i2").tobytes()).decode()}


def place(settings: Settings) -> str:
    """Return what a method looks at: where its paths start and end, or at which layer."""
    if "layer" in settings.options:
        return f"layer {settings.options['layer'] or 'to be found'}"
    return ends_in_words(settings) or "no path"


def placeholder(settings: Settings) -> dict[str, Any]:
    """Return what the grid shows of a method that was not run yet."""
    title = METHODS[settings.method].title
    return _card(title, settings, "idle", "press Run to see its map")


def _card(key: str, settings: Settings, status: str, words: str) -> dict[str, Any]:
    return {
        "key": key,
        "title": METHODS[settings.method].title,
        "place": place(settings),
        "status": status,
        "words": words,
        "error": None,
        "can_cancel": False,
        "lines": [[term, "-"] for term in TERMS],
    }


def card(item: Item) -> dict[str, Any]:
    """Return what the grid shows of one method."""
    settings = item.settings if item.entry is None else item.entry.settings
    shown = _card(item.key, settings, item.status, WORDS[item.status])
    shown |= {"error": item.error, "can_cancel": not item.final}
    if item.entry is None:
        return shown
    row = table([item.entry])[0]
    words = (
        f"{row['seconds']:.1f} s",
        f"{row['gradients']:,}" + (f" + {row['forwards']:,} forward" if row["forwards"] else ""),
        "has none" if row["gap"] is None else format_gap(row["gap"]),
        format_cancellation(row["cancellation"]),
        "-" if row["top_share"] is None else f"{100 * row['top_share']:.0f} % of |a|",
        "-" if row["difference"] is None else f"{row['difference']:.2f}",
    )
    figures = ("seconds", "gradients", "gap", "cancellation", "top_share", "deletion", "insertion", "difference")
    return {
        **shown,
        "seen": item.entry.in_words,
        "figures": {name: row[name] for name in figures},
        "lines": [list(line) for line in zip(TERMS, words, strict=True)],
        **_packed(item.entry.map),
    }


def grid(
    photo: str, size: tuple[int, int], cards: Sequence[dict[str, Any]], key: str, cancel: Callable[[str], None]
) -> dict[str, Any]:
    """Mount the grid and return how its reader wants it shown: ``scale``, ``mode`` and ``opacity``.

    Args:
        photo: the photo as the network saw it, a data URI.
        size: height and width of the maps.
        cards: what :func:`card` made of each method.
        key: identity of the grid on its page.
        cancel: what takes the method with a card's key off the queue.
    """
    default = {"display": {"scale": "map", "mode": "signed", "opacity": 0.75}}
    data = {
        "photo": photo,
        "height": size[0],
        "width": size[1],
        "cards": list(cards),
        "scales": SCALES,
        "palettes": {mode: palette(mode).tolist() for mode in ("signed", "intensity")},  # type: ignore[arg-type]
    }
    result = component(_FOLDER)(
        key=key, data=data, default=default, on_display_change=lambda: None, on_cancel_change=lambda: None
    )
    if result.get("cancel"):
        cancel(result["cancel"])
    return dict(result.get("display") or default["display"])

"""The grid of maps: equal size, one zoom, one choice of colours for all."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from samp_core.compare import SCALES, table
from samp_core.methods import METHODS, Settings
from samp_core.render import format_cancellation, format_gap, palette
from ui.component import component
from ui.queue import Item

_FOLDER = Path(__file__).parent
WORDS = {
    "waiting": "waiting",
    "running": "running",
    "measuring": "measuring its curves",
    "failed": "cannot be shown",
    "cancelled": "cancelled",
}


def _packed(pixel_map: NDArray[np.float64]) -> dict[str, Any]:
    """Return the map as 16-bit integers and what one of them is worth."""
    unit = float(np.abs(pixel_map).max() or 1.0) / 32767
    return {"unit": unit, "values": base64.b64encode(np.round(pixel_map / unit).astype("<i2").tobytes()).decode()}


def placeholder(settings: Settings) -> dict[str, Any]:
    """Return what the grid shows of a method that was not run yet."""
    title = METHODS[settings.method].title
    return {"key": title, "title": title, "status": "idle", "error": None, "words": "press Run to see its map"}


def card(item: Item) -> dict[str, Any]:
    """Return what the grid shows of one method."""
    shown: dict[str, Any] = {"key": item.key, "title": item.title, "status": item.status, "error": item.error}
    if item.entry is None:
        return {**shown, "words": WORDS.get(item.status, item.status)}
    row = table([item.entry])[0]
    gap = "has none" if row["gap"] is None else format_gap(row["gap"])
    figures = {
        k: row[k]
        for k in (
            *("seconds", "gradients", "gap", "cancellation", "top_share"),
            *("deletion", "insertion", "difference"),
        )
    }
    return {
        **shown,
        "seen": item.entry.in_words,
        "words": "from memory" if item.status == "cached" else "",
        "figures": figures,
        "lines": [
            ["time", f"{row['seconds']:.1f} s"],
            ["gradients", f"{row['gradients']:,}" + (f" + {row['forwards']:,} forward" if row["forwards"] else "")],
            ["completeness gap", gap],
            ["cancellation", format_cancellation(row["cancellation"])],
            ["top 5 % of pixels hold", f"{100 * (row['top_share'] or 0):.0f} % of |a|"],
            ["insertion - deletion", "-" if row["difference"] is None else f"{row['difference']:.2f}"],
        ],
        **_packed(item.entry.map),
    }


def grid(photo: str, size: tuple[int, int], cards: Sequence[dict[str, Any]], key: str) -> dict[str, Any]:
    """Mount the grid and return how its reader wants it shown: ``scale``, ``mode`` and ``opacity``.

    Args:
        photo: the photo as the network saw it, a data URI.
        size: height and width of the maps.
        cards: what :func:`card` made of each method.
        key: identity of the grid on its page.
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
    result = component(_FOLDER)(key=key, data=data, default=default, on_display_change=lambda: None)
    return dict(result.get("display") or default["display"])

"""The grid of maps: equal size, one zoom, one choice of colours for all.

The grid is mounted once, and what it shows comes in messages that bring only what is new: a finished map once and
exactly, a map that grows as a small grey picture, a card's words when they change.
"""

from __future__ import annotations

import base64
import json
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from samp_core.compare import SCALES, table, told_apart
from samp_core.methods import METHODS, Settings
from samp_core.render import format_cancellation, format_gap, palette
from samp_core.runs import place_in_words
from samp_core.words import NO_SETTINGS, settings_in_words, start_of
from ui.components.ledger import Ledger
from ui.work.queue import Item

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


def packed(pixel_map: NDArray[np.float64], firm: NDArray[np.bool_] | None = None) -> dict[str, Any]:
    """Return the map as 16-bit integers and what one of them is worth; of copies also the pixels that are firm."""
    unit = float(np.abs(pixel_map).max() or 1.0) / 32767
    shown = {"unit": unit, "values": _encoded(np.round(pixel_map / unit).astype("<i2"))}
    return shown if firm is None else {**shown, "firm": _encoded(firm.astype(np.uint8))}


def _encoded(numbers: NDArray[np.integer[Any]]) -> str:
    return base64.b64encode(numbers.tobytes()).decode()


def placeholder(settings: Settings, button: str, key: str = "") -> dict[str, Any]:
    """Return what the grid shows of a method before the button of this name was pressed."""
    return _card(key or METHODS[settings.method].title, settings, "idle", f"press {button} to see its map")


def _card(key: str, settings: Settings, status: str, words: str) -> dict[str, Any]:
    asked, place = settings_in_words(settings), place_in_words(settings)
    return {
        "key": key,
        "method": settings.method,
        "title": METHODS[settings.method].title,
        # A layer stands once.
        "settings": ", ".join(part for part in asked.split(", ") if part != place) or NO_SETTINGS,
        "place": place,
        "status": status,
        "words": words,
        "error": None,
        "can_cancel": False,
        "lines": [[term, "-"] for term in TERMS],
    }


def card(item: Item) -> dict[str, Any]:
    """Return what the grid shows of one method, but for its map."""
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
    }


def calibrated(item: Item) -> Item:
    """Return an item as it is shown in units of the score; without a map until it can be."""
    if item.entry is None:
        return item
    entry = item.entry.in_units
    return replace(item, entry=item.entry if entry is None and item.final else entry)


def beside(cards: Sequence[dict[str, Any]], asked: Sequence[Settings]) -> list[dict[str, Any]]:
    """Return the cards with what tells each from the others: which twin it is, and a start that others do not share.

    Args:
        cards: what :func:`card` and :func:`placeholder` made.
        asked: the settings of each.
    """
    starts = [start_of(settings) for settings in asked]
    common = Counter(start for start in starts if start).most_common()
    shared = common[0][0] if len(common) > 1 else None
    return [
        shown | {"name": name, "other_start": bool(shared and start and start != shared), "start": start}
        for shown, name, start in zip(cards, told_apart(asked), starts, strict=True)
    ]


@dataclass
class Board:
    """What the browser has of a session's grid.

    Attributes:
        ledger: which photo, maps and cards were sent, and which arrived.
        versions: newest words of each card, and how often they changed.
        growing: the picture of a growing map that was sent last, as item and number.
    """

    ledger: Ledger = field(default_factory=Ledger)
    versions: dict[str, tuple[str, int]] = field(default_factory=dict)
    growing: tuple[int, int] | None = None

    def _is_news(self, shown: dict[str, Any]) -> bool:
        words = json.dumps(shown, sort_keys=True)
        known, version = self.versions.get(shown["key"], ("", 0))
        if words != known:
            version += 1
            self.versions[shown["key"]] = words, version
        return bool(self.ledger.fresh(f"card {shown['key']}", version))

    def message(
        self,
        photo_key: str,
        photo: Callable[[], str],
        size: tuple[int, int],
        cards: Sequence[dict[str, Any]],
        items: Sequence[Item],
        display: dict[str, Any] | None,
    ) -> dict[str, Any]:
        """Return what the grid is to hear now.

        Args:
            photo_key: tells the photo from others.
            photo: makes the photo as the network saw it, a data URI.
            size: height and width of the maps.
            cards: all of them, in their order.
            items: those of them that were begun.
            display: how its reader wants maps shown, for a grid that is new.
        """
        for key in self.versions.keys() - {shown["key"] for shown in cards}:
            del self.versions[key]
            self.ledger.sent.pop(f"card {key}", None)
        data: dict[str, Any] = {
            "height": size[0],
            "width": size[1],
            "keys": [shown["key"] for shown in cards],
            "display": display,
            "photo_series": f"photo {photo_key}",
            "cards": [shown for shown in cards if self._is_news(shown)],
            "maps": [],
        }
        if self.ledger.fresh(data["photo_series"]):
            data["photo"] = photo()
        if self.ledger.fresh("palettes"):
            data["palettes"] = {mode: palette(mode).tolist() for mode in ("signed", "intensity")}
            data["scales"] = SCALES
        for item in items:
            if item.entry is not None:
                # The time tells it from another run's.
                series = f"map {item.key} {item.entry.explanation.seconds} {item.entry.is_calibrated}"
                if self.ledger.fresh(series):
                    data["maps"].append({"key": item.key, "series": series, **packed(item.entry.map, item.entry.firm)})
            elif item.status == "running":
                data["running"] = self._running(item)
        return {**data, "wants": self.ledger.wants, "sent": self.ledger.now}

    def _running(self, item: Item) -> dict[str, Any]:
        shown: dict[str, Any] = {"key": item.key, "progress": round(item.progress, 3), "item": item.number}
        growing = item.growing
        if growing is not None and self.growing != (item.number, growing.number):
            self.growing = item.number, growing.number
            shown |= {"levels": growing.levels, "peak": growing.peak}
        return shown

"""Cards of methods, each with a picture of where its path ran on one photo."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path

from samp_core.methods import METHODS
from ui.components.shelf import Card, Shelf

_PREVIEWS = Path(__file__).parents[2] / "assets" / "path_previews.json"
_NOTE = (
    "The lines are recorded: where each path ran to one photo (the cat), seen in its own plane; dashed, the straight "
    "way."
)
_GROUPS = ("They walk a path", "They have no path")


@cache
def _previews() -> dict[str, list[list[float]]]:
    found: dict[str, list[list[float]]] = json.loads(_PREVIEWS.read_text())
    return found


def method_shelf() -> Shelf:
    """Return a card for every method, those that walk a path first."""
    methods = sorted(METHODS.values(), key=lambda method: not method.has_path)
    cards = [
        Card(m.name, m.title, m.summary, _GROUPS[not m.has_path], path=_previews().get(m.name, ())) for m in methods
    ]
    return Shelf("method", cards, _NOTE)

"""The shelf: a card for every method, with a small picture of where its path ran on one photo."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import cache
from pathlib import Path

from samp_core.methods import METHODS
from ui.components.mount import component

_FOLDER = Path(__file__).parent
_PREVIEWS = Path(__file__).parents[3] / "assets" / "path_previews.json"


@cache
def _previews() -> dict[str, list[list[float]]]:
    found: dict[str, list[list[float]]] = json.loads(_PREVIEWS.read_text())
    return found


def shelf(key: str, on_choose: Callable[[], None]) -> None:
    """Show the cards.

    Args:
        key: what the session calls this; ``session_state[key]["choose"]`` is the name of the method whose card was
            pressed, while ``on_choose`` runs.
        on_choose: called after a card was pressed.
    """
    cards = [
        {
            "name": method.name,
            "title": method.title,
            "summary": method.summary,
            "kind": "path" if method.has_path else "map",
            "path": _previews().get(method.name),
        }
        for method in METHODS.values()
    ]
    component(_FOLDER, with_kit=True)(key=key, data={"cards": cards}, on_choose_change=on_choose)

"""The shelf: a card for every method, with a picture of where its path ran on one photo, to choose one or several."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import streamlit as st

from samp_core.methods import METHODS
from ui.components.mount import component

_FOLDER = Path(__file__).parent
_PREVIEWS = Path(__file__).parents[3] / "assets" / "path_previews.json"


@cache
def _previews() -> dict[str, list[list[float]]]:
    found: dict[str, list[list[float]]] = json.loads(_PREVIEWS.read_text())
    return found


def _cards() -> list[dict[str, Any]]:
    return [
        {
            "name": method.name,
            "title": method.title,
            "summary": method.summary,
            "kind": "path" if method.has_path else "map",
            "path": _previews().get(method.name),
        }
        for method in METHODS.values()
    ]


def shelf(key: str, on_choose: Callable[[str], None]) -> None:
    """Show the cards, of which one is pressed.

    Args:
        key: what the session calls this.
        on_choose: called with the name of the method whose card was pressed.
    """

    def take() -> None:
        name = (st.session_state.get(key) or {}).get("choose")
        if isinstance(name, str) and name in METHODS:
            on_choose(name)

    data = {"cards": _cards(), "chosen": None, "turn": 0, "tray": False}
    component(_FOLDER, with_kit=True)(key=key, data=data, on_choose_change=take)


def choice(key: str, names: Sequence[str], on_choose: Callable[[list[str]], None], tray: bool = False) -> None:
    """Show the cards, of which several can be chosen, or a tray with those that are.

    Args:
        key: what the session calls this.
        names: methods that are chosen.
        on_choose: called with those that are chosen after a press.
        tray: whether only those are shown, small.
    """
    turn = f"{key}-turn"

    def take() -> None:
        told = (st.session_state.get(key) or {}).get("choose")
        match told:
            case {"names": list(found), "turn": int(number)}:
                st.session_state[turn] = number
                on_choose([name for name in dict.fromkeys(map(str, found)) if name in METHODS])

    data = {"cards": _cards(), "chosen": list(names), "turn": st.session_state.get(turn, 0), "tray": tray}
    component(_FOLDER, with_kit=True)(key=key, data=data, on_choose_change=take)

"""The player: one component that shows all lanes live and replays them, so that nothing jumps when a run ends."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from ui.component import component

_FOLDER = Path(__file__).parent
DISPLAY = {"mode": "signed", "opacity": 0.75}


def player() -> None:
    """Mount the player; what it shows comes by :func:`feed`."""
    component(_FOLDER, kit=True)(key="player")


def feed(data: dict[str, Any], key: str, on_act: Callable[[], None]) -> dict[str, Any]:
    """Send the player its next message, and return how its reader wants maps displayed: ``mode`` and ``opacity``.

    Args:
        data: what :func:`ui.stage.scene.scene` builds.
        key: what the session calls this; ``session_state[key]`` holds ``have`` (what arrived) and ``act``.
        on_act: called after a button of a lane was pressed.
    """
    result = component(_FOLDER.parent / "feed")(
        key=key,
        data=data,
        default={"display": DISPLAY, "have": None},
        on_display_change=lambda: None,
        on_have_change=lambda: None,
        on_act_change=on_act,
    )
    return dict(result.get("display") or DISPLAY)

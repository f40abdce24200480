"""The player: one component that shows all lanes live and replays them, so that nothing jumps when a run ends."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ui.component import component

_FOLDER = Path(__file__).parent
DISPLAY = {"mode": "signed", "opacity": 0.75}


def player(data: dict[str, Any], key: str, on_act: Any) -> dict[str, Any]:
    """Mount the player and return what it says: ``have`` (what arrived) and ``display`` (``mode``, ``opacity``).

    Args:
        data: what :func:`ui.stage.scene.scene` builds.
        key: identity of the player on its page.
        on_act: called after a button of a lane was pressed; ``session_state[key].act`` says which.
    """
    result = component(_FOLDER, kit=True)(
        key=key,
        data=data,
        default={"display": DISPLAY, "have": None},
        on_display_change=lambda: None,
        on_have_change=lambda: None,
        on_act_change=on_act,
    )
    return {"have": result.get("have"), "display": dict(result.get("display") or DISPLAY)}

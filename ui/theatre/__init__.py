"""The player: one component that shows a run live and replays it, so that nothing jumps when it ends."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

from samp_core.render import palette
from ui.component import component

_FOLDER = Path(__file__).parent


@cache
def _palettes() -> dict[str, list[list[int]]]:
    return {mode: palette(mode).tolist() for mode in ("signed", "intensity")}


def theatre(data: dict[str, Any], key: str) -> dict[str, Any]:
    """Mount the player and return how its reader wants maps displayed: ``mode`` and ``opacity``.

    Args:
        data: what :func:`ui.scenes.scene` builds.
        key: identity of the player on its page.
    """
    default = {"display": {"mode": "signed", "opacity": 0.75}}
    shown = {**data, "palettes": _palettes()}
    result = component(_FOLDER)(key=key, data=shown, default=default, on_display_change=lambda: None)
    return dict(result.get("display") or default["display"])

"""The player: one component that shows all lanes live and replays them, so that nothing jumps when a run ends."""

from __future__ import annotations

from pathlib import Path

from ui.components.mount import component

_FOLDER = Path(__file__).parent
VIEW = "sampStage"  # the browser's name for it
DISPLAY = {"mode": "signed", "opacity": 0.75}


def player() -> None:
    """Mount the player; what it shows comes by :func:`ui.components.feed.feed`, to :data:`VIEW`."""
    component(_FOLDER, kit=True)(key="player")

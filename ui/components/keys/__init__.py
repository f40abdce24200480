"""Arrow keys that turn the scenes."""

from __future__ import annotations

from pathlib import Path

from ui.components.mount import component

_FOLDER = Path(__file__).parent


def arrow_keys() -> None:
    """Let the left and right arrow keys (or PageUp and PageDown) turn the scenes."""
    component(_FOLDER)(key="learn-keys")

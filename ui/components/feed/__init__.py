"""Messages to a view in the browser that is mounted once and shows what comes: the stage's player, Compare's grid."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from ui.components.mount import component


def feed(
    view: str, data: dict[str, Any], key: str, on_act: Callable[[], None], display: dict[str, Any]
) -> dict[str, Any]:
    """Send a view its next message, and return how its reader wants it displayed.

    Args:
        view: the browser's name for the view.
        data: the message.
        key: what the session calls this; ``session_state[key]`` holds ``have`` (what arrived) and ``act``.
        on_act: called after a button inside the view was pressed.
        display: how it is displayed until somebody chooses.
    """
    result = component(Path(__file__).parent)(
        key=key,
        data={**data, "view": view},
        default={"display": display, "have": None},
        on_display_change=lambda: None,
        on_have_change=lambda: None,
        on_act_change=on_act,
    )
    return dict(result.get("display") or display)

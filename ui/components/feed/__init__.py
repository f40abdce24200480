"""Messages to a view in the browser that is mounted once and shows what comes: the stage's player, Compare's grid."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import streamlit as st

from ui.components.mount import component
from ui.components.numbers import readable


def feed(
    view: str, data: dict[str, Any], key: str, on_act: Callable[[dict[str, Any]], None], display: dict[str, Any]
) -> dict[str, Any]:
    """Send a view its next message, and return how its reader wants it displayed.

    Args:
        view: the browser's name for the view.
        data: the message.
        key: what the session calls this; ``session_state[key]`` holds ``have``, what arrived, and ``wired``, which is
            False where the view hears nothing on the wire that a message names as ``live``.
        on_act: called with what a button inside the view asks for, once for every press.
        display: how it is displayed until somebody chooses.
    """
    result = component(Path(__file__).parent)(
        key=key,
        data=readable({**data, "view": view}),
        default={"display": display, "have": None, "wired": None},
        on_display_change=lambda: None,
        on_have_change=lambda: None,
        on_wired_change=lambda: None,
        on_over_change=lambda: None,
        on_act_change=lambda: pressed(key, on_act),
    )
    return dict(result.get("display") or display)


def hears(key: str) -> bool:
    """Say whether the view with this ``key`` hears on its wire, as far as is known."""
    return (st.session_state.get(key) or {}).get("wired") is not False


def pressed(key: str, on_act: Callable[[dict[str, Any]], None]) -> None:
    """Hand ``on_act`` the press that the session holds under ``key``, unless it was handed over before."""
    # A run of the script that is begun anew while it answers a press can be handed the same press again: a copy put
    # beside a lane would be two. The view numbers its presses.
    act = dict((st.session_state.get(key) or {}).get("act") or {})
    if act and st.session_state.get(f"{key}-heard") != act.get("number"):
        st.session_state[f"{key}-heard"] = act.get("number")
        on_act(act)

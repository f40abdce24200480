"""The player's files, as a browser takes them; pages and films mount the very same ones."""

from __future__ import annotations

from html import escape
from pathlib import Path
from typing import Any

_FOLDER = Path(__file__).parent
# One module: a later one may use an earlier one's names.
_SCRIPTS = ("kit", "points", "view", "charts", "pointing", "overlay", "slow", "tour", "mount")


def kit() -> str:
    """Return the functions that every view in the browser is made of, as the beginning of a script."""
    return (_FOLDER / "kit.js").read_text(encoding="utf-8")


def player_parts() -> dict[str, Any]:
    """Return the player's ``html``, ``css`` and ``js``, as a component of a page."""
    return {**parts(), "js": f"{script()}\nexport default mountPlayer;\n"}


def script() -> str:
    """Return the player's whole script; ``mountPlayer`` puts it on a page, ``sampStage.view`` takes messages."""
    return "\n".join((_FOLDER / f"{name}.js").read_text(encoding="utf-8") for name in _SCRIPTS)


def film_page(title: str, message: str, head: str) -> str:
    """Return a page that holds the player and one message for it, and that loads nothing.

    Args:
        title: of the page, as text.
        message: what the player shows, as JSON.
        head: what stands above the player, as HTML.
    """
    files = parts()
    # Inside a script element, "</script>" and "<!--" would be read as HTML.
    safe = message.replace("<", "\\u003c")
    page = (_FOLDER / "film.html").read_text(encoding="utf-8")
    for name, content in {
        "TITLE": escape(title), "STYLE": files["css"], "HEAD": head, "PLAYER": files["html"], "SCRIPT": script(),
        "MESSAGE": safe,
    }.items():  # fmt: skip
        page = page.replace(f"<!--{name}-->", content, 1)
    return page


def parts() -> dict[str, Any]:
    """Return the player's ``html`` and ``css``."""
    return {ending: (_FOLDER / f"player.{ending}").read_text(encoding="utf-8") for ending in ("html", "css")}

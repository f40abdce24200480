"""Where a session's results of many photos are kept: in a folder of its own, which no other session can name."""

from __future__ import annotations

import os
import re
from pathlib import Path
from uuid import uuid4

import streamlit as st

DEFAULT = "metrics"
_NAME = re.compile(r"\w(?:[\w .-]{0,58}\w)?")


def _folder() -> Path:
    session: str = st.session_state.setdefault("bench-session", uuid4().hex)
    return Path(os.environ.get("SAMP_RESULTS") or "results/sessions") / session


def store_names() -> list[str]:
    """Return the names of the session's results, in order."""
    return sorted(path.stem for path in _folder().glob("*.sqlite"))


def store_path(name: str) -> Path:
    """Return the file of results of this name; it need not be there.

    Raises:
        ValueError: the name is more than a name.
    """
    if not _NAME.fullmatch(name):
        raise ValueError(
            "That is no plain name. Give up to 60 letters, digits, spaces, dots, hyphens and underscores, the first "
            "and last of them a letter or digit."
        )
    return _folder() / f"{name}.sqlite"

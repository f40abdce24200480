"""The presenter's view: large type, no sidebar, keys that work at once."""

from __future__ import annotations

import streamlit as st

from ui.shared import kept

_ROOM = """<style>
  html { font-size: %dpx !important; }  /* all sizes follow it */
  [data-testid="stSidebar"], [data-testid="stSidebarCollapsedControl"], [data-testid="stExpandSidebarButton"] {
    display: none !important; }
  .block-container { max-width: 1900px; %s }
  [data-testid="stMain"]:focus-visible::before { box-shadow: none !important; }  /* arrow keys would frame the page */
</style>"""


def enlarge(letters: int, style: str = "") -> None:
    """Give the page large type, in pixels, and all of the window; ``style`` is CSS for what holds the page."""
    st.html(_ROOM % (letters, style))


def heading(title: str, keys: str) -> None:
    """Write a page's title with the switch of the presenter's view, and give it that view where it is on.

    Args:
        title: the title.
        keys: what the keys do there, in words.
    """
    with st.container(horizontal=True, vertical_alignment="center", key="page-heading"):
        st.title(title, anchor=False)
        with st.container(width="content"):
            on = kept.Flag("presenting").toggle("Present", key="presenting", help=f"Large type and no sidebar. {keys}")
    if on:
        enlarge(19, "padding: 0.8rem 1.6rem 1.6rem;")


def presenting() -> bool:
    """Say whether the page is being presented."""
    return kept.Flag("presenting").value()

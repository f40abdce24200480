"""The lesson: its scenes in order, how to turn them, and the presenter's view."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import streamlit as st

from samp_core.methods import Value
from ui.components.keys import arrow_keys
from ui.learn import digits, greedy, trust, two
from ui.learn.look import KEPT
from ui.shared import kept
from ui.shared.lanes import open_with

_PRESENT = """<style>
  html { font-size: 20px !important; }  /* all sizes follow it */
  [data-testid="stSidebar"], [data-testid="stSidebarCollapsedControl"], [data-testid="stExpandSidebarButton"] {
    display: none !important; }
  .block-container { max-width: 1900px; padding-top: 1rem; }
  [data-testid="stMain"]:focus-visible::before { box-shadow: none !important; }  /* arrow keys would frame the page */
</style>"""


@dataclass(frozen=True)
class Scene:
    """One scene: its name in the link, its title, what draws it, the method that it leads to, and its knobs there."""

    slug: str
    title: str
    draw: Callable[[], None]
    method: str
    settings: Callable[[], dict[str, Value]]


SCENES = (
    Scene("paths", "One function, many paths", two.one_function, "samp", two.FUNCTION.settings),
    Scene("prefer", "Which path should we prefer?", two.concentration, "samp", two.PRINCIPLE.settings),
    Scene("greedy", "Why greedy", greedy.why_greedy, "samp", greedy.settings),
    Scene("digits", "Digits", digits.scene, "samp++", digits.settings),
    Scene("trust", "Trust, but verify", trust.verify, "samp++", trust.settings),
)


def _turn(by: int) -> None:
    slugs = [s.slug for s in SCENES]
    st.session_state["scene"] = slugs[(slugs.index(st.session_state["scene"]) + by) % len(slugs)]


def _come_back() -> None:
    """Forget that the browser's Back led here, if its link says nothing of the lesson.

    Streamlit leaves a page by a link without what is bound to it, and sets that to its default when Back meets such a
    link: knobs and drawings would be lost. An ordinary run finds them as they were.
    """
    if "scene" in st.query_params or not st.session_state.get("lesson-left"):
        st.session_state["lesson-left"] = True
    else:
        st.session_state["lesson-left"] = False  # or such a link would be met for ever
        st.rerun()


def lesson() -> None:
    """Show the chosen scene with its title, the way to the others, and the link into Explain."""
    _come_back()
    titles = {s.slug: f"{n}. {s.title}" for n, s in enumerate(SCENES, start=1)}
    linked = str(st.query_params.get("scene"))
    with st.container(horizontal=True, vertical_alignment="center"):
        slug = st.segmented_control(
            "Scene", list(titles), format_func=titles.__getitem__, key="scene", required=True,
            default=linked if linked in titles else SCENES[0].slug, label_visibility="collapsed", wrap=True,
            persist_state="session",
        )  # fmt: skip
        st.query_params["scene"] = str(slug)  # bound by hand: the link holds a short name and not the title
        presenting = st.toggle(
            "Present", key="present", **KEPT,
            help="Large type and no sidebar. The left and right arrow keys turn the scenes.",
        )  # fmt: skip
    if presenting:
        st.html(_PRESENT)
    scene = next((s for s in SCENES if s.slug == slug), SCENES[0])
    st.title(scene.title, anchor=False)
    scene.draw()
    with st.container(horizontal=True, vertical_alignment="center"):
        place = SCENES.index(scene)
        st.button("Back", on_click=_turn, args=(-1,), key="learn-back", disabled=place == 0)
        st.button(
            "Next", on_click=_turn, args=(1,), key="learn-next", type="primary", disabled=place == len(SCENES) - 1
        )
        if st.button("Try it on a photo", key="learn-explain"):
            open_with(scene.method, **scene.settings())
            # Named, though it may be empty: Streamlit refuses to drop bound parameters by itself.
            st.switch_page("pages/1_Explain.py", query_params=kept.link())
    arrow_keys()

"""The lesson: its scenes in order, how to turn them, the presenter's view, and what the teacher alone sees."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import streamlit as st

from samp_core.methods import Value
from ui.components.keys import arrow_keys
from ui.learn import digits, greedy, photo, reading, trust, two
from ui.learn.look import KEPT, dress
from ui.shared import kept
from ui.shared.lanes import open_with


@dataclass(frozen=True)
class Scene:
    """One scene.

    Attributes:
        slug: its name in the link.
        title: its heading.
        draw: draws it, between the heading and the way to the other scenes.
        method: the method that it leads to on Explain.
        settings: its knobs there.
        behind: draws its formula and its sources.
        notes: for the teacher: what to ask, what to show, and the usual misunderstanding.
    """

    slug: str
    title: str
    draw: Callable[[], None]
    method: str
    settings: Callable[[], dict[str, Value]]
    behind: Callable[[], None]
    notes: str


SCENES = (
    Scene(
        "paths", "One function, many paths", two.one_function, "samp", two.FUNCTION.settings, two.integral,
        two.NOTES_PATHS,
    ),
    Scene(
        "prefer", "Which path should we prefer?", two.concentration, "samp", two.PRINCIPLE.settings, two.principle,
        two.NOTES_PREFER,
    ),
    Scene("greedy", "Why greedy", greedy.why_greedy, "samp", greedy.settings, greedy.behind, greedy.NOTES),
    Scene("digits", "Digits", digits.scene, "samp++", digits.settings, digits.behind, digits.NOTES),
    Scene("trust", "Trust, but verify", trust.verify, "samp++", trust.settings, trust.behind, trust.NOTES),
    Scene("code", "Reading code", reading.reading, "agi", reading.settings, reading.behind, reading.NOTES),
    Scene("photo", "The real search", photo.scene, "samp", photo.settings, photo.behind, photo.NOTES),
)  # fmt: skip


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


def _choose() -> tuple[Scene, bool]:
    """Draw the scenes' names and the switch; return the chosen scene, and whether it is presented."""
    linked = str(st.query_params.get("scene"))
    # The same words in every view (the presented one hides the titles): a choice travels as its words, and one made
    # while they change would be refused.
    slugs = {scene.slug: f"{n}. *{scene.title}*" for n, scene in enumerate(SCENES, start=1)}
    with st.container(horizontal=True, vertical_alignment="center", key="scene-bar"):
        tabs = st.container(width="content")
        place = st.container()
        presenting = st.container(width="content").toggle(
            "Present", key="present", **KEPT,
            help="Large type and no sidebar. The left and right arrow keys turn the scenes.",
        )  # fmt: skip
        with tabs:
            slug = st.segmented_control(
                "Scene", list(slugs), key="scene", required=True, label_visibility="collapsed", wrap=True,
                format_func=slugs.__getitem__,
                default=linked if linked in slugs else SCENES[0].slug, persist_state="session",
            )  # fmt: skip
        scene = next((s for s in SCENES if s.slug == slug), SCENES[0])
        if presenting:
            place.title(scene.title, anchor=False)
    st.query_params["scene"] = scene.slug  # bound by hand: the link holds a short name and not the title
    return scene, bool(presenting)


def lesson() -> None:
    """Show the chosen scene with its title, the way to the others, and the link into Explain."""
    _come_back()
    scene, presenting = _choose()
    dress()
    if not presenting:
        st.title(scene.title, anchor=False)
    scene.draw()
    place = SCENES.index(scene)
    with st.container(horizontal=True, vertical_alignment="center", key="scene-foot"):
        st.button("Back", on_click=_turn, args=(-1,), key="learn-back", disabled=place == 0)
        st.button(
            "Next", on_click=_turn, args=(1,), key="learn-next", type="primary", disabled=place == len(SCENES) - 1
        )
        leave = st.button("Try it on a photo", key="learn-explain")
        with st.popover("Formula and sources", key="scene-behind"):
            scene.behind()
        if not presenting:
            with st.popover("Teacher's notes", key="scene-notes"):
                st.markdown(scene.notes)
    if leave:
        open_with(scene.method, **scene.settings())
        # Named, though it may be empty: Streamlit refuses to drop bound parameters by itself.
        st.switch_page("pages/1_Explain.py", query_params=kept.link())
    arrow_keys()

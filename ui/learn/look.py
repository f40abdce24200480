"""What the scenes share: how they fill a screen, knobs that last, colours with one meaning, and the digit network."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import Any

import plotly.graph_objects as go
import streamlit as st
from streamlit.delta_generator import DeltaGenerator
from threadpoolctl import ThreadpoolController

from samp_core.classifiers import Classifier
from samp_core.digits import load_digits, samples
from samp_core.methods import default_settings, make_method
from samp_core.render import LANES
from ui.shared import present
from ui.shared.plots import PLAIN

KEPT: dict[str, Any] = {"bind": "query-params", "persist_state": "session"}
"""For every knob: its value stands in the page's link, and stays while other scenes and pages are shown."""

_LARGE = 18  # px, of the letters in a plot that is shown to a room
_GREYS = {"light": ("#1c1b22", "#6b6875", "#b9b6c2"), "dark": ("#ecebf2", "#a3a0ae", "#5d5b68")}

_STYLE = """<style>
  .st-key-scene [role=radio] em { font-style: normal; }
  .st-key-question { border-color: light-dark(#a6a1ea, #6b67c4) !important; padding: 0.7rem 1rem 0.8rem !important; }
  .st-key-question-row > :has([data-testid="stMarkdown"]) { flex: 1 1 11rem !important; }
  .st-key-scene-lead > :has([data-testid="stMarkdown"]), .st-key-digit-part > :has([data-testid="stCaptionContainer"]) {
    flex: 1 1 auto !important; }
  .st-key-question [data-testid="stBaseButton-tertiary"] p { text-decoration: underline; text-underline-offset: 3px;
    color: light-dark(#6d1fd0, #b98cf7); }
  .legend { display: flex; flex-wrap: wrap; gap: 2px 16px; font-size: 0.9rem; }
  .legend span { white-space: nowrap; }
  .legend i { display: inline-block; width: 28px; vertical-align: middle; }
  .scene-waits { display: grid; place-items: center; min-height: 7rem; height: 100%; border-radius: 8px; padding: 1rem;
    border: 1px dashed rgba(128, 128, 140, 0.5); text-align: center; box-sizing: border-box;
    color: light-dark(#5b5964, #b6b4c0); }
  [data-testid="stMain"] h4 { font-size: 1.05rem !important; padding: 0.2rem 0 0.3rem !important; }
  [data-testid="stPopoverBody"] { max-width: min(40rem, 94vw); }
  [data-testid="stPopoverBody"] .katex { font-size: 1.02em; }
  /* A scene fills the window: what can grow in it (plots, boards) takes the room that words and knobs leave. */
  @media (min-width: 1000px) and (min-height: 640px) {
    .block-container { height: 100dvh; padding-top: 1.6rem; padding-bottom: 1.4rem; box-sizing: border-box;
      display: flex; flex-direction: column; }
    .block-container > [data-testid="stVerticalBlock"] { flex: 1 0 auto; gap: 0.75rem; }
    .block-container > [data-testid="stVerticalBlock"] > * { flex-shrink: 0; }
    [data-testid="stLayoutWrapper"]:has(> .st-key-scene-body),
    .st-key-scene-body > [data-testid="stLayoutWrapper"] { flex: 1 0 auto !important; display: flex; }
    .st-key-scene-body { flex: 1 0 auto !important; display: flex; flex-direction: column; height: auto !important; }
    .st-key-scene-body > * > [data-testid="stHorizontalBlock"] { flex: 1 0 auto; width: 100%; align-items: stretch;
      flex-wrap: nowrap; }
    .st-key-scene-body [data-testid="stColumn"] { display: flex; flex-direction: column; }
    .st-key-scene-body [data-testid="stColumn"] > [data-testid="stVerticalBlock"] { flex: 1 0 auto; height: auto;
      gap: 0.6rem; }
    .st-key-scene-body [data-testid="stElementContainer"]:is(:has([data-testid="stPlotlyChart"]), :has(.scene-waits)) {
      flex: 1 0 var(--least, 10rem) !important; min-height: var(--least, 10rem); height: auto !important;
      position: relative; }
    .st-key-scene-body [data-testid="stFullScreenFrame"]:has([data-testid="stPlotlyChart"]),
    .st-key-scene-body [data-testid="stHtml"]:has(.scene-waits) { position: absolute; inset: 0;
      height: 100% !important; overflow: clip; }
    [class*="st-key-board-"] { --board-height: calc(100dvh - 24rem); }
  }
  @media (max-width: 999.9px), (max-height: 639.9px) {
    [data-testid="stElementContainer"]:has([data-testid="stPlotlyChart"]) { height: 21rem !important;
      flex: none !important; }
  }
</style>"""

_PRESENT = """<style>
  .st-key-scene [role=radio] em { display: none; }
  .st-key-scene-bar h1 { font-size: 1.35rem !important; padding: 0 !important; line-height: 1.2; margin: 0; }
  .st-key-scene-bar [data-testid="stHeading"] { margin: 0; transform: translateY(-0.2rem); }
  .st-key-question { padding: 0.4rem 0.8rem 0.5rem !important; gap: 0.3rem !important; }
  @media (min-width: 1000px) and (min-height: 640px) {
    .block-container { padding: 0.6rem 1.6rem 0.6rem; }
    .block-container > [data-testid="stVerticalBlock"] { gap: 0.45rem; }
    .st-key-scene-body [data-testid="stColumn"] > [data-testid="stVerticalBlock"] { gap: 0.4rem; }
    [class*="st-key-board-"] { --board-height: calc(100dvh - 16.4rem); }
    .st-key-scene-body:has(.legend) [class*="st-key-board-"] { --board-height: calc(100dvh - 17.6rem); }
    .digits-row.maps { --map: calc(100dvh - 25rem); }
    .st-key-digit-pen { max-width: calc(100dvh - 24rem); }
    .st-key-verdict :is(h4, [data-testid="stHeadingWithActionElements"]) { float: left; margin-right: 0.25em; }
    .st-key-verdict h4 { padding: 0.05rem 0 0 !important; }
  }
</style>"""


def dress() -> None:
    """Give the page the lesson's look: a scene fills the window, and speaks up where it is presented."""
    st.html(_STYLE)
    if presenting():
        present.enlarge(20)
        st.html(_PRESENT)


@st.cache_resource(show_spinner=False)
def digit_network() -> Classifier:
    """Return the prepared digit network, shared by all sessions and never changed by any."""
    classifier = load_digits().prepare()
    # The first run takes half a second longer than all others: nobody should wait for it pen in hand.
    with one_thread():
        method = make_method(classifier, default_settings("samp", steps=4, target=0))
        method.explain(classifier.inputs(samples()[0]), 0)
    return classifier


@st.cache_resource(show_spinner=False)
def _threads() -> ThreadpoolController:
    return ThreadpoolController()


def one_thread() -> AbstractContextManager[object]:
    """Keep the networks' arithmetic in this thread alone.

    So small a network gains nothing from a second thread, and threads that wait for each other on a busy computer
    lose a lot. The limit holds for the calling thread alone.
    """
    limit: AbstractContextManager[object] = _threads().limit(limits=1, user_api="openmp")
    return limit


def presenting() -> bool:
    """Say whether the lesson is being presented."""
    return bool(st.session_state.get("present"))


def dark() -> bool:
    """Say whether the reader's theme is dark."""
    return st.context.theme.type == "dark"


def _scheme() -> str:
    return "dark" if dark() else "light"


def lane(number: int) -> str:
    """Return the colour of a path: 0 is SAMP's, 1 the straight line's; on every page the same."""
    return LANES[_scheme()][number]


def grey(number: int) -> str:
    """Return a colour of what is no path: 0 as strong as the text, 1 quieter, 2 the faintest."""
    return _GREYS[_scheme()][number]


def tint(colour: str, share: float) -> str:
    """Return a colour that lets the ground through: ``share`` of it is left, 0 to 1."""
    red, green, blue = (int(colour[at : at + 2], 16) for at in (1, 3, 5))
    return f"rgba({red},{green},{blue},{share})"


def opening(words: str, knobs: int) -> tuple[list[DeltaGenerator], DeltaGenerator]:
    """Say what a scene shows; return places for its knobs, and a place beside the words.

    The knobs' places are a row, or where the scene is presented all in a popover.

    Args:
        words: the scene in a sentence or two.
        knobs: how many places are wanted.
    """
    with st.container(horizontal=True, vertical_alignment="center", key="scene-lead", wrap=not presenting()):
        st.markdown(words)
        beside = st.container(width="content")
        if presenting():
            return [st.popover("Settings", width="content", key="scene-settings")] * knobs, beside
    return list(st.columns(knobs)), beside


def body(left: float, right: float) -> tuple[DeltaGenerator, DeltaGenerator]:
    """Return the two columns of a scene, as high as the window lets them be."""
    with st.container(key="scene-body"):
        first, second = st.columns([left, right], gap="medium" if presenting() else "large")
    return first, second


def waits(words: str) -> None:
    """Keep the place of what is shown once the reader has answered."""
    st.html(f'<div class="scene-waits">{words}</div>')


def view(options: Sequence[str], key: str) -> str:
    """Let the reader choose which part of a scene the window shows; return it."""
    chosen = st.segmented_control(
        "View", options, default=options[0], required=True, key=f"{key}-room" if presenting() else key,
        label_visibility="collapsed", persist_state="session", wrap=True,
    )  # fmt: skip
    return str(chosen)


def show(plot: go.Figure, key: str, words: str) -> None:
    """Draw a plot as high as its place, with large letters where it is presented.

    Args:
        plot: what to draw; its letters are enlarged in place.
        key: identity of the plot on its page.
        words: the plot in words.
    """
    if presenting():
        plot.update_layout(font_size=_LARGE, legend_font_size=_LARGE)
        plot.update_xaxes(tickfont_size=_LARGE, title_font_size=_LARGE)
        plot.update_yaxes(tickfont_size=_LARGE, title_font_size=_LARGE)
        plot.update_annotations(font_size=_LARGE)
        plot.update_traces(textfont_size=_LARGE, constraintext="none", selector={"type": "bar"})
        plot.update_traces(textfont_size=_LARGE, selector={"type": "scatter"})
    st.plotly_chart(plot, config=PLAIN, key=key, alt=words, height="stretch")

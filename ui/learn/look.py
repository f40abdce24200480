"""What the scenes share: knobs that last, the digit network, and plots as large as the room needs."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Any

import plotly.graph_objects as go
import streamlit as st
from threadpoolctl import ThreadpoolController

from samp_core.classifiers import Classifier
from samp_core.digits import load_digits, samples
from samp_core.methods import default_settings, make_method
from ui.shared.plots import PLAIN

KEPT: dict[str, Any] = {"bind": "query-params", "persist_state": "session"}
"""For every knob: its value stands in the page's link, and stays while other scenes and pages are shown."""

_LARGE = 19  # px, of the letters in a plot that is shown to a room


@st.cache_resource(show_spinner=False)
def digit_network() -> Classifier:
    """Return the prepared digit network, shared by all sessions and never changed by any."""
    classifier = load_digits().prepare()
    # The first run takes half a second longer than all others: nobody should wait for it pen in hand.
    with one_thread():
        method = make_method(classifier, default_settings("samp", steps=4, target=0))
        method.explain(classifier.preprocessing(samples()[0]), 0)
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


def show(plot: go.Figure, key: str, words: str) -> None:
    """Draw a plot, with large letters where it is presented.

    Args:
        plot: what to draw; its letters are enlarged in place.
        key: identity of the plot on its page.
        words: the plot in words.
    """
    if presenting():
        plot.update_layout(font_size=_LARGE, legend_font_size=_LARGE, height=round(1.25 * (plot.layout.height or 400)))
        plot.update_xaxes(tickfont_size=_LARGE, title_font_size=_LARGE)
        plot.update_yaxes(tickfont_size=_LARGE, title_font_size=_LARGE)
    st.plotly_chart(plot, config=PLAIN, key=key, alt=words)

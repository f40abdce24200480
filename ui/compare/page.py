"""The page: choice, run, cards as they come, and what is below them."""

from __future__ import annotations

import streamlit as st

from samp_core.methods import Settings
from ui.compare.results import below
from ui.shared import state
from ui.shared.outcome import explained
from ui.shared.picker import choice, estimate, in_units, removable
from ui.shared.room import room
from ui.shared.shelf import keep_finished
from ui.shared.sidebar import Question
from ui.shared.table import Table, to_the_stage
from ui.work.queue import Queue


def _run(question: Question, wanted: list[Settings], queue: Queue | None, polling: bool) -> None:
    problem = None if wanted else "Choose at least one method."
    with room("run", horizontal=True, vertical_alignment="center"):
        if queue is not None and polling:
            st.button("Cancel all", on_click=queue.cancel, key="cancel-all")
        elif st.button("Run", type="primary", key="run-all", disabled=problem is not None):
            state.start_queue(question.classifier, question.photo, question.network, wanted)
            st.rerun()
        st.markdown(problem or estimate(question, wanted))


def show(question: Question) -> None:
    """Show the comparison of many methods on a photo, network and class."""
    to_the_stage("compare")
    asked = {state.run_key(question.network, question.photo, s): s for s in choice(question, twins=True)}
    wanted, queue = list(asked.values()), state.queue()
    polling = queue is not None and queue.active
    _run(question, wanted, queue, polling)
    if queue is not None and not polling and queue.photo_key != question.photo.fingerprint:
        queue = None  # another photo: its grid would be about something else
    with st.container(horizontal=True, vertical_alignment="center"):
        explained(queue, question, wanted)
        units = in_units("compare-units")
    Table(question, asked, queue, removable(question), polling, units, "compare").show()
    if queue is not None and not polling:
        keep_finished()  # it may have ended since this run of the script began
        below(queue, st.session_state.get("grid-display") or {}, units)

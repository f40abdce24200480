"""The page: choice, run, cards as they come, and what is below them."""

from __future__ import annotations

from dataclasses import dataclass

import streamlit as st

from samp_core.film import data_uri
from samp_core.methods import Settings
from ui.compare.cards import Board, beside, card, placeholder
from ui.compare.results import below, explained, status
from ui.components.feed import feed
from ui.components.grid import DISPLAY, VIEW, grid
from ui.shared import kept, state
from ui.shared.lanes import current, put_beside
from ui.shared.link import from_text, to_text
from ui.shared.picker import choice, estimate, removable, remove
from ui.shared.room import room
from ui.shared.sidebar import Question
from ui.work.queue import Queue

_NEWS = "grid-news"


@dataclass(frozen=True)
class _Table:
    """What the cards are about: the question, what is asked of which methods, and the comparison that is shown."""

    question: Question
    asked: dict[str, Settings]
    queue: Queue | None
    further: dict[str, Settings]
    polling: bool  # as the page was drawn: the comparison may end while it is

    @property
    def stale(self) -> bool:
        return self.queue is not None and [i.key for i in self.queue.items] != list(self.asked)

    def act(self) -> None:
        """Do what a card's own button asks for."""
        pressed = (st.session_state.get(_NEWS) or {}).get("act") or {}
        key, what = str(pressed.get("key")), pressed.get("what")
        settings = {i.key: i.settings for i in (self.queue.items if self.queue else ())} | self.asked
        if what == "cancel" and self.queue is not None:
            self.queue.cancel_item(key)
        elif what == "stage" and key in settings:
            st.session_state["compare-lane"] = from_text(to_text(settings[key]))
        elif what == "remove":
            remove(self.question, key)
            if self.queue is not None:
                self.queue.remove(key)
        st.session_state["compare-acted"] = True

    def cards(self) -> None:
        """Send the grid what is new."""
        if "compare-acted" in st.session_state:  # until the whole page has run: a message may come between
            st.rerun()
        queue, question = self.queue, self.question
        preprocessing = (question if queue is None else queue).classifier.preprocessing
        image = question.photo.image if queue is None else queue.image
        status(queue, self.stale)
        items = [] if queue is None else queue.items
        there = {item.key for item in items}
        # Beside a comparison that is shown, only what was added to it is new; another choice waits for Run.
        rest = {k: s for k, s in self.asked.items() if queue is None or (k in self.further and k not in there)}
        shown = [card(i) for i in items] + [placeholder(s, key) for key, s in rest.items()]
        for each in shown:
            each |= {"is_further": each["key"] in self.further, "can_remove": not self.polling}
        board: Board = st.session_state.setdefault("grid-board", Board())
        board.ledger.hear((st.session_state.get(_NEWS) or {}).get("have"))
        message = board.message(
            f"{question.photo.fingerprint if queue is None else queue.photo_key} {preprocessing.crop}",
            lambda: data_uri(preprocessing.crop_image(image).convert("RGB")),
            preprocessing.crop,
            beside(shown, [i.settings for i in items] + list(rest.values())),
            items,
            st.session_state.get("grid-display"),
        )
        with st.container(key="grid-news-place"):  # it has nothing to show
            st.session_state["grid-display"] = feed(VIEW, message, _NEWS, self.act, DISPLAY)


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
    st.session_state.pop("compare-acted", None)
    if (lane := st.session_state.pop("compare-lane", None)) is not None:
        put_beside(current(), lane)
        # Named, though it may be empty: Streamlit refuses to drop bound parameters by itself.
        st.switch_page("pages/1_Explain.py", query_params=kept.link())
    asked = {state.run_key(question.network, question.photo, s): s for s in choice(question, twins=True)}
    wanted, queue = list(asked.values()), state.queue()
    polling = queue is not None and queue.active
    _run(question, wanted, queue, polling)
    if queue is not None and not polling and queue.photo_key != question.photo.fingerprint:
        queue = None  # another photo: its grid would be about something else
    table = _Table(question, asked, queue, removable(question), polling)
    explained(queue, question, wanted)

    def cards() -> None:
        table.cards()
        if polling and queue is not None and not queue.active:
            st.rerun()  # everything is done

    st.fragment(cards, run_every=0.3 if polling else None)()
    grid()
    if queue is not None and not polling:
        below(queue, st.session_state.get("grid-display") or {})

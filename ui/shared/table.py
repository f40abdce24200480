"""Maps of one photo as cards: what Compare and Tune send the grid, and what its buttons do."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass
from typing import Any

import streamlit as st

from samp_core.films import data_uri
from samp_core.methods import Settings
from ui.components.feed import feed, hears
from ui.components.grid import DISPLAY, VIEW, grid
from ui.components.wire import POLL, WIRED, Wire, wire_of
from ui.shared import kept
from ui.shared.cards import Board, beside, calibrated, card, placeholder
from ui.shared.lanes import current, put_beside
from ui.shared.link import from_text, to_text
from ui.shared.outcome import status
from ui.shared.picker import remove
from ui.shared.present import presenting
from ui.shared.sidebar import Question
from ui.work.queue import Queue


def to_the_stage(name: str) -> None:
    """Go where a card's button has led since the page called ``name`` was last drawn."""
    st.session_state.pop(f"{name}-acted", None)
    if (lane := st.session_state.pop(f"{name}-lane", None)) is not None:
        put_beside(current(), lane)
        # Named, though it may be empty: Streamlit refuses to drop bound parameters by itself.
        st.switch_page("pages/1_Explain.py", query_params=kept.link())


@dataclass(frozen=True)
class Table:
    """What the cards are about: the question, what is asked of which methods, and the comparison that is shown.

    Attributes:
        question: photo, network and score.
        asked: what is asked, by the key of its result.
        queue: the comparison that is shown.
        further: those of the cards that can be taken away.
        polling: whether it was under way as the page was drawn; it may end meanwhile.
        units: whether maps are shown in units of the score.
        name: of the page, for what the session keeps for it.
        button: what is pressed to have the maps.
    """

    question: Question
    asked: dict[str, Settings]
    queue: Queue | None
    further: dict[str, Settings]
    polling: bool
    units: bool
    name: str
    button: str = "Run"

    @property
    def stale(self) -> bool:
        """Whether the comparison that is shown is another one than is asked for."""
        return self.queue is not None and [i.key for i in self.queue.items] != list(self.asked)

    @property
    def _active(self) -> bool:
        return self.queue is not None and self.queue.active

    @property
    def _news(self) -> str:
        return f"{self.name}-news"

    def show(self) -> None:
        """Show the cards, and what is new in them while the comparison goes on."""
        board: Board = st.session_state.setdefault(f"{self.name}-board", Board())
        wire = wire_of(f"{self.name}-wire")
        # What the session holds is asked for now: the wire is led by other threads.
        seen, presented = st.session_state.get("grid-display"), presenting()
        wire.lead(self._signs, lambda: self._told(board, seen, presented))
        wired = hears(self._news)

        def cards() -> None:
            self._cards(wire, board)
            if self.polling and (not self._active or wired > hears(self._news)):
                st.rerun()  # everything is done; or without a wire, this looks more often

        # In a place of its own: what a fragment writes beside the grid by a stale count would hide the grid.
        with st.container():
            st.fragment(cards, run_every=(WIRED if wired else POLL) if self.polling else None)()
        grid()

    def act(self, pressed: dict[str, Any]) -> None:
        """Do what a card's own button asks for."""
        key, what = str(pressed.get("key")), pressed.get("what")
        settings = {i.key: i.settings for i in (self.queue.items if self.queue else ())} | self.asked
        if what == "cancel" and self.queue is not None:
            self.queue.cancel_item(key)
        elif what == "stage" and key in settings:
            st.session_state[f"{self.name}-lane"] = from_text(to_text(settings[key]))
        elif what == "remove":
            remove(self.question, key)
            if self.queue is not None:
                self.queue.remove(key)
        st.session_state[f"{self.name}-acted"] = True

    def _cards(self, wire: Wire, board: Board) -> None:
        """Send the grid what is new."""
        if f"{self.name}-acted" in st.session_state:  # until the whole page has run: a message may come between
            st.rerun()
        status(self.queue, self.stale, self.button)
        message = wire.say(
            lambda: board.ledger.hear((st.session_state.get(self._news) or {}).get("have")),
            lambda: self._message(board, st.session_state.get("grid-display"), presenting()),
            self._active and hears(self._news),
        )
        with st.container(key="grid-news-place"):  # it has nothing to show
            st.session_state["grid-display"] = feed(VIEW, message, self._news, self.act, DISPLAY)

    def _signs(self) -> Hashable:
        items = () if self.queue is None else tuple(self.queue.items)
        seen = [(i.key, i.status, i.growing and i.growing.number, round(20 * i.progress)) for i in items]
        return tuple(seen), self._active

    def _told(self, board: Board, display: dict[str, Any] | None, presented: bool) -> dict[str, Any]:
        """Return what is new of the cards, on the wire; for any thread."""
        active = self._active  # before the cards: what ends meanwhile comes with more
        board.ledger.hear(None)
        return self._message(board, display, presented) | {"goes_on": active}

    def _message(self, board: Board, display: dict[str, Any] | None, presented: bool) -> dict[str, Any]:
        queue, question = self.queue, self.question
        preprocessing = (question if queue is None else queue).classifier.preprocessing
        image = question.photo.image if queue is None else queue.image
        items = [] if queue is None else [calibrated(i) if self.units else i for i in queue.items]
        there = {item.key for item in items}
        # Beside a comparison that is shown, only what was added to it is new; another choice waits for Run.
        rest = {k: s for k, s in self.asked.items() if queue is None or (k in self.further and k not in there)}
        shown = [card(i) for i in items] + [placeholder(s, self.button, key) for key, s in rest.items()]
        for each in shown:
            each |= {"is_further": each["key"] in self.further, "can_remove": not self.polling}
        message = board.message(
            f"{question.photo.fingerprint if queue is None else queue.photo_key} {preprocessing.crop}",
            lambda: data_uri(preprocessing.crop_image(image).convert("RGB")),
            preprocessing.crop,
            beside(shown, [i.settings for i in items] + list(rest.values())),
            items,
            display,
        )
        return message | {"presenting": presented, "units": self.units}

"""Compare: one photo, many methods, side by side."""

from __future__ import annotations

import streamlit as st

from ui import loading
from ui.frame import frame

frame("Compare")
loading.wait()

from samp_core.film import data_uri
from ui import kept, state
from ui.choice import choice, estimate, removable, remove
from ui.comparison import below, explained, status
from ui.feed import feed
from ui.grid import DISPLAY, VIEW, Board, beside, card, grid, placeholder
from ui.room import room
from ui.sidebar import sidebar
from ui.stage.lanes import put_beside
from ui.stage.link import from_text, to_text
from ui.stage.page import current

_NEWS = "grid-news"

question = sidebar()
st.title("Compare", anchor=False)
st.session_state.pop("compare-acted", None)
if (lane := st.session_state.pop("compare-lane", None)) is not None:
    put_beside(current(), lane)
    # Named, though it may be empty: Streamlit refuses to drop bound parameters by itself.
    st.switch_page("pages/1_Explain.py", query_params=kept.link())
asked = {state.run_key(question.network, question.photo, s): s for s in choice(question, twins=True)}
wanted = list(asked.values())
problem = None if wanted else "Choose at least one method."
queue = state.queue()
polling = queue is not None and queue.active

with room("run", horizontal=True, vertical_alignment="center"):
    if polling:
        st.button("Cancel all", on_click=queue.cancel, key="cancel-all")
    elif st.button("Run", type="primary", key="run-all", disabled=problem is not None):
        state.start_queue(question.classifier, question.photo, question.network, wanted)
        st.rerun()
    st.markdown(problem or estimate(question, wanted))
if queue is not None and not polling and queue.photo_key != question.photo.fingerprint:
    queue = None  # another photo: its grid would be about something else
stale = queue is not None and [i.key for i in queue.items] != list(asked)
further = removable(question)
explained(queue, question, wanted)


def act() -> None:
    """Do what a card's own button asks for."""
    pressed = (st.session_state.get(_NEWS) or {}).get("act") or {}
    key, what = str(pressed.get("key")), pressed.get("what")
    settings = {i.key: i.settings for i in (queue.items if queue else ())} | asked
    if what == "cancel" and queue is not None:
        queue.cancel_item(key)
    elif what == "stage" and key in settings:
        st.session_state["compare-lane"] = from_text(to_text(settings[key]))
    elif what == "remove":
        remove(question, key)
        if queue is not None:
            queue.remove(key)
    st.session_state["compare-acted"] = True


@st.fragment(run_every=0.3 if polling else None)
def cards() -> None:
    """Send the grid what is new; the fragment asks again until everything is done."""
    if "compare-acted" in st.session_state:  # until the whole page has run: a message may come between
        st.rerun()
    preprocessing = (question if queue is None else queue).classifier.preprocessing
    image = question.photo.image if queue is None else queue.image
    status(queue, stale)
    items = [] if queue is None else queue.items
    there = {item.key for item in items}
    # Beside a comparison that is shown, only what was added to it is new; another choice waits for Run.
    rest = {key: s for key, s in asked.items() if queue is None or (key in further and key not in there)}
    shown = [card(i) for i in items] + [placeholder(s, key) for key, s in rest.items()]
    for each in shown:
        each |= {"is_further": each["key"] in further, "can_remove": not polling}
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
        st.session_state["grid-display"] = feed(VIEW, message, _NEWS, act, DISPLAY)
    if polling and queue is not None and not queue.active:
        st.rerun()


cards()
grid()
if queue is not None and not polling:
    below(queue, st.session_state.get("grid-display") or {})

"""Compare: one photo, many methods, side by side."""

from __future__ import annotations

import streamlit as st

from ui import state
from ui.choice import choice, estimate
from ui.comparison import below, explained, status
from ui.frame import frame
from ui.grid import card, grid, placeholder
from ui.pictures import data_uri
from ui.room import room
from ui.sidebar import sidebar

frame("Compare")
question = sidebar()
st.title("Compare", anchor=False)
wanted = choice(question)
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
asked = [state.run_key(question.network, question.photo, s) for s in wanted]
stale = queue is not None and [i.key for i in queue.items] != asked
explained(queue, question, wanted)


@st.fragment(run_every=0.4 if polling else None)
def stage() -> None:
    """Draw the grid as it is now; the fragment asks again until everything is done."""
    preprocessing = (question if queue is None else queue).classifier.preprocessing
    image = question.photo.image if queue is None else queue.image
    status(queue, stale)
    cards = [placeholder(s) for s in wanted] if queue is None else [card(i) for i in queue.items]
    photo = data_uri(preprocessing.crop_image(image).convert("RGB"))
    st.session_state["grid-display"] = grid(
        photo, preprocessing.crop, cards, key="grid", cancel=queue.cancel_item if queue else lambda key: None
    )
    if polling and queue is not None and not queue.active:
        st.rerun()


stage()
if queue is not None and not polling:
    below(queue, st.session_state.get("grid-display") or {})

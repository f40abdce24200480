"""Compare: one photo, many methods, side by side."""

from __future__ import annotations

import streamlit as st

from ui import state
from ui.choice import choice, estimate
from ui.comparison import agreement, curves, exports, figures
from ui.frame import frame
from ui.grid import card, grid, placeholder
from ui.pictures import data_uri
from ui.sidebar import sidebar
from ui.words import plain

frame("Compare")
question = sidebar()
st.title("Compare", anchor=False)
wanted = choice(question)
problem = None if wanted else "Choose at least one method."
queue = state.queue()
polling = queue is not None and queue.active

with st.container(horizontal=True, vertical_alignment="center"):
    if polling:
        st.button("Cancel all", on_click=queue.cancel, key="cancel-all")
    elif st.button("Run", type="primary", key="run-all", disabled=problem is not None):
        state.start_queue(question.classifier, question.photo, question.network, wanted)
        st.rerun()
    st.markdown(problem or estimate(question, wanted))
asked = [state.run_key(question.network, question.photo, s) for s in wanted]
if queue is not None and not polling and queue.photo_key != question.photo.fingerprint:
    queue = None  # another photo: its grid would be about something else
elif queue is not None and not polling and [i.key for i in queue.items] != asked:
    st.info("Shown is the last comparison. The choice above differs from it; press Run to update what changed.")


@st.fragment(run_every=0.4 if polling else None)
def stage() -> None:
    """Draw the grid as it is now; the fragment asks again until everything is done."""
    if queue is None:
        preprocessing = question.classifier.preprocessing
        photo = data_uri(preprocessing.crop_image(question.photo.image).convert("RGB"))
        st.caption("Each method's map appears as soon as it is finished, with its time, cost and completeness gap.")
        grid(photo, preprocessing.crop, [placeholder(s) for s in wanted], key="grid")
        return
    done = sum(item.final for item in queue.items)
    st.markdown(f"All explain the **{plain(queue.score)}** of {plain(queue.classifier.name)}.")
    if polling:
        now = next((i for i in queue.items if i.status in ("running", "measuring")), None)
        words = f"{done} of {len(queue.items)} done"
        if now is not None:
            words += f", {now.title} " + (f"{100 * now.progress:.0f} %" if now.status == "running" else "curves")
        part = now.progress if now is not None else 0.0
        st.progress(min((done + part) / len(queue.items), 1.0), text=words)
        with st.container(horizontal=True, gap="small"):
            for item in queue.items:
                if not item.final:
                    st.button(f"Cancel {item.title}", on_click=item.cancel, key=f"cancel-{item.key}", type="tertiary")
    preprocessing = queue.classifier.preprocessing
    photo = data_uri(preprocessing.crop_image(queue.image).convert("RGB"))
    st.session_state["grid-display"] = grid(photo, preprocessing.crop, [card(i) for i in queue.items], key="grid")
    if polling and not queue.active:
        st.rerun()


stage()
if queue is not None and not polling:
    entries = [item.entry for item in queue.items if item.entry is not None]
    if entries:
        tabs = st.tabs(["Deletion and insertion", "Agreement", "Figures", "Export"])
        with tabs[0]:
            curves(queue, entries)
        with tabs[1]:
            agreement(queue, entries)
        with tabs[2]:
            figures(entries)
        with tabs[3]:
            exports(queue, entries, st.session_state.get("grid-display") or {})

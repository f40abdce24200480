"""Metrics: what a map is worth, on one photo with all the evidence, and on many with intervals."""

from __future__ import annotations

import streamlit as st

from ui.frame import frame
from ui.many import many_photos
from ui.one import one_photo
from ui.sidebar import sidebar

frame("Metrics")
question = sidebar()
st.title("Metrics", anchor=False)
st.session_state.setdefault("metrics-scope", "This photo")
scope = st.segmented_control(
    "Scope", ["This photo", "Many photos"], key="metrics-scope", required=True, persist_state="session",
    label_visibility="collapsed",
)  # fmt: skip
if scope == "This photo":
    one_photo(question)
else:
    many_photos(question)

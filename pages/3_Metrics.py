"""Metrics: what a map is worth, on one photo with all the evidence, and on many with intervals."""

from __future__ import annotations

import streamlit as st

from ui.shared import kept, loading
from ui.shared.frame import frame

lost = frame("Metrics")
loading.wait()

from ui.metrics.folder import many_photos
from ui.metrics.photo import one_photo
from ui.shared.sidebar import result_or_regret, sidebar

question = sidebar("Metrics")
if lost:
    result_or_regret("Metrics", question)
st.title("Metrics", anchor=False)
scope = kept.Choice("scope", "This photo", ["This photo", "Many photos"], lambda s: s.split()[0].lower()).segments(
    "Scope", key="metrics-scope", label_visibility="collapsed"
)
if scope == "This photo":
    one_photo(question)
else:
    many_photos(question)

"""Compare: one photo, many methods, side by side."""

from __future__ import annotations

import streamlit as st

from ui.shared import loading
from ui.shared.frame import frame

frame("Compare")
loading.wait()

from ui.compare.page import show
from ui.shared.sidebar import sidebar

question = sidebar()
st.title("Compare", anchor=False)
show(question)

"""Models: which networks there are, what they see, and how to bring one of one's own."""

from __future__ import annotations

import streamlit as st

from ui.shared import loading
from ui.shared.frame import frame

frame("Models")
loading.wait()

from ui.models.page import show
from ui.shared.sidebar import sidebar

question = sidebar("Models")
st.title("Models", anchor=False)
show(question)

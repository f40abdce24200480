"""Library: the results of this browser, kept, named, found again, compared, taken along."""

from __future__ import annotations

import streamlit as st

from ui.shared import loading
from ui.shared.frame import frame

frame("Library")
loading.wait()

from ui.library.page import show

st.title("Library", anchor=False)
show()

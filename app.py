"""Home: what this is, and one button to a first result. Run with ``streamlit run app.py``."""

from __future__ import annotations

import streamlit as st

from ui import state
from ui.controls import start_with
from ui.frame import ROOT, frame

frame("Home")
st.title("Why did the network say that? It depends on the path.", anchor=False)
st.html(
    """<p class="lead">To credit each pixel for a classifier's decision, path methods walk from a blank or blurred
    image to the photo and add up what changes on the way. Every path gives another map, and all of them should add up
    to the same total, so <b>the choice of the path is part of the explanation</b>. SAMP searches for the path that puts
    the credit on the fewest pixels; here you can watch that search, turn its knobs and see what it costs.</p>"""
)
if st.button("Watch it on a photo", type="primary", key="first-run"):
    st.session_state["photo"] = state.Photo.sample("chelsea")
    st.session_state["photo_source"] = "Samples"
    start_with("samp++")
    st.session_state["run_at_once"] = True
    st.switch_page("pages/1_Explain.py")
st.image(
    ROOT / "assets" / "two_paths.webp",
    caption="One photo, one network, the same start and end, two paths. Above, the straight line of Integrated "
    "Gradients: every pixel fades in together. Below, the path that SAMP's search inserts pixels along. Right, "
    "the maps for the class espresso: blue speaks against it, orange for it.",
    alt="Two rows of photos of a cup fading in, along a straight and along a searched path, and their two maps.",
)
state.seconds_per_gradient(state.BUNDLED)  # loads the network while the page is being read

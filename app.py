"""Home: what this is, and one button to a first result. Run with ``streamlit run app.py``."""

from __future__ import annotations

import streamlit as st
from starlette.middleware import Middleware

from ui.shared.server import Guard, opened_in_browser

DOORS = {
    "pages/1_Explain.py": "One photo of yours, one class, one method: turn the knobs and watch the path being walked.",
    "pages/2_Compare.py": "Many methods on the same photo and score, side by side, each with its cost and its gap.",
    "pages/3_Metrics.py": "What the maps are worth, in numbers that say how they were made; one photo or a folder.",
    "pages/4_Learn.py": "Five scenes to play with, from two pixels to handwritten digits. Can be presented to a class.",
}

if __name__ != "__main__":  # imported once, to be served
    app = st.App(__file__, middleware=[Middleware(Guard)], lifespan=opened_in_browser)
else:  # run by Streamlit for every visitor
    from ui.shared import kept, loading
    from ui.shared.frame import PAGES, ROOT, frame

    frame("Home")
    st.title("Why did the network say that? It depends on the path.", anchor=False)
    st.html(
        """<p class="lead">To credit each pixel for a classifier's decision, path methods walk from a blank or blurred
        image to the photo and add up what changes on the way. Every path gives another map, and all paths between the
        same two images should add up to the same total, so <b>the choice of the path is part of the explanation</b>.
        The straight line credits and debits the same score many times over. SAMP moves the pixels that promise most
        first, and as the paper adds up that path, nearly every pixel of a photo's map has one sign. Watch the search,
        turn its knobs, and see what such clarity costs.</p>"""
    )
    with st.container(horizontal=True):
        watch = st.button("Watch it on a photo", type="primary", key="first-run")
        if st.button("Start the lesson", key="first-lesson"):
            st.switch_page("pages/4_Learn.py", query_params=kept.link())
    waiting = st.container()
    st.image(
        ROOT / "assets" / "two_paths.webp",
        caption="One photo, one network, the same start and end, two paths. Above, the straight line of Integrated "
        "Gradients: every pixel fades in together. Below, the path that SAMP++'s search inserts pixels along. "
        "Right, the maps for the class espresso: blue speaks against it, orange for it.",
        alt="Two rows of photos of a cup fading in, along a straight and along a searched path, and their two maps.",
    )
    with st.container(key="doors"):
        for column, (page, words) in zip(st.columns(4), DOORS.items(), strict=True):
            column.page_link(page, label=f"**{PAGES[page]}**", query_params=kept.link())
            column.caption(words)
    loading.begin()  # while the page is being read
    if watch:
        with waiting:
            loading.wait()
        from ui.shared.lanes import watch_sample

        watch_sample("coffee")
        st.switch_page("pages/1_Explain.py", query_params=kept.link())

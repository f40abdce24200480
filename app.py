"""Home: what this is, and one button to a first result. Run with ``streamlit run app.py``."""

from __future__ import annotations

import streamlit as st
from starlette.middleware import Middleware

from samp_core.process import sleep_when_idle
from ui.components.wire import WIRE_ROUTE
from ui.shared.server import Guard, opened_in_browser

DOORS = {
    "pages/1_Explain.py": "Your photo, one class, up to four paths on one clock: turn the knobs and watch.",
    "pages/2_Compare.py": "Many methods on the same photo and score, side by side, each with its cost and its gap.",
    "pages/3_Metrics.py": "What the maps are worth, in numbers that say how they were made; one photo or a folder.",
    "pages/5_Tune.py": "A method's knobs, swept: a table of maps, what each setting gives, and which nothing beats.",
    "pages/6_Library.py": "What you found, kept by itself: named, tagged, opened again, taken along for a class.",
    "pages/7_Models.py": "Which networks there are, what each sees, and how to bring one of your own.",
    "pages/4_Learn.py": "Scenes to play with, from two pixels to handwritten digits. Can be presented to a class.",
}
READERS = {
    "For research": "Same score, same start, many methods: every number says its protocol, every map its cost and its "
    "completeness gap.",
    "For teaching": "Unfold one move in slow motion, let the class guess the next pixels, take the film home as one "
    "file that plays offline.",
    "For your own network": "Weights for any torchvision network, on Models; from Python or the shell, any module that "
    "gives class scores. It is left as it was found.",
}

if __name__ != "__main__":  # imported once, to be served
    sleep_when_idle()
    app = st.App(__file__, routes=[WIRE_ROUTE], middleware=[Middleware(Guard)], lifespan=opened_in_browser)
else:  # run by Streamlit for every visitor
    from ui.components.recorded_film import recorded_film
    from ui.shared import kept, loading
    from ui.shared.frame import PAGES, frame

    frame("Home")
    st.title("Why did the network say that? It depends on the path.", anchor=False)
    st.html(
        """<p class="lead">To credit each pixel for a classifier's decision, path methods walk from a blank or blurred
        image to the photo and add up what changes on the way. Every path gives another map, so <b>the choice of the
        path is part of the explanation</b>. The straight line credits and debits the same score many times over. SAMP
        moves the pixels that promise most first. As the paper adds up that path, nearly every pixel's credit has one
        sign; dealt out as below, it adds up to the score, too. Watch both, turn their knobs, and see what such clarity
        costs.</p>"""
    )
    with st.container(horizontal=True):
        watch = st.button("Watch it on a photo", type="primary", key="first-run")
        if st.button("Start the lesson", key="first-lesson"):
            st.switch_page("pages/4_Learn.py", query_params=kept.link())
    waiting = st.container()
    recorded_film("home")
    st.caption(
        "A recording: one photo, one network, one clock. SAMP clear walks from the photo to grey and from the blurred "
        "photo back, Integrated Gradients straight from the same blurred photo. Each lane shows its map as it grows "
        "(orange speaks for the class, blue against it) and its images on the way; right, the plane in which both "
        "paths run, lighter where the score is higher."
    )
    with st.container(key="readers"):
        for column, (who, words) in zip(st.columns(3), READERS.items(), strict=True):
            column.markdown(f"**{who}**  \n{words}")
    with st.container(key="doors"):
        for column, (page, words) in zip(st.columns(len(DOORS)), DOORS.items(), strict=True):
            column.page_link(page, label=f"**{PAGES[page]}**", query_params=kept.link())
            column.caption(words)
    loading.begin()  # while the page is being read
    if watch:
        with waiting:
            loading.wait()
        from ui.shared.lanes import watch_sample

        watch_sample("chelsea")
        st.switch_page("pages/1_Explain.py", query_params=kept.link())

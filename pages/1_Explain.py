"""Explain one photo: choose, set the knobs, watch the path being walked, read the map."""

from __future__ import annotations

import streamlit as st

from ui import state
from ui.controls import controls, estimate
from ui.frame import frame
from ui.result import result
from ui.scenes import preview, scene
from ui.sidebar import sidebar
from ui.theatre import theatre
from ui.words import plain

frame("Explain")
question = sidebar()
left, right = st.columns([1, 2.75], gap="large")
with left:
    st.title("Explain", anchor=False)
    settings = controls(question)
    problem = None
    try:
        cost = estimate(question, settings)
    except ValueError as error:
        problem = str(error)

key = state.run_key(question.network, question.photo, settings)
job = state.job()
if job is None or (job.key != key and not job.active):
    job = state.finished_run(key) or job
if st.session_state.pop("run_at_once", False) and problem is None:
    job = state.start_job(question.classifier, question.photo, settings, key)
polling = job is not None and job.active


@st.fragment(run_every=0.1 if polling else None)
def stage() -> None:
    """Draw the run as it is now; the fragment asks again until it has ended."""
    if job is None:
        theatre(preview(question.classifier, question.photo.image, settings, key), key="theatre")
        return
    job.look()
    if job.moments:
        st.session_state["display"] = theatre(scene(job), key="theatre")
    else:
        theatre(preview(job.classifier, job.image, job.settings, job.key), key="theatre")
    if polling:
        left_over = job.seconds_left
        words = f"step {job.steps} of about {job.expected_steps}"
        if job.status == "waiting":
            words = "waiting for another run to take its step"
        elif job.cancelling:
            words += ", stopping after this step"
        elif left_over is not None:
            words += f", about {max(left_over, 1):.0f} s left"
        st.progress(min(job.steps / job.expected_steps, 1.0), text=words)
    if polling and not job.active:  # it may have ended between two looks
        st.rerun()


with left:
    if problem is not None:
        st.error(plain(problem))
    elif job is not None and job.active:
        st.caption(f"Running: {cost}" if job.key == key else "The run under way has other settings than shown here.")
    else:
        st.markdown(cost)
    if job is not None and job.active:
        st.button("Cancel", on_click=job.cancel, key="cancel", width="stretch", disabled=job.cancelling)
    elif st.button("Run", type="primary", key="run", width="stretch", disabled=problem is not None):
        state.start_job(question.classifier, question.photo, settings, key)
        st.rerun()

with right:
    if job is not None and not job.active and job.key != key:
        if not job.key.startswith(question.photo.fingerprint):
            job = None
        else:
            st.info("Shown is the last result. Its settings differ from those on the left; press Run to update it.")
    if job is not None and job.status == "failed":
        st.error(plain(job.error))
        job = None
    stage()
    if job is not None and not job.active and job.explanation is not None:
        result(job, st.session_state.get("display"))

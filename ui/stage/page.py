"""The stage as a page: knobs above, lanes with their clock, planes and curves, then figures and files."""

from __future__ import annotations

from typing import Any

import streamlit as st

from samp_core.runs import describe
from ui.components.feed import feed, hears
from ui.components.ledger import Ledger
from ui.components.player import DISPLAY, VIEW, player
from ui.components.wire import POLL, wire_of
from ui.shared import kept, state
from ui.shared.lanes import Stage, current, keep_link
from ui.shared.shelf import keep_finished
from ui.shared.sidebar import Question
from ui.stage.ground import Ground, ground_key
from ui.stage.knobs import knobs
from ui.stage.relief import relief
from ui.stage.result import result
from ui.stage.scene import goes_on, news, scene, signs
from ui.stage.steadiness import Steady
from ui.stage.takeaway import takeaway
from ui.work.lane_run import LaneRun

KEPT_GROUNDS = 4
_WIRED = 3.0  # seconds between two looks of the script while the wire brings all that there is to see
_EXTRAS = 0.5  # the same where it cannot, and only extras are under way
_FEED = "feed"


def show(question: Question) -> None:
    """Show the stage for a photo, network and class."""
    for passing in ("stage-acted", "stage-ended"):
        st.session_state.pop(passing, None)
    own = current()
    own.fill(question)  # before the knobs: they change settings in callbacks, and say what waits to be run
    knobs(own, question)
    keep_link(own)
    kept.publish()
    _draw(own, question)
    _results(own)


def _draw(own: Stage, question: Question) -> None:
    ground = _ground(own)
    running, grounding = bool(own.active), ground is not None and ground.active
    finished = [lane.run for lane in own.lanes if lane.run is not None and lane.run.status == "done"]
    steady: Steady = st.session_state.setdefault("stage-steady", Steady())
    if own.active:
        steady.stop()
    measuring = steady.active
    working = running or grounding or measuring
    ledger: Ledger = st.session_state.setdefault("stage-ledger", Ledger())
    wire = wire_of("stage-wire")
    unfolds = {"slow": False}  # what the session holds cannot be asked for by other threads
    wire.lead(lambda: signs(own, ground, steady), lambda: news(own, question, ground, ledger, steady, unfolds["slow"]))
    wired = hears(_FEED)

    @st.fragment(run_every=None if not working else _WIRED if wired else POLL if running else _EXTRAS)
    def lanes() -> None:
        # Until the whole page has run: a message may come between. Without a wire, it looks more often.
        if "stage-acted" in st.session_state or (working and wired > hears(_FEED)):
            st.rerun()
        # What this very message of the browser asks for; the feed would only tell after the next one.
        told = (st.session_state.get(_FEED) or {}).get("display")
        display = told or st.session_state.get("stage-display") or {}
        if display.get("steady") and not own.active:
            steady.want(state.turns(), finished)
        unfolds["slow"] = bool(display.get("slow"))
        data = wire.say(
            lambda: ledger.hear((st.session_state.get(_FEED) or {}).get("have")),
            lambda: scene(own, question, ground, ledger, steady, unfolds["slow"]),
            goes_on(own, ground, steady) and hears(_FEED),
        )
        st.session_state["stage-display"] = feed(VIEW, data, _FEED, lambda asked: _act(own, ground, asked), DISPLAY)
        if steady.active != measuring and not own.active:
            st.rerun()
        if (running and not own.active) or (grounding and ground is not None and not ground.active):
            # One look later, if it was not told: the browser draws the end of a run before it is busy with the page.
            if st.session_state.get("stage-ended") or wire.over:
                st.rerun()
            st.session_state["stage-ended"] = True

    player()
    with st.container(key="feed-place"):  # it has nothing to show
        lanes()


def _act(own: Stage, ground: Ground | None, asked: dict[str, Any]) -> None:
    if asked.get("what") == "no-ground" and ground is not None:
        ground.cancel()
    else:
        own.act(str(asked.get("lane")), str(asked.get("what")))
    st.session_state["stage-acted"] = True


def _ground(own: Stage) -> Ground | None:
    """Return the planes of what is on the stage; they are begun when all runs have ended."""
    grounds: dict[str, Ground] = st.session_state.setdefault("stage-grounds", {})
    runs = _walked(own)
    key = ground_key(runs)
    for other, ground in list(grounds.items()):
        if ground.active and (other != key or own.active):
            ground.cancel()
            del grounds[other]
    if own.active or not runs:
        return None
    if key not in grounds:
        score = describe(runs[0].classifier, runs[0].settings)[1]
        grounds[key] = Ground(state.turns(), runs, score).begin()
        while len(grounds) > KEPT_GROUNDS:
            grounds.pop(next(iter(grounds)))
    return grounds[key]


def _walked(own: Stage) -> list[LaneRun]:
    return [run for run in own.alike if run.walked]


def _results(own: Stage) -> None:
    runs = [lane.run for lane in own.lanes if lane.run is not None and lane.run.explanation is not None]
    if not runs or own.active:
        return
    keep_finished()  # they may have ended since this run of the script began
    names = [f"{run.title}: figures and files" for run in runs]
    tabs = st.tabs([*names, "Film and figures", "The plane as a relief"])
    for tab, run in zip(tabs, runs, strict=False):
        with tab:
            result(run, st.session_state.get("stage-display"))
    ground = st.session_state.get("stage-grounds", {}).get(ground_key(_walked(own)))
    with tabs[-2]:
        # What was stopped before it had a map has no film.
        if pictured := [run for run in own.alike if run.frames and run.explanation is not None]:
            takeaway(pictured, ground)
        else:
            st.caption("There is no map yet that could be taken home.")
    with tabs[-1]:
        relief(ground, {lane.run.identity: lane for lane in own.lanes if lane.run is not None})

"""The lanes of the stage: one method each, with settings of its own, and the runs that fill them."""

from __future__ import annotations

import itertools
from collections import OrderedDict
from collections.abc import Hashable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import streamlit as st

from samp_core.archive import Archive
from samp_core.attribution import Estimate
from samp_core.classifiers import Classifier
from samp_core.films import MOST
from samp_core.methods import METHODS, Settings, default_settings, make_method
from ui.shared import kept, shelf, state
from ui.shared.link import from_text, to_text
from ui.shared.sidebar import Question, choose
from ui.shared.state import Photo
from ui.work.lane_run import LaneRun, subject
from ui.work.limits import require_affordable

KEPT = 6  # finished runs to come back to without computing
LIVE = 5.0  # seconds of estimated work below which a lane answers its knobs at once
STAYS_LIVE = 7.5  # the same once it does: an estimate goes up and down with what else the machine does

START = (default_settings("samp"), default_settings("ig", insertion_baseline="blur"))
"""What the stage opens with: SAMP, and the straight line from the image where SAMP's insertion starts."""


@dataclass
class Lane:
    """One lane.

    Attributes:
        identity: tells it from the other lanes of its session.
        colour: number of its colour, which it keeps.
        settings: what its method is asked, but for what all lanes share (score, target, contrast).
        run: its newest run.
        live: whether it answers its knobs at once; None until somebody chose.
        was_live: whether it did when last asked.
        generation: counts resets, so that knobs begin anew.
    """

    identity: str
    colour: int
    settings: Settings
    run: LaneRun | None = None
    live: bool | None = None
    was_live: bool = False
    generation: int = 0

    @property
    def title(self) -> str:
        """The method's title."""
        return METHODS[self.settings.method].title

    def asked(self, question: Question) -> Settings:
        """Return its settings with what all lanes share."""
        return replace(self.settings, score=question.score, target=question.target, contrast=question.contrast)

    def key(self, question: Question) -> str:
        """Return what a result for its settings would belong to."""
        return state.run_key(question.network, question.photo, self.asked(question))


class Stage:
    """The lanes of a session, in their order, and the lane in hand.

    Attributes:
        lanes: from left to right.
        hand: identity of the lane whose knobs are shown.
        begun: whether anything was run: from then on, lanes answer changes.
        wanted: lanes to start, whatever they cost, when the page is next drawn.
    """

    def __init__(self) -> None:
        self.lanes: list[Lane] = []
        self.hand = ""
        self.begun = False
        self.wanted: set[str] = set()
        self._subject: Hashable = None  # what is asked
        self._kept: OrderedDict[str, LaneRun] = OrderedDict()
        self._names = (f"lane-{n}" for n in itertools.count(1))

    @property
    def in_hand(self) -> Lane:
        """The lane in hand."""
        return next((lane for lane in self.lanes if lane.identity == self.hand), self.lanes[0])

    @property
    def active(self) -> list[Lane]:
        """Lanes whose runs are under way."""
        return [lane for lane in self.lanes if lane.run is not None and lane.run.active]

    @property
    def alike(self) -> list[LaneRun]:
        """Runs that explain what is asked, from left to right; if none does, those that explain what the first does.

        Any other is of a lane that somebody told to wait, and that was not run since photo, network, class or score
        changed.
        """
        runs = [lane.run for lane in list(self.lanes) if lane.run is not None]
        asked = [run for run in runs if run.subject == self._subject]
        return asked or [run for run in runs if run.subject == runs[0].subject]

    def open(self, *settings: Settings, start: bool = False) -> None:
        """Put these lanes on the stage, in place of what is there; ``start`` them when the page is drawn."""
        for lane in self.lanes:
            self._let_go(lane)
        self.lanes = []
        for each in settings[:MOST]:
            self.add(each)
        self.hand = self.lanes[0].identity
        self.wanted = {lane.identity for lane in self.lanes} if start else set()

    def add(self, settings: Settings) -> Lane:
        """Put a lane beside the others and take it in hand; it starts as soon as the others have."""
        taken = {lane.colour for lane in self.lanes}
        colour = next(c for c in range(MOST) if c not in taken)
        lane = Lane(next(self._names), colour, settings)
        self.lanes.append(lane)
        self.hand = lane.identity
        return lane

    def act(self, identity: str, what: str) -> None:
        """Do what a lane's own buttons ask for; what makes no sense any more is left undone."""
        lane = next((lane for lane in self.lanes if lane.identity == identity), None)
        if lane is None:
            return
        at = self.lanes.index(lane)
        if what == "hand":
            self.hand = identity
        elif what == "run":
            self.wanted.add(identity)
        elif what == "cancel" and lane.run is not None:
            lane.run.cancel()
        elif what == "remove" and len(self.lanes) > 1:
            self._let_go(lane)
            self.lanes.remove(lane)
            if self.hand == identity:
                self.hand = self.lanes[max(at - 1, 0)].identity
        elif what == "duplicate" and len(self.lanes) < MOST:
            twin = self.add(lane.settings)
            self.lanes.remove(twin)
            self.lanes.insert(at + 1, twin)
        elif what in ("left", "right"):
            to = at + (1 if what == "right" else -1)
            if 0 <= to < len(self.lanes):
                self.lanes[at], self.lanes[to] = self.lanes[to], self.lanes[at]

    def take(self, runs: Sequence[LaneRun]) -> None:
        """Have finished runs at hand for the lanes that ask for the same, as if they had been walked here.

        Of more than :data:`KEPT` the first ones.
        """
        for run in reversed(runs[:KEPT]):
            self._keep(run)
        self.begun = True

    def fill(self, question: Question) -> None:
        """Start every lane that should run now: those asked for, and those whose result is out of date.

        What is explained anew, by another photo, network, class or score, restarts all of them but those that somebody
        has told to wait; another setting restarts live ones.
        """
        before = self._subject
        self._subject = subject(question.photo, question.classifier, self.in_hand.asked(question))
        turned = before not in (None, self._subject)
        for lane in self.lanes:
            key = lane.key(question)
            if lane.run is not None and lane.run.key == key and lane.identity not in self.wanted:
                continue
            kept = (self._kept.get(key) or shelf.walked(key)) if self.begun else None
            # A run stands in one lane: two of the same settings are two runs.
            if kept is not None and all(other.run is not kept for other in self.lanes):
                self._let_go(lane)
                lane.run = kept
            elif (
                lane.identity in self.wanted
                or (self.begun and self.is_live(lane, question))
                or (turned and lane.run is not None and lane.live is None)
            ):
                self._start(lane, question, key)
        self.wanted = set()

    def waiting(self, question: Question) -> set[str]:
        """Return the lanes that nothing has been run in for what is asked, and that can be run."""
        return {
            lane.identity
            for lane in self.lanes
            if (lane.run is None or lane.run.key != lane.key(question)) and _is_possible(lane, question)
        }

    def is_live(self, lane: Lane, question: Question) -> bool:
        """Say whether a lane answers its knobs at once."""
        if lane.live is not None:
            return lane.live
        try:
            seconds = cost(lane, question)[1]
        except ValueError:
            return False
        lane.was_live = seconds < (STAYS_LIVE if lane.was_live else LIVE)
        return lane.was_live

    def _start(self, lane: Lane, question: Question, key: str) -> None:
        self._let_go(lane)
        self.begun = True
        try:
            _, seconds = cost(lane, question)
        except ValueError:
            return  # the knobs say why
        lane.run = LaneRun(state.turns(), question.classifier, question.photo, lane.asked(question), key, seconds)
        lane.run.link = kept.link()
        lane.run.start()

    def _let_go(self, lane: Lane) -> None:
        run, lane.run = lane.run, None
        if run is None:
            return
        if run.active:
            run.cancel()
        elif run.status == "done":
            self._keep(run)

    def _keep(self, run: LaneRun) -> None:
        self._kept[run.key] = run
        self._kept.move_to_end(run.key)
        while len(self._kept) > KEPT:
            self._kept.popitem(last=False)


def cost(lane: Lane, question: Question) -> tuple[Estimate, float]:
    """Return what a lane's run will ask of the network, and the seconds that this will take.

    Raises:
        ValueError: the settings do not fit together, or cost more than a page accepts.
    """
    size = question.classifier.preprocessing.crop
    estimate = make_method(question.classifier, lane.asked(question)).estimate(*size)
    require_affordable(estimate.gradients)
    return estimate, estimate.gradients * state.seconds_per_gradient(question.network)


def _is_possible(lane: Lane, question: Question) -> bool:
    try:
        cost(lane, question)
    except ValueError:
        return False
    return True


def put_on_stage(*settings: Settings, start: bool = False) -> None:
    """Open lanes in place of what is on the stage, for pages that lead to it; ``start`` them when it is shown."""
    own = stage()
    own.open(*settings, start=start)
    keep_link(own)


def put_back(archive: Archive, classifier: Classifier, photo: Photo) -> None:
    """Open the runs of a file as lanes that show what was seen of them, without walking; the first that have room.

    Args:
        archive: the file.
        classifier, photo: those of its runs, which the session has by now.
    """
    put_on_stage(*(entry.settings for entry in archive.entries))
    at_hand([archive], classifier, photo)


def at_hand(archives: Sequence[Archive], classifier: Classifier, photo: Photo) -> None:
    """Let lanes that ask for the same as the runs of files on one photo show those; see :meth:`Stage.take`."""
    name = state.name_of(classifier)
    found = []
    for archive in archives:
        keys = [state.run_key(name, photo, entry.settings) for entry in archive.entries]
        found.append(LaneRun.back(state.turns(), classifier, photo, archive, keys))
    # In turns, as several files come onto the stage: the first of each, then the second of each.
    stage().take([run for each in itertools.zip_longest(*found) for run in each if run is not None])


def watch_sample(name: str) -> None:
    """Choose a sample photo, open the stage's first lanes on it, and start them when they are shown."""
    choose(Photo.sample(name))
    st.session_state["photo_source"] = "Samples"
    put_on_stage(*START, start=True)


def put_beside(own: Stage, settings: Settings) -> None:
    """Put a lane with these settings beside the others, in place of the last where there is no room, and in hand."""
    same = next((lane for lane in own.lanes if to_text(lane.settings) == to_text(settings)), None)
    if same is not None:
        own.hand = same.identity
    else:
        if len(own.lanes) == MOST:
            own.act(own.lanes[-1].identity, "remove")
        own.add(settings)
    keep_link(own)


def open_with(method: str, **knobs: Any) -> None:
    """Put a method beside the straight line, with these knobs where they differ from the published ones.

    Args:
        method: its name.
        knobs: values by name.
    """
    put_on_stage(default_settings(method, **knobs), START[1])


def keep_link(own: Stage) -> None:
    """Keep the lanes for the page's address; those that a new session has need no mention."""
    text = ";".join(to_text(lane.settings) for lane in own.lanes)
    kept.put("lanes", None if text == ";".join(to_text(settings) for settings in START) else text)
    st.session_state["stage-link"] = kept.text("lanes")


def stage() -> Stage:
    """Return the session's stage."""
    if "stage" not in st.session_state:
        st.session_state["stage"] = Stage()
    found: Stage = st.session_state["stage"]
    if not found.lanes:
        found.open(*START)
    return found


def current() -> Stage:
    """Return the session's stage, with the lanes that the address asks for if that is newer."""
    own, text = stage(), kept.text("lanes")
    if text == st.session_state.get("stage-link"):
        return own
    lanes = [from_text(part) for part in (text or "").split(";")]
    known = [lane for lane in lanes if lane is not None]
    if text is None:
        known = list(START)
    elif not known:
        kept.reject("lanes")
        return own
    own.open(*known)
    return own

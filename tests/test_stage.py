"""What the stage sends to the browser, says in words and writes into the address."""

from __future__ import annotations

import json
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import streamlit as st
import torch

from samp_core.attribution import Explanation
from samp_core.classifiers import load_classifier
from samp_core.films import MOST
from samp_core.methods import METHODS, default_settings
from samp_core.rules import Completeness
from samp_core.scores import Cost
from samp_core.words import overshoot_in_words, result_in_words, ways
from ui.components.feed import pressed
from ui.components.ledger import Ledger
from ui.shared import lanes
from ui.shared.knob import face
from ui.shared.link import from_text, to_text
from ui.shared.sidebar import Question
from ui.shared.state import Photo
from ui.stage.ground import Ground
from ui.stage.scene import _lane, goes_on, news, signs
from ui.stage.steadiness import Steady
from ui.work import lane_run
from ui.work.turns import Turns


def acknowledge(ledger: Ledger, number: int, mount: str = "m", missing: bool = False, **counts: int) -> None:
    ledger.hear({"mount": mount, "number": number, "counts": counts, "missing": missing})


def test_nothing_is_sent_twice():
    ledger = Ledger()
    ledger.hear(None)
    assert list(ledger.fresh("run", 2)) == [0, 1]
    ledger.hear(None)
    assert list(ledger.fresh("run", 3)) == [2]
    assert ledger.now == {"run": 3}
    acknowledge(ledger, 1, run=2)  # the browser has not said yet that the third came
    ledger.hear(None)
    assert list(ledger.fresh("run", 3)) in ([], [2])


def test_what_was_lost_is_sent_again_when_the_browser_misses_it():
    ledger = Ledger()
    assert ledger.hear({"mount": "m", "number": 1, "counts": {}}), "it is new, and has nothing"
    assert len(ledger.fresh("run", 5)) == 5
    assert not ledger.hear({"mount": "m", "number": 1, "counts": {}}), "it said that before"
    ledger.fresh("run", 5)
    acknowledge(ledger, 2, run=3, missing=True)
    assert list(ledger.fresh("run", 6)) == [3, 4, 5]
    acknowledge(ledger, 2, run=3, missing=True)  # the same message once more is no news
    assert list(ledger.fresh("run", 6)) == []


def test_what_is_never_acknowledged_is_sent_again_in_the_end(monkeypatch):
    now = [100.0]
    monkeypatch.setattr("ui.components.ledger.time.monotonic", lambda: now[0])
    ledger = Ledger()
    acknowledge(ledger, 1)
    ledger.fresh("run", 4)
    acknowledge(ledger, 2, run=1)
    now[0] += 1
    assert not ledger.fresh("run", 4)
    now[0] += 60
    assert list(ledger.fresh("run", 4)) == [1, 2, 3]


def test_a_new_player_gets_everything():
    ledger = Ledger()
    acknowledge(ledger, 1)
    ledger.fresh("run", 4)
    acknowledge(ledger, 5, run=4)
    acknowledge(ledger, 1, mount="another")
    assert len(ledger.fresh("run", 4)) == 4


def test_a_sketch_grows_and_says_how_many_moves_are_in_it():
    settings = replace(METHODS["samp++"].defaults, target=967)
    run = lane_run.LaneRun(Turns(1), load_classifier().prepare(), Photo.sample("coffee"), settings, "", 60.0)
    seen = []
    draw = lane_run.compand
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(lane_run, "compand", lambda values: seen.append((run.sketch, values)) or draw(values))
        run._draw_sketch()
    assert [None if sketch is None else sketch.number for sketch, _ in seen] == [None, 2, 3]
    touched = [float((values != 0).mean()) for _, values in seen]
    assert touched[0] < 1
    assert touched == sorted(touched)
    assert run.sketch is not None
    assert run.sketch.number == lane_run.SKETCH_MOVES


@pytest.mark.parametrize("name", [name for name, method in METHODS.items() if method.sketch])
def test_a_sketch_is_never_an_empty_map(name):
    settings = replace(METHODS[name].defaults, target=3)
    run = lane_run.LaneRun(Turns(1), load_classifier("mnist_cnn").prepare(), Photo.sample("coffee"), settings, "", 60.0)
    seen = []
    draw = lane_run.compand
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(lane_run, "compand", lambda values: seen.append(values) or draw(values))
        run._draw_sketch()
    assert 1 <= len(seen) < lane_run.SKETCH_MOVES
    assert all(np.abs(values).max() > 0 for values in seen)
    assert f"{lane_run.SKETCH_MOVES} of {lane_run.SKETCH_MOVES}" in run.sketch.words


@pytest.mark.parametrize(
    ("asked", "seconds", "wanted"),
    [("samp++", 60, True), ("samp++", 1, False), ("samp", 60, False), ("samp,steps=40", 60, True), ("ig", 60, False)],
)
def test_a_sketch_is_made_where_it_is_worth_its_wait(asked, seconds, wanted):
    settings = from_text(asked)
    run = lane_run.LaneRun(Turns(1), load_classifier(), Photo.sample("coffee"), settings, "", seconds)
    assert run._wants_sketch() is wanted


def test_the_wire_brings_every_picture_once_and_what_stays_as_it_is_with_the_first():
    classifier, photo = load_classifier("mnist_cnn"), Photo.sample("coffee")
    question = Question(photo, "mnist_cnn", classifier, 3, None, "logit")
    own, ledger, steady = lanes.Stage(), Ledger(), Steady()
    own.open(from_text("samp,steps=6"), from_text("gradient"))
    assert signs(own, None, steady) == ((), (), None)
    assert news(own, question, None, ledger, steady, slow=False)["lanes"] == {}
    for lane in own.lanes:
        lane.run = lane_run.LaneRun(Turns(1), classifier, photo, lane.asked(question), lane.key(question), 0.0)
    before = signs(own, None, steady)
    first = news(own, question, None, ledger, steady, slow=False)
    assert first["active"]
    for lane in own.lanes:
        lane.run.start()
        lane.run.wait()
    assert signs(own, None, steady) != before
    told = [first, *(news(own, question, None, ledger, steady, slow=False) for _ in range(2))]
    assert [message["active"] for message in told] == [True, False, False]
    for lane in own.lanes:
        heard = [message["lanes"][lane.identity] for message in told]
        assert [("title" in each, "id" in each) for each in heard] == [(True, True), (False, False), (False, False)]
        assert [each["status"] for each in heard] == ["waiting", "done", "done"]
        assert [len(each["frames"]) for each in heard] == [0, len(lane.run.frames), 0]
        assert [each["first"] for each in heard] == [0, 0, len(lane.run.frames)]
        assert "points" in heard[1]
        assert "points" not in heard[2]
        # With all of it, a lane is what the page's script would have sent.
        whole = _lane(own, lane, question, Ledger(), steady, slow=False)
        merged = {**heard[0], **heard[1]}
        left = {"progress", "left", "cancelling", "sketching"}  # of what was under way, looked at in no other state
        assert {key: merged[key] for key in merged.keys() - left} == whole
    json.dumps(told, allow_nan=False)


def test_the_wire_brings_planes_and_stability_while_they_are_worked_out(few_cells):
    classifier, photo = load_classifier("mnist_cnn"), Photo.sample("coffee")
    question, turns = Question(photo, "mnist_cnn", classifier, 3, None, "logit"), Turns(1)
    own, ledger, steady = lanes.Stage(), Ledger(), Steady()
    own.open(from_text("samp,steps=6"))
    (lane,) = own.lanes
    run = lane.run = lane_run.LaneRun(turns, classifier, photo, lane.asked(question), lane.key(question), 0.0).start()
    run.wait()
    assert not goes_on(own, None, steady)

    ground = Ground(turns, [run], "logit")  # it has not begun
    assert goes_on(own, ground, steady)
    before, first = signs(own, ground, steady), news(own, question, ground, ledger, steady, slow=False)
    assert first["goes_on"]
    assert not first["active"], "no lane runs: the clock can be moved"
    assert first["ground"]["active"]
    ground.begin().wait()
    assert signs(own, ground, steady) != before
    last = news(own, question, ground, ledger, steady, slow=False)
    assert not last["goes_on"]
    assert [view["tracks"][0]["run"] for view in last["ground"]["views"]] == [run.identity] * 2
    assert None not in np.ravel([view["values"] for view in last["ground"]["views"]])
    assert "views" not in news(own, question, ground, ledger, steady, slow=False)["ground"], "the browser has them"

    before = signs(own, ground, steady)
    steady.want(turns, [run])
    measuring = steady.of(run)
    assert measuring is not None
    measuring.wait()
    assert signs(own, ground, steady) != before
    shown = news(own, question, ground, ledger, steady, slow=False)["lanes"][lane.identity]["steady"]
    assert len(shown["values"]) == len(shown["scales"])


def test_of_many_runs_from_a_file_those_that_stand_on_the_stage_are_at_hand():
    own = lanes.Stage()
    runs = [SimpleNamespace(key=f"run {k}") for k in range(lanes.KEPT + 3)]
    own.take(runs)
    assert own.begun
    assert set(own._kept) == {run.key for run in runs[: lanes.KEPT]}
    assert MOST <= lanes.KEPT


def test_live_keeps_its_mind_near_the_limit(monkeypatch):
    lane, own = lanes.Lane("a", 0, METHODS["samp"].defaults), lanes.Stage()
    said = []
    for seconds in (6.0, 4.9, 7.4, 7.6, 5.1, 4.9):
        monkeypatch.setattr(lanes, "cost", lambda *_, seconds=seconds: (None, seconds))
        said.append(own.is_live(lane, None))
    assert said == [False, True, True, False, False, True]


@pytest.mark.parametrize("name", METHODS)
def test_published_settings_are_their_name_in_the_address(name):
    assert to_text(METHODS[name].defaults) == name
    assert from_text(name) == METHODS[name].defaults


def test_lanes_survive_the_address():
    samp = default_settings(
        "samp++", steps=20, momentum=0.8, ic_tolerance=1 / 20, directions=("insertion",),
        insertion_baseline="black", deletion_baseline="mean", accumulation="gauss", gauss_nodes=8,
    )  # fmt: skip
    guided = default_settings("guided-ig", fraction=0.5, max_dist=0.1, steps=30)
    for settings in (samp, guided):
        assert from_text(to_text(settings)) == settings
    assert to_text(default_settings("samp++", ic_tolerance=None)) == "samp++,ic=off"


def test_a_knob_shows_what_its_lane_has_beyond_its_slider_and_between_its_stops():
    settings = from_text("samp++,steps=9999,momentum=0.97,ic=1/30")
    shown = {name: face(METHODS["samp++"].option(name), settings.options[name]) for name in settings.options}
    steps, momentum, ic = (shown[name] for name in ("steps", "momentum", "ic_tolerance"))
    assert (steps.more["min_value"], steps.more["max_value"]) == (2, 9999)
    assert momentum.more["max_value"] == momentum.shown(0.97) == 0.97
    words = [ic.more["format_func"](stop) for stop in ic.more["options"]]
    assert words == ["no IC", "1/5", "1/10", "1/20", "1/30", "1/40", "1/50", "1/100", "1/200"]
    assert ic.value(ic.shown(1 / 30)) == 1 / 30
    for name, value in settings.options.items():
        if value is not None:
            assert shown[name].value(shown[name].shown(value)) == value


@pytest.mark.parametrize(
    "text",
    ["samp,momentum=nan", "samp,momentum=7", "samp,steps=x", "samp,ic=1/0", "samp,ic=-1", "samp,rule=none",
     "samp,ways=up", "samp,start=nowhere", "samp,steps=1000000", "samp,,=,===",
     "samp,ic=1e999"],
)  # fmt: skip
def test_nonsense_in_the_address_is_left_out(text):
    assert from_text(text) == METHODS["samp"].defaults


def test_an_unknown_method_in_the_address_is_no_lane():
    assert from_text("sampp,steps=3") is None
    assert from_text("") is None


def result(sums, targets, pixels, scores=(0.0, 1.0)) -> Explanation:
    pixels = torch.tensor(pixels).view(1, 1, 1, -1)
    trace = torch.tensor(scores).view(-1, 1, 1)
    return Explanation(
        attributions=pixels, by_direction=pixels.unsqueeze(0), directions=("insertion",), order=pixels[:, 0],
        scores=trace, completeness=Completeness(torch.tensor([[sums]]), torch.tensor([[targets]])), finished=True,
        notes=(), steps=torch.tensor([[len(scores) - 1]]), cost=Cost(), seconds=0.0,
    )  # fmt: skip


def test_a_result_says_whether_it_adds_up_and_whether_it_cancels():
    samp, ig = METHODS["samp"].defaults, METHODS["ig"].defaults
    words = " ".join(result_in_words(samp, result(76.0, 1.0, [40.0, 36.0])))
    assert "do not add up" in words
    assert "76 times" in words
    assert "one sign" in words
    words = " ".join(result_in_words(ig, result(1.0, 1.0, [34.5, -33.5])))
    assert "Adds up" in words
    assert "68 times" in words
    words = " ".join(result_in_words(ig, result(0.0, 0.0, [1.0, -1.0])))
    assert "cancel to nothing" in words


def test_a_score_that_climbs_and_comes_back_is_explained_where_it_is_seen():
    samp = METHODS["samp"].defaults
    climbs = result(1.0, 1.0, [1.0], scores=(1.0, 28.0, 9.0))
    assert "28.0" in overshoot_in_words(samp, climbs)
    assert "9.0" in overshoot_in_words(samp, climbs)
    assert overshoot_in_words(samp, result(1.0, 1.0, [1.0], scores=(1.0, 5.0, 9.0))) == ""
    assert overshoot_in_words(METHODS["ig"].defaults, climbs) == ""


def test_ends_are_named_for_every_direction():
    assert ways(METHODS["samp"].defaults) == [("photo", "zero"), ("gaussian blur", "photo")]
    assert ways(METHODS["ig"].defaults) == [("zero", "photo")]
    assert ways(METHODS["blur-ig"].defaults) == [("blur, sigma 50", "photo")]
    assert ways(METHODS["grad-cam"].defaults) == []


def test_a_press_that_is_told_twice_is_done_once(monkeypatch):
    session: dict[str, object] = {"feed": {"act": {"lane": "lane-1", "what": "duplicate", "number": "a-1"}}}
    monkeypatch.setattr(st, "session_state", session)
    done: list[str] = []

    def act(asked: dict[str, object]) -> None:
        done.append(f"{asked['what']} {asked['lane']}")

    pressed("feed", act)
    pressed("feed", act)
    session["feed"] = {}
    pressed("feed", act)
    assert done == ["duplicate lane-1"]
    session["feed"] = {"act": {"lane": "lane-1", "what": "duplicate", "number": "a-2"}}
    pressed("feed", act)
    assert len(done) == 2

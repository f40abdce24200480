"""The pages as Streamlit's own test runner sees them: widgets set, results there, nothing raised."""

from __future__ import annotations

import base64
import io
import json
import re
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import streamlit as st
import torch
from PIL import Image
from streamlit.testing.v1 import AppTest
from torch import nn

from samp_core.archive import ArchiveError, pack, unpack
from samp_core.attribution import UnsupportedError
from samp_core.classifiers import Classifier, Prediction, load_classifier
from samp_core.compare import Entry, front, maps_npz, table
from samp_core.faces import SAMP
from samp_core.images import WORKING_PIXELS, Preprocessing, load_sample, sha256
from samp_core.library import Library
from samp_core.methods import METHODS, default_settings, make_method
from ui.shared import lanes, shelf, state, travel
from ui.shared.cards import Board, beside, card, placeholder
from ui.shared.lanes import START, Stage, put_beside
from ui.shared.plots import progress_in_words
from ui.shared.state import Photo
from ui.stage.scene import _notes
from ui.work.lane_run import LaneRun
from ui.work.queue import Item, Queue
from ui.work.turns import Turns

ROOT = Path(__file__).parents[1]


@pytest.fixture
def app() -> AppTest:
    return AppTest.from_file(str(ROOT / "app.py"), default_timeout=60).run()


@pytest.fixture
def explain() -> AppTest:
    """Explain with a small network, where it does not matter which."""
    return opened("pages/1_Explain.py", network="mnist_cnn")


@pytest.fixture
def explain_photos() -> AppTest:
    """Explain with the network that people meet first."""
    return opened("pages/1_Explain.py")


def opened(page: str, **words: str) -> AppTest:
    """Open a page by a link."""
    app = AppTest.from_file(str(ROOT / "app.py"), default_timeout=60)
    for name, word in words.items():
        app.query_params[name.replace("_", "-")] = word
    shown = app.run().switch_page(page).run()
    assert_fine(shown)
    return shown


def assert_fine(page: AppTest) -> None:
    assert not page.exception, page.exception
    assert not page.error, page.error


def knob(page: AppTest, kind: str, name: str, lane: int = 0):
    """Return a knob of the lane in hand (or of another, if it is shown) by the end of its key."""
    identity = page.session_state["stage"].lanes[lane].identity
    return next(w for w in page.get(kind) if w.key and w.key.startswith(f"{identity}-") and w.key.endswith(f"-{name}"))


def live(page: AppTest, on: bool) -> AppTest:
    """Set the lane in hand to answer its knobs at once, or not."""
    switch = next(t for t in page.toggle if "-live-" in str(t.key))
    return page if switch.value == on else switch.set_value(on).run()


def quick(page: AppTest) -> AppTest:
    """Leave one lane, and turn its knobs to the cheapest run."""
    stage = page.session_state["stage"]
    stage.act(stage.lanes[-1].identity, "remove")
    page.run()
    knob(page, "slider", "steps").set_value(4)
    if METHODS[stage.in_hand.settings.method].is_search:
        knob(page, "select_slider", "ic").set_value(0.0)
    return page.run()


def run_to_the_end(page: AppTest) -> LaneRun:
    stage = page.session_state["stage"]
    stage.wanted.add(stage.hand)
    page.run()
    run = stage.in_hand.run
    run.wait(60)
    page.run()
    assert not run.active
    return run


def text(page: AppTest) -> str:
    kinds = ("markdown", "caption", "info", "warning", "error")
    return " ".join(str(e.value) for kind in kinds for e in page.get(kind))


def facts(page: AppTest) -> str:
    return " ".join(e.proto.body for e in page.get("html") if "fact" in e.proto.body)


def png(image: Image.Image) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return buffer.getvalue()


def test_home_says_what_this_is_and_leads_to_two_paths_from_one_start(app):
    assert_fine(app)
    assert "path" in app.title[0].value
    app.button(key="first-run").click().run()
    assert_fine(app)
    lanes = app.session_state["stage"].lanes
    assert [lane.settings.method for lane in lanes] == ["samp", "ig"]
    assert {lane.settings.options["insertion_baseline"] for lane in lanes} == {"blur"}
    assert all(lane.run is not None for lane in lanes)
    for lane in lanes:
        lane.run.cancel()
        lane.run.wait(60)
        assert lane.run.status in ("stopped", "done")


def test_home_leads_to_the_lesson(app):
    app.button(key="first-lesson").click().run()
    assert_fine(app)
    assert app.title[0].value == "One function, many paths"


@pytest.mark.parametrize("name", ["samp++", "guided-ig", "blur-ig", "agi", "ig2", "reveal-ig", "grad-cam", "random"])
def test_any_method_runs_in_a_lane_and_says_its_cost(name, explain):
    explain.session_state["stage"].open(METHODS[name].defaults)
    explain.run()
    if METHODS[name].has_path:
        knob(explain, "slider", "steps").set_value(4)
    if METHODS[name].is_search:
        knob(explain, "select_slider", "ic").set_value(0.0)
    explain.run()
    assert_fine(explain)
    run = run_to_the_end(explain)
    assert_fine(explain)
    assert run.status == "done"
    assert run.settings.method == name
    assert ("Completeness gap" in facts(explain)) == bool(run.explanation.promises)
    assert METHODS[name].has_path <= bool(run.explanation.promises)
    assert f"{run.explanation.cost.gradients} gradient" in facts(explain)


def test_every_method_can_be_chosen_and_begins_with_its_published_settings(explain):
    stage = explain.session_state["stage"]
    for name, method in METHODS.items():
        knob(explain, "selectbox", "method").set_value(name).run()
        assert_fine(explain)
        assert stage.in_hand.settings == method.defaults, name


def test_the_estimate_follows_the_knobs(explain):
    stage = explain.session_state["stage"]
    stage.open(METHODS["samp++"].defaults)
    explain.run()
    knob(explain, "slider", "steps").set_value(56).run()
    knob(explain, "select_slider", "ic").set_value(0.0).run()
    assert "**112** gradient evaluations" in text(explain)
    knob(explain, "selectbox", "rule").set_value("gauss").run()
    knob(explain, "slider", "nodes").set_value(4).run()
    assert "**560** gradient evaluations" in text(explain)
    assert_fine(explain)
    knob(explain, "slider", "steps").set_value(200).run()
    knob(explain, "slider", "nodes").set_value(32).run()
    assert "a page accepts at most" in explain.error[0].value
    assert not [b for b in explain.button if b.key == "run"]


def test_a_knob_restarts_its_own_lane_and_going_back_recomputes_nothing(explain):
    stage = explain.session_state["stage"]
    knob(explain, "slider", "steps").set_value(4).run()
    stage.lanes[1].settings = stage.lanes[1].settings.changed(steps=2)
    stage.wanted = {lane.identity for lane in stage.lanes}
    explain.run()
    first, other = (lane.run for lane in stage.lanes)
    for run in (first, other):
        run.wait(60)
    live(explain, True)
    knob(explain, "slider", "momentum").set_value(0.9).run()
    second = stage.lanes[0].run
    assert second is not first
    assert second.settings.options["momentum"] == 0.9
    assert stage.lanes[1].run is other
    second.wait(60)
    knob(explain, "slider", "momentum").set_value(0.0).run()
    assert stage.lanes[0].run is first
    assert_fine(explain)


def test_a_lane_that_is_not_live_waits_for_run_and_says_that_its_result_is_old(explain):
    quick(explain)
    stage = explain.session_state["stage"]
    run = run_to_the_end(explain)
    live(explain, False)
    knob(explain, "slider", "momentum").set_value(0.5).run()
    assert stage.in_hand.run is run
    explain.button(key="run").click().run()
    assert stage.in_hand.run is not run
    assert not [button for button in explain.button if button.key == "run"], "it runs: there is nothing to run"
    stage.in_hand.run.wait(60)


def test_cancel_leaves_a_partial_result_that_says_so(explain_photos):
    stage = explain_photos.session_state["stage"]
    stage.open(default_settings("samp++", ic_tolerance=1 / 200), start=True)
    explain_photos.run()
    run = stage.in_hand.run
    while len(run.frames) < 2:
        time.sleep(0.05)
    stage.act(stage.hand, "cancel")
    run.wait(30)
    explain_photos.run()
    assert_fine(explain_photos)
    assert run.status == "stopped"
    assert not run.explanation.finished
    assert "Stopped early" in explain_photos.warning[0].value


def test_runs_go_on_while_other_pages_are_shown_and_every_page_says_so(explain_photos):
    stage = explain_photos.session_state["stage"]
    stage.open(METHODS["samp++"].defaults, start=True)
    explain_photos.run()
    run = stage.in_hand.run
    explain_photos.switch_page("app.py").run()
    assert_fine(explain_photos)
    assert run.active
    assert any("Explain: SAMP++" in p.proto.text for p in explain_photos.sidebar.get("progress"))
    explain_photos.switch_page("pages/1_Explain.py").run()
    assert_fine(explain_photos)
    assert explain_photos.session_state["stage"].in_hand.run is run
    run.cancel()
    run.wait(30)


def test_another_photo_restarts_live_lanes(explain):
    quick(explain)
    stage = explain.session_state["stage"]
    run = run_to_the_end(explain)
    live(explain, True)
    explain.button(key="sample-coffee").click().run()
    assert stage.in_hand.run is not run
    assert stage.in_hand.run.photo.name == "coffee.png"
    stage.in_hand.run.wait(60)
    explain.run()
    assert_fine(explain)


def test_a_slow_lane_of_an_earlier_photo_shares_nothing_with_the_others_until_it_is_run_again(explain, monkeypatch):
    quick(explain)
    stage = explain.session_state["stage"]
    live(explain, True)
    slow = stage.add(default_settings("ig", steps=2))
    slow.live = False
    old = run_to_the_end(explain)
    stage.hand = stage.lanes[0].identity
    first = run_to_the_end(explain)
    assert stage.alike == [first, old]

    explain.button(key="sample-coffee").click().run()
    new = stage.lanes[0].run
    assert new is not first
    new.wait(60)
    explain.run()
    assert_fine(explain)
    assert slow.run is old
    assert stage.alike == [new]
    (ground,) = (g for key, g in explain.session_state["stage-grounds"].items() if key == new.identity)
    assert ground.runs == [new]
    monkeypatch.setattr(st, "session_state", explain.session_state)
    (kept,) = shelf._finished()
    assert (kept.photo.name, kept.keys) == ("coffee.png", [new.key])
    assert kept.link["photo"] == "coffee"
    assert "Integrated Gradients: still of another photo" in _notes(stage)[0]
    monkeypatch.undo()

    explain.button(key="run-all").click().run()
    assert stage.lanes[0].run is new, "it is of this photo"
    slow.run.wait(60)
    explain.run()
    assert stage.alike == [new, slow.run]
    assert not [button for button in explain.button if str(button.key).startswith("run")]
    assert not _notes(stage) or "still of another" not in _notes(stage)[0]


def in_use(monkeypatch: pytest.MonkeyPatch, classifier: Classifier) -> None:
    monkeypatch.setattr(state, "network", lambda name: classifier)

    def predictions(network: str, photo: str, image: Image.Image, k: int = 5) -> list[Prediction]:
        return classifier.predict(classifier.inputs(image), k)

    monkeypatch.setattr(state, "predictions", predictions)


def test_another_photo_restarts_lanes_that_are_too_slow_to_answer_knobs(explain, monkeypatch):
    monkeypatch.setattr(lanes, "LIVE", 0.0)
    monkeypatch.setattr(lanes, "STAYS_LIVE", 0.0)
    quick(explain)
    stage = explain.session_state["stage"]
    run = run_to_the_end(explain)
    knob(explain, "slider", "momentum").set_value(0.5).run()
    assert stage.in_hand.run is run, "a knob waits for Run"
    explain.button(key="sample-coffee").click().run()
    again = stage.in_hand.run
    assert again is not run
    assert (again.photo.name, again.settings.options["momentum"]) == ("coffee.png", 0.5)
    again.wait(60)
    explain.run()
    assert_fine(explain)


def test_a_class_of_a_name_that_others_have_can_be_chosen(monkeypatch):
    twice = replace(load_classifier("mnist_cnn"), labels=("crane", "b", "crane", "d", "e", "f", "g", "h", "i", "crane"))
    in_use(monkeypatch, twice)
    page = opened("pages/1_Explain.py")
    first = twice.predict(twice.inputs(load_sample(state.SAMPLE)))[0].index
    for wanted in {0, 2, 9} - {first}:
        next(r for r in page.radio if r.label == "Class").set_value(-1).run()
        next(s for s in page.selectbox if s.label == "Which class").set_value(wanted).run()
        page.run()
        assert_fine(page)
        assert page.session_state["kept"]["class"] == f"crane {wanted}"


def brought_alike(monkeypatch: pytest.MonkeyPatch) -> dict[str, Classifier]:
    """Bring networks of the same weights that get other pictures, or call their classes otherwise."""
    torch.manual_seed(0)
    toy = load_classifier(
        nn.Sequential(nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(12, 4)).eval(),
        preprocessing=Preprocessing(40, (32, 32), (0.5,) * 3, (0.5,) * 3),
    )
    toy = replace(toy, name="resnet18 with own weights")
    small = replace(toy, preprocessing=replace(toy.preprocessing, crop=(16, 16)))
    called = replace(toy, labels=("cat", "dog", "bird", "fish"))
    own = {"resnet18~1": toy, "resnet18~2": small, "resnet18~3": called}
    monkeypatch.setattr(state, "brought", lambda: own)
    return own


def filed(classifier: Classifier, photo: Photo) -> bytes:
    settings = default_settings("gradient", target=1)
    explanation = make_method(classifier, settings).explain(classifier.inputs(photo.image), 1)
    return pack(classifier, photo.image, photo.name, [Entry(settings, explanation)], with_photo=True)


def test_a_file_finds_the_network_of_its_pictures_and_labels_among_those_of_the_same_weights(monkeypatch):
    own, photo = brought_alike(monkeypatch), Photo.sample("coffee")
    contents = {name: filed(classifier, photo) for name, classifier in own.items()}
    for name, content in contents.items():
        assert travel.subject_of(unpack(content))[1] is own[name]
    # An older file fits two of them: the one that the link names, or the newest.
    archive = unpack(contents["resnet18~1"])
    del archive.words["network"]["labels"]
    for linked in ("resnet18~1", "resnet18~3"):
        assert travel.network_of(archive, linked) is own[linked]
    assert travel.network_of(archive, "resnet18~2") is own["resnet18~3"]
    del own["resnet18~2"]
    with pytest.raises(ArchiveError, match=r"weights are the same: crop \[16, 16\] and not \[32, 32\]"):
        travel.subject_of(unpack(contents["resnet18~2"]))


def test_a_page_brings_back_the_result_of_its_own_network(monkeypatch, tmp_path):
    own, photo = brought_alike(monkeypatch), Photo.sample("coffee")
    kept_results = Library(tmp_path)
    for name, classifier in own.items():
        memo = {"link": {"network": name}, "keys": [name]}
        kept_results.add(filed(classifier, photo), "ann", page="compare", memo=memo)
    kept_results.add(filed(own["resnet18~1"], photo), "ann", page="compare")  # imported, of nobody knows which
    shown = []
    monkeypatch.setattr(shelf, "place", lambda: (kept_results, "ann"))
    monkeypatch.setattr(shelf, "show", lambda page, archive, record, *rest: shown.append(record.memo["keys"]))
    for name, classifier in own.items():
        st.session_state.clear()
        assert shelf.bring_back("compare", photo, name, classifier)
        assert shown[-1] == [name]
    assert not shelf.bring_back("compare", photo, "resnet18~4", own["resnet18~1"])


def test_a_network_with_one_class_is_shown(monkeypatch):
    class One(nn.Module):
        def __init__(self):
            super().__init__()
            self.last = nn.Linear(1, 1)

        def forward(self, x):
            return self.last(x.mean((1, 2, 3)).unsqueeze(1))

    one = replace(load_classifier("mnist_cnn"), network=One().eval(), labels=("yes",))
    in_use(monkeypatch, one)
    page = opened("pages/1_Explain.py", contrast="on")
    assert not [toggle for toggle in page.toggle if toggle.key == "contrast"]


def test_lanes_are_added_duplicated_moved_and_removed(explain):
    stage = explain.session_state["stage"]
    for name in ("blur-ig", "grad-cam"):
        stage.add(METHODS[name].defaults)
        explain.run()
    assert_fine(explain)
    assert len(stage.lanes) == 4
    assert len({lane.colour for lane in stage.lanes}) == 4
    stage.act(stage.lanes[2].identity, "remove")
    first = stage.lanes[0]
    stage.act(first.identity, "duplicate")
    assert [lane.settings.method for lane in stage.lanes][:2] == ["samp", "samp"]
    assert stage.in_hand is stage.lanes[1]
    stage.act(first.identity, "right")
    assert stage.lanes[1] is first
    stage.act("lane-that-is-gone", "remove")
    explain.run()
    assert_fine(explain)


def test_contrast_and_scores(explain):
    quick(explain)
    explain.toggle(key="contrast").set_value(True).run()
    job = run_to_the_end(explain)
    assert_fine(explain)
    assert job.settings.contrast not in (None, job.settings.target)
    assert "minus logit of" in text(explain)
    explain.toggle(key="contrast").set_value(False).run()
    explain.selectbox(key="score").set_value("probability").run()
    assert run_to_the_end(explain).settings.score == "probability"
    assert_fine(explain)


def test_another_class_can_be_explained(explain_photos):
    next(r for r in explain_photos.radio if r.label == "Class").set_value(-1).run()
    other = next(s for s in explain_photos.selectbox if s.label == "Which class")
    other.set_value(967).run()
    quick(explain_photos)
    assert run_to_the_end(explain_photos).settings.target == 967
    assert_fine(explain_photos)


def upload(page: AppTest, name: str, content: bytes) -> AppTest:
    page.segmented_control(key="photo_source").set_value("Upload").run()
    page.file_uploader[0].upload(name, content, "image/png").run()
    return page


def test_an_upload_is_used_and_a_bad_one_changes_nothing(explain):
    upload(explain, "mine.png", png(Image.effect_noise((300, 200), 60).convert("RGB")))
    assert_fine(explain)
    assert "mine.png, 300 x 200 pixels" in text(explain)
    for name, content, says in [
        ("empty.png", b"", "0 bytes|empty"),
        ("text.png", b"hello, I am no image", "not an image|image"),
        ("cut.png", png(Image.effect_noise((64, 64), 60))[:400], "truncated|incomplete|damaged|ends"),
        ("dot.png", png(Image.new("RGB", (1, 1))), "1 x 1|small"),
    ]:
        upload(explain, name, content)
        assert not explain.exception
        assert len(explain.error) == 1
        assert any(word in explain.error[0].value for word in says.split("|")), explain.error[0].value
        assert "stays in use" in explain.error[0].value
        assert "mine.png, 300 x 200 pixels" in text(explain)


def test_a_large_photo_is_decoded_once_and_worked_on_at_a_smaller_size(explain, monkeypatch):
    fingerprints = []
    monkeypatch.setattr(state, "sha256", lambda image: fingerprints.append(image.size) or sha256(image))
    buffer = io.BytesIO()
    Image.effect_noise((3000, 2000), 60).convert("RGB").save(buffer, "JPEG")
    upload(explain, "large.jpg", buffer.getvalue())
    explain.run()
    knob(explain, "slider", "momentum").set_value(0.1).run()
    assert_fine(explain)
    (size,) = fingerprints
    assert size[0] * size[1] <= WORKING_PIXELS
    assert f"large.jpg, 3000 x 2000 pixels, worked on at {size[0]} x {size[1]}" in text(explain)
    photo = explain.session_state["photo"]
    assert photo.image.size == size
    assert photo.thumbnail.width == 264
    assert photo.thumbnail is photo.thumbnail


def test_a_camera_picture_is_used(explain):
    explain.segmented_control(key="photo_source").set_value("Camera").run()
    assert not explain.camera_input  # it is mounted, and switched on, only when asked for
    explain.toggle(key="camera-on").set_value(True).run()
    picture = io.BytesIO()
    Image.effect_noise((320, 240), 60).save(picture, "JPEG")
    explain.camera_input(key="camera").upload("camera.jpg", picture.getvalue(), "image/jpeg").run()
    assert_fine(explain)
    assert "camera.jpg, 320 x 240 pixels" in text(explain)


def test_a_photo_equal_to_its_baseline_is_explained_in_words(explain_photos):
    upload(explain_photos, "grey.png", png(Image.new("RGB", (256, 256), (128, 128, 128))))
    quick(explain_photos)
    knob(explain_photos, "selectbox", "end").set_value("mean").run()
    run_to_the_end(explain_photos)
    assert_fine(explain_photos)
    assert "equals its baseline" in " ".join(w.value for w in explain_photos.warning)


def test_a_network_that_is_not_here_is_offered_and_the_bundled_one_stays(explain, monkeypatch, tmp_path):
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    explain.selectbox(key="network").set_value("vgg16").run()
    assert_fine(explain)
    assert "only if you ask" in text(explain)
    quick(explain)
    assert run_to_the_end(explain).classifier.name == "efficientnet_lite0"


def test_a_failing_run_says_why(bundled):
    class Broken(nn.Module):
        def forward(self, x):
            raise RuntimeError("no memory left")

    classifier = replace(bundled, network=Broken())
    run = LaneRun(Turns(1), classifier, Photo.sample("coffee"), default_settings("samp", target=1), "", 0.0).start()
    run.wait(30)
    assert run.status == "failed"
    assert "no memory left" in run.error


def test_a_link_opens_its_lanes_and_code_that_opens_others_later_wins():
    page = opened("pages/1_Explain.py", lanes="samp,momentum=0.3,ic=1/20,rule=isotonic;grad-cam")
    lanes = page.session_state["stage"].lanes
    assert [lane.settings.method for lane in lanes] == ["samp", "grad-cam"]
    page.session_state["stage"].act(lanes[0].identity, "hand")
    page.run()
    assert knob(page, "slider", "momentum").value == 0.3
    assert knob(page, "select_slider", "ic").value == 1 / 20
    assert knob(page, "selectbox", "rule").value == "isotonic"
    knob(page, "slider", "steps").set_value(20).run()
    assert page.session_state["kept"]["lanes"] == "samp,steps=20,momentum=0.3,ic=1/20,rule=isotonic;grad-cam"
    page.switch_page("app.py").run()
    page.button(key="first-run").click().run()
    assert [lane.settings.method for lane in page.session_state["stage"].lanes] == ["samp", "ig"]
    assert "lanes" not in page.session_state["kept"]
    for lane in page.session_state["stage"].lanes:
        lane.run.cancel()


@pytest.mark.parametrize(
    "words",
    [
        {"lanes": "![x](http://a.b/c)"}, {"lanes": ""}, {"lanes": ";;;,"},
        {"photo": "nobody"}, {"class": "no such class"}, {"contrast": "off"},
        {"contrast": "on", "against": "tiger cat"},
    ],
    ids=str,
)  # fmt: skip
def test_what_a_link_cannot_mean_is_left_out_with_a_word(words):
    page = opened("pages/1_Explain.py", **words)
    (toast,) = page.toast
    assert "is not possible here" in toast.value
    assert "http" not in toast.value
    assert set(page.session_state["kept"]) <= {"contrast"}
    assert knob(page, "slider", "steps").value == 14


def test_what_a_link_sets_beyond_a_slider_is_shown_and_can_be_taken_back():
    page = opened("pages/1_Explain.py", lanes="ig,steps=500")
    (lane,) = page.session_state["stage"].lanes
    live(page, False)
    assert (knob(page, "slider", "steps").value, knob(page, "slider", "steps").max) == (500, 500)
    knob(page, "slider", "steps").set_value(80).run().run()
    assert lane.settings.options["steps"] == knob(page, "slider", "steps").value == 80
    assert knob(page, "slider", "steps").max == 200
    compare = opened("pages/2_Compare.py", **{"methods": "ig", "ig.steps": "500"})
    assert any("steps 500, not 50" in caption.value for caption in compare.caption)
    assert compare.slider(key="compare-ig-steps").value == 500
    compare.slider(key="compare-ig-steps").set_value(80).run().run()
    assert compare.slider(key="compare-ig-steps").value == 80
    assert_fine(compare)


# -- Compare ----------------------------------------------------------------------------------------------------------


@pytest.fixture
def compare() -> AppTest:
    """Compare with the network that people meet first."""
    return opened("pages/2_Compare.py")


@pytest.fixture
def small() -> AppTest:
    """Compare with a small network, where it does not matter which."""
    return opened("pages/2_Compare.py", network="mnist_cnn")


def choose(page: AppTest, *names: str) -> AppTest:
    # The cards to choose from are the browser's.
    page.session_state["kept"] = {**page.session_state["kept"], "methods": " ".join(names)}
    return page.run()


def compare_to_the_end(page: AppTest) -> Queue:
    page.button(key="run-all").click().run()
    queue = page.session_state["queue"]
    queue.wait(120)
    page.run()
    assert_fine(page)
    assert not queue.active
    return queue


def test_compare_shows_what_it_will_cost_and_each_preset_has_methods(compare):
    for preset in ("Path methods", "Every path", "Fast", "The paper's table", "All"):
        compare.segmented_control(key="compare-preset").set_value(preset).run()
        assert_fine(compare)
        assert re.search(r"about \*\*.+\*\* for \d+ methods", text(compare))


def test_compare_runs_what_is_chosen_and_remembers_it(small):
    choose(small, "gradient", "edges", "ig")
    first = compare_to_the_end(small)
    assert [item.status for item in first.items] == ["done"] * 3
    assert "All explain the **logit of" in text(small)
    assert {t.label for t in small.tabs} == {"Deletion and insertion", "Agreement", "Trade-off", "Figures", "Export"}
    rows = table([item.entry for item in first.items])
    best = front(np.array([[row["difference"], row["gradients"]] for row in rows]), ["up", "down"])
    names = [row["method"] for row, is_best in zip(rows, best, strict=True) if is_best]
    said = next(c.value for c in small.caption if c.value.startswith("Diamonds"))
    assert set(said[said.index("(") + 1 : said.index(")")].split(", ")) == set(names)
    small.selectbox(key="trade-up").set_value("gradients").run()
    assert_fine(small)
    assert "Choose two different numbers" in text(small)
    small.selectbox(key="trade-up").set_value("deletion").run()
    assert_fine(small)
    choose(small, "gradient", "ig", "random")
    assert "differs from it" in text(small)
    second = compare_to_the_end(small)
    assert [item.status for item in second.items] == ["cached", "cached", "done"]
    assert second.items[0].entry is first.items[0].entry


def test_what_ends_while_its_page_is_drawn_is_remembered(small, monkeypatch):
    """Nothing runs the script again after that: whoever leaves then must find it in the Library."""
    asked = state.queue

    def at_its_end() -> Queue | None:
        if (queue := asked()) is not None:
            queue.wait(60)
        return queue

    monkeypatch.setattr(state, "queue", at_its_end)
    choose(small, "samp++")
    assert "shelved" not in small.session_state
    small.button(key="run-all").click().run()
    assert_fine(small)
    assert small.session_state["shelved"]


def test_changing_one_setting_reruns_only_that_method_and_reset_brings_it_back(small):
    choose(small, "ig", "gradient")
    small.slider(key="compare-ig-steps").set_value(6).run()
    first = compare_to_the_end(small)
    assert first.items[0].settings.options["steps"] == 6
    small.slider(key="compare-ig-steps").set_value(8).run()
    assert [i.status for i in compare_to_the_end(small).items] == ["done", "cached"]
    small.button(key="compare-ig-reset").click().run()
    assert small.slider(key="compare-ig-steps").value == 50


def sent_maps(items: list[Item]) -> list[str]:
    """Return the keys of those whose maps a new grid is sent."""
    cards = [card(item) for item in items]
    return [sent["key"] for sent in Board().message("photo", lambda: "", (224, 224), cards, items, None)["maps"]]


def test_a_method_that_cannot_serve_says_so_and_the_others_go_on(small, monkeypatch):
    def refuse(classifier, settings):
        if settings.method == "gradient":
            raise UnsupportedError("This network has no layer for it.")
        return make_method(classifier, settings)

    monkeypatch.setattr("ui.work.queue.make_method", refuse)
    small.toggle(key="contrast").set_value(True).run()
    choose(small, "gradient", "edges")
    refused, other = compare_to_the_end(small).items
    assert card(refused)["error"] == "This network has no layer for it."
    assert (refused.status, refused.entry) == ("failed", None)
    assert other.status == "done"
    assert sent_maps([refused, other]) == [other.key]
    assert "minus logit of" in text(small)


def test_a_failing_method_does_not_hold_up_the_queue(bundled):
    class Broken(nn.Module):
        def forward(self, x):
            raise RuntimeError("no memory left")

    image = load_sample("coffee")
    items = [Item("a", default_settings("gradient", target=1)), Item("b", default_settings("edges", target=1))]
    queue = Queue(replace(bundled, network=Broken()), image, "cup", items, Turns(1)).start()
    queue.wait(30)
    assert [i.status for i in items] == ["failed", "failed"]
    assert all("no memory left" in i.error for i in items)
    assert card(items[0])["lines"][0] == ["time", "-"]
    # The map of edges is there and is shown, its curves cannot be.
    assert items[0].entry is None
    assert sent_maps(items) == ["b"]
    assert "no memory left" in card(items[1])["error"]
    assert dict(card(items[1])["lines"])["insertion - deletion"] == "-"


def test_maps_without_curves_are_shown_beside_those_with(small):
    choose(small, "gradient", "edges")
    queue = compare_to_the_end(small)
    for k in (0, 1):
        queue.items[k].entry = replace(queue.items[k].entry, deletion=None, insertion=None)
        small.run()
        assert_fine(small)
    assert "No curve was measured" in text(small)


def test_cards_say_where_a_path_goes_and_which_layer_is_looked_at(small):
    assert placeholder(default_settings("ig"), "Run")["place"] == "zero → photo"
    assert placeholder(default_settings("samp"), "Run")["place"] == "photo → zero + blur → photo"
    assert placeholder(default_settings("edges"), "Run")["place"] == "no path"
    choose(small, "grad-cam")
    queue = compare_to_the_end(small)
    layer = queue.items[0].entry.settings.options["layer"]
    assert layer in dict(queue.classifier.network.named_modules())
    assert card(queue.items[0])["place"] == f"layer {layer}"


def test_a_method_without_a_path_shows_the_gap_of_its_sum(small):
    choose(small, "ig", "gradient")
    small.slider(key="compare-ig-steps").set_value(4).run()
    queue = compare_to_the_end(small)
    ig, gradient = (i.entry.explanation for i in queue.items)
    promise = replace(gradient, completeness=ig.completeness)
    queue.items[1].entry = replace(queue.items[1].entry, explanation=promise)
    small.run()
    assert_fine(small)
    shown = [dict(card(i)["lines"])["completeness gap"] for i in queue.items]
    assert shown[0] == shown[1] != "has none"
    assert small.dataframe[0].value.iloc[1]["largest relative completeness gap"] == shown[0]


def test_the_estimate_covers_all_that_is_chosen_and_not_what_is_remembered(compare, monkeypatch):
    monkeypatch.setattr("ui.shared.state.seconds_per_gradient", lambda name: 1.0)
    choose(compare, "ig")
    compare.slider(key="compare-ig-steps").set_value(4).run()
    # Five gradients of the trapezoid rule and 58 forward passes of the curves.
    assert "about **31 s** for 1 method" in text(compare)
    path = SAMP(nn.Identity(), ic_tolerance=0.1).estimate(224, 224)
    assert path.gradient_bound > path.gradients
    choose(compare, "samp++", "ig")
    compare.selectbox(key="compare-which").set_value("samp++").run()
    compare.select_slider(key="compare-samp++-ic_tolerance").set_value(0.1).run()
    known = re.search(r"about \*\*(.+) min\*\*, at most \*\*(.+) min\*\* for 2 methods", text(compare))
    expected, most = (60 * float(n) for n in known.groups())
    assert expected == pytest.approx(path.gradients + 5 + 2 * 26.1, abs=4)
    assert most == pytest.approx(path.gradient_bound + 5 + 2 * 26.1, abs=4)
    choose(compare, "ig")
    compare_to_the_end(compare)
    assert "nothing to wait for: 1 method, all of them remembered" in text(compare)
    compare.selectbox(key="compare-which").set_value("ig").run()
    compare.slider(key="compare-ig-steps").set_value(5).run()
    assert "about **32 s** for 1 method" in text(compare)


def test_progress_is_by_work_and_of_what_is_left_to_do(bundled):
    names = ("ig", "edges", "random")
    items = [Item(name, default_settings(name, target=1)) for name in names]
    items[2].status, items[2].progress = "cached", 1.0
    queue = Queue(bundled, load_sample("coffee"), "cup", items, Turns(1))
    assert queue.progress == 0
    items[0].status, items[0].progress = "running", 0.5
    ig, edges = (w.map + w.rest for w in queue.work[:2])
    assert ig > edges > 0
    assert queue.progress == pytest.approx(0.5 * ig / (ig + edges))
    queue.cancel_item("edges")  # what is taken off is no longer waited for
    assert queue.progress == pytest.approx(0.5)
    items[0].status, items[0].progress = "done", 1.0
    assert queue.progress == 1


def test_a_comparison_says_how_long_it_will_take(bundled):
    items = [Item(name, default_settings(name, target=1)) for name in ("gradient", "edges")]
    queue = Queue(bundled, load_sample("coffee"), "cup", items, Turns(1))
    assert progress_in_words(queue) == "0 of 2 done, waiting for its turn"
    items[0].status = "running"
    assert progress_in_words(queue) == "0 of 2 done, Gradient: map"
    queue.pace.note(0.1)
    time.sleep(0.01)
    queue.pace.note(0.2)
    assert re.fullmatch(r"0 of 2 done, Gradient: map, about .+ left", progress_in_words(queue))
    items[0].status = "measuring"
    assert "Gradient: curves" in progress_in_words(queue)


def test_one_or_all_can_be_cancelled(compare):
    choose(compare, "samp++", "rise", "edges")
    compare.button(key="run-all").click().run()
    queue = compare.session_state["queue"]
    queue.cancel_item(queue.items[1].key)
    while queue.items[0].status == "waiting":
        time.sleep(0.02)
    queue.items[0].cancel()
    queue.wait(60)
    compare.run()
    assert_fine(compare)
    assert [i.status for i in queue.items] == ["cancelled", "cancelled", "done"]
    compare.button(key="run-all").click().run()
    compare.button(key="cancel-all").click().run()
    again = compare.session_state["queue"]
    again.wait(60)
    assert [i.status for i in again.items] == ["cancelled", "cancelled", "cached"]


def test_images_at_once_are_part_of_what_a_map_is(small):
    choose(small, "smoothgrad", "edges")
    first = compare_to_the_end(small)
    small.select_slider(key="compare-batch").set_value(4).run()
    assert "differs from it" in text(small)
    assert "images at once 4, not 16" in text(small)
    fresh = compare_to_the_end(small)
    assert fresh.items[0].settings.batch_size == 4
    costs = [q.items[0].entry.explanation.cost for q in (first, fresh)]
    assert costs[0].gradients == costs[1].gradients
    assert costs[0].batches < costs[1].batches


def test_no_method_chosen_is_said(small):
    choose(small)
    assert small.button(key="run-all").disabled
    assert "at least one method" in text(small)


def cards_of(page: AppTest) -> list[tuple[str, int | None, str]]:
    """Return method, steps and start of each item of the newest comparison."""
    asked = [item.settings for item in page.session_state["queue"].items]
    return [(s.method, s.options.get("steps"), s.options.get("insertion_baseline")) for s in asked]


def test_the_lanes_of_the_stage_join_the_comparison_as_further_cards(app):
    lanes = "ig,steps=4,start=white;edges;ig,steps=5"
    page = opened("pages/1_Explain.py", network="mnist_cnn", lanes=lanes).switch_page("pages/2_Compare.py").run()
    choose(page, "ig", "edges")
    page.slider(key="compare-ig-steps").set_value(4).run()
    page.button(key="compare-lanes").click().run()
    assert "for 4 methods" in text(page), "a lane with the settings of a card adds none"
    queue = compare_to_the_end(page)
    assert [c for c in cards_of(page) if c[0] == "ig"] == [("ig", 4, "zero"), ("ig", 4, "white"), ("ig", 5, "zero")]
    names = [c["name"] for c in beside([card(i) for i in queue.items], [i.settings for i in queue.items])]
    assert len(set(names)) == 4
    assert "insertion baseline white" in names[2]
    assert "Integrated Gradients" in names[2]
    with np.load(
        io.BytesIO(maps_npz(queue.classifier, queue.image, queue.name, [i.entry for i in queue.items]))
    ) as maps:
        assert sum(maps[name].shape == (28, 28) for name in maps.files) == 4
    assert "ig,steps=5" in str(page.query_params["also"])

    # The same settings are one card, and one start for all makes twins of those that differ by it alone.
    page.selectbox(key="compare-start").set_value("black").run()
    assert "for 3 methods" in text(page)
    compare_to_the_end(page)
    assert [c for c in cards_of(page) if c[0] == "ig"] == [("ig", 4, "black"), ("ig", 5, "black")]
    assert "start at different images" not in text(page)


def test_a_method_is_kept_once_more_and_its_knobs_are_free(small):
    choose(small, "ig")
    small.slider(key="compare-ig-steps").set_value(4).run()
    small.button(key="compare-ig-twin").click().run()
    assert "for 1 method" in text(small)
    small.button(key="compare-ig-reset").click().run()
    assert "for 2 methods" in text(small)
    assert "Not as published: Integrated Gradients (steps 4, not 50)." in text(small)


def test_cards_say_whose_path_starts_elsewhere():
    asked = [default_settings(name) for name in ("samp", "samp++", "ig", "edges")]
    shown = beside([placeholder(s, "Run") for s in asked], asked)
    assert [c["other_start"] for c in shown] == [False, False, True, False]
    assert [c["other_start"] for c in beside([placeholder(s, "Run") for s in asked[:2]], asked[:2])] == [False, False]
    assert [c["settings"] for c in shown[1:3]] == [
        "14 steps, momentum 0.5, IC 1/50, paper rule",
        "50 steps, trapezoid rule",
    ]


def test_a_map_grows_while_its_path_is_walked_and_its_result_is_exact(bundled, monkeypatch):
    monkeypatch.setattr("ui.work.queue._PICTURES", 0)
    item = Item("ig", default_settings("ig", target=1, steps=4))
    queue = Queue(bundled, load_sample("coffee"), "cup", [item], Turns(1))
    seen = []
    walk = queue.pace.note

    def note(progress: float) -> None:
        if item.growing is not None:
            seen.append((item.growing, Board().message("", str, (224, 224), [card(item)], [item], None)["running"]))
        walk(progress)

    monkeypatch.setattr(queue.pace, "note", note)
    queue.start().wait(60)
    assert [growing.number for growing, _ in seen] == [1, 2, 3, 4]
    assert len({growing.levels for growing, _ in seen}) == 4
    assert all(len(running["levels"]) < 30_000 for _, running in seen)
    assert item.growing is None
    assert item.status == "done"
    with queue.turn():
        plain = make_method(bundled, item.settings).explain(bundled.preprocessing(load_sample("coffee")), 1)
    assert torch.equal(item.entry.explanation.attributions, plain.attributions)
    assert queue._turns.pace, "the estimate learns from it"


def test_a_card_is_sent_when_it_changes_and_a_map_once(small):
    choose(small, "gradient", "edges")
    queue = compare_to_the_end(small)
    board = Board()

    def message(**of_first: str) -> dict[str, Any]:
        cards = [card(item) for item in queue.items]
        cards[0] |= of_first
        board.ledger.hear(None)
        return board.message("photo", lambda: "uri", (224, 224), cards, queue.items, None)

    first, second = message(), message()
    assert [len(first[part]) for part in ("cards", "maps")] == [2, 2]
    assert first["photo"] == "uri"
    assert "photo" not in second
    assert [len(second[part]) for part in ("cards", "maps")] == [0, 0]
    assert len(json.dumps(second)) < 1_000
    assert [c["method"] for c in message(words="other")["cards"]] == ["gradient"]
    values = np.frombuffer(base64.b64decode(first["maps"][0]["values"]), "<i2") * first["maps"][0]["unit"]
    exact = queue.items[0].entry.map.ravel()
    assert np.abs(values - exact).max() <= np.abs(exact).max() / 65_000


def test_a_card_opens_on_the_stage_beside_the_lanes_there(app):
    own = Stage()
    own.open(*START)
    put_beside(own, default_settings("edges"))
    assert [lane.settings.method for lane in own.lanes] == ["samp", "ig", "edges"]
    assert own.in_hand.settings.method == "edges"
    for name in ("random", "gradient"):
        put_beside(own, default_settings(name))
    assert [lane.settings.method for lane in own.lanes] == ["samp", "ig", "edges", "gradient"]
    put_beside(own, default_settings("ig", insertion_baseline="blur"))
    assert len(own.lanes) == 4
    assert own.in_hand.settings.method == "ig"
    assert not own.begun

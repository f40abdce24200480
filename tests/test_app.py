"""The pages as Streamlit's own test runner sees them: widgets set, results there, nothing raised."""

from __future__ import annotations

import io
import re
import threading
import time
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image
from streamlit.testing.v1 import AppTest
from torch import nn

from samp_core.images import WORKING_PIXELS, load_sample, sha256
from samp_core.methods import METHODS, default_settings
from ui import state
from ui.controls import SHORT
from ui.grid import card
from ui.jobs import Job, Turn
from ui.queue import Item, Queue

ROOT = Path(__file__).parents[1]


@pytest.fixture
def app() -> AppTest:
    return AppTest.from_file(str(ROOT / "app.py"), default_timeout=60).run()


@pytest.fixture
def explain(app: AppTest) -> AppTest:
    page = app.switch_page("pages/1_Explain.py").run()
    assert_fine(page)
    return page


def assert_fine(page: AppTest) -> None:
    assert not page.exception, page.exception
    assert not page.error, page.error


def quick(page: AppTest) -> AppTest:
    """Turn the knobs to the cheapest search."""
    page.slider(key="knob-steps").set_value(4)
    if METHODS[page.session_state["method"]].is_search:
        page.select_slider(key="knob-ic_tolerance").set_value(0.0)
    return page.run()


def run_to_the_end(page: AppTest) -> Job:
    page.button(key="run").click().run()
    job = page.session_state["job"]
    job.wait(60)
    page.run()
    assert not job.active
    return job


def text(page: AppTest) -> str:
    kinds = ("markdown", "caption", "info", "warning", "error")
    return " ".join(str(e.value) for kind in kinds for e in page.get(kind))


def facts(page: AppTest) -> str:
    return " ".join(e.proto.body for e in page.get("html") if "fact" in e.proto.body)


def png(image: Image.Image) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return buffer.getvalue()


def test_home_says_what_this_is_and_leads_to_a_running_search(app):
    assert_fine(app)
    assert "path" in app.title[0].value
    app.button(key="first-run").click().run()
    assert_fine(app)
    job = app.session_state["job"]
    assert job.settings.method == "samp++"
    assert job.name == "chelsea.png"
    app.button(key="cancel").click().run()
    job.wait(60)
    assert job.status in ("stopped", "done")


def test_home_leads_to_the_lesson(app):
    app.button(key="first-lesson").click().run()
    assert_fine(app)
    assert app.title[0].value == "One function, many paths"


@pytest.mark.parametrize("name", SHORT)
def test_every_method_runs_and_shows_its_gap_and_cost(name, explain):
    explain.segmented_control(key="method").set_value(name).run()
    quick(explain)
    assert_fine(explain)
    job = run_to_the_end(explain)
    assert_fine(explain)
    assert job.status == "done"
    assert job.settings.method == name
    assert "Completeness gap" in facts(explain)
    assert f"{job.explanation.cost.gradients} gradient" in facts(explain)
    assert len(job.replay) == int(job.explanation.steps.max()) + 1


def test_the_estimate_follows_the_knobs(explain):
    before = text(explain)
    explain.slider(key="knob-steps").set_value(56).run()
    assert "896 pixels move at a time" in text(explain)
    assert text(explain) != before
    assert "at most 107" in text(explain)
    explain.select_slider(key="knob-ic_tolerance").set_value(0.0).run()
    assert "**112** gradient evaluations" in text(explain)
    explain.selectbox(key="knob-accumulation").set_value("gauss").run()
    explain.slider(key="knob-gauss_nodes").set_value(4).run()
    assert "**560** gradient evaluations" in text(explain)
    assert_fine(explain)


def test_a_changed_knob_says_that_the_result_is_old_and_going_back_recomputes_nothing(explain):
    quick(explain)
    job = run_to_the_end(explain)
    explain.slider(key="knob-momentum").set_value(0.9).run()
    assert "Shown is the last result" in text(explain)
    explain.slider(key="knob-momentum").set_value(0.5).run()
    assert "Shown is the last result" not in text(explain)
    assert explain.session_state["job"] is job
    explain.slider(key="knob-momentum").set_value(0.9).run()
    second = run_to_the_end(explain)
    assert second is not job
    explain.slider(key="knob-momentum").set_value(0.5).run()
    assert "Shown is the last result" not in text(explain)  # the first result came back from the session's memory


def test_cancel_leaves_a_partial_result_that_says_so(explain):
    explain.select_slider(key="knob-ic_tolerance").set_value(1 / 200).run()
    explain.button(key="run").click().run()
    job = explain.session_state["job"]
    while not job.moments:
        time.sleep(0.05)
    explain.button(key="cancel").click().run()
    job.wait(30)
    explain.run()
    assert_fine(explain)
    assert job.status == "stopped"
    assert not job.explanation.finished
    assert "Stopped early" in explain.warning[0].value


def test_a_run_survives_other_widgets_and_pages(explain):
    explain.button(key="run").click().run()
    job = explain.session_state["job"]
    explain.slider(key="knob-momentum").set_value(0.1).run()
    explain.switch_page("app.py").run()
    assert_fine(explain)
    assert explain.session_state["job"] is job
    assert job.active
    explain.switch_page("pages/1_Explain.py").run()
    assert_fine(explain)
    assert explain.slider(key="knob-momentum").value == 0.1
    job.cancel()
    job.wait(30)


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


def test_another_class_can_be_explained(explain):
    next(r for r in explain.radio if r.label == "Class").set_value(-1).run()
    other = next(s for s in explain.selectbox if s.label == "Which class")
    other.set_value(967).run()
    quick(explain)
    assert run_to_the_end(explain).settings.target == 967
    assert_fine(explain)


def upload(page: AppTest, name: str, content: bytes) -> AppTest:
    page.session_state["photo_source"] = "Upload"
    page.run()
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
    explain.slider(key="knob-momentum").set_value(0.1).run()
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
    picture = io.BytesIO()
    Image.effect_noise((320, 240), 60).save(picture, "JPEG")
    explain.camera_input(key="camera").upload("camera.jpg", picture.getvalue(), "image/jpeg").run()
    assert_fine(explain)
    assert "camera.jpg, 320 x 240 pixels" in text(explain)


def test_a_photo_equal_to_its_baseline_is_explained_in_words(explain):
    upload(explain, "grey.png", png(Image.new("RGB", (256, 256), (128, 128, 128))))
    quick(explain)
    explain.session_state["knob-deletion_baseline"] = "mean"
    explain.run()
    run_to_the_end(explain)
    assert_fine(explain)
    assert "equals its baseline" in " ".join(w.value for w in explain.warning)


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
    job = Job(classifier, load_sample("coffee"), "coffee.png", default_settings("samp", target=1), Turn()).start()
    job.wait(30)
    assert job.status == "failed"
    assert "no memory left" in job.error


def test_turns_are_taken_in_order():
    turn, order, threads = Turn(), [], []

    def take(n: int) -> None:
        with turn():
            order.append(n)

    with turn():
        for n in range(4):
            threads.append(threading.Thread(target=take, args=(n,)))
            threads[-1].start()
            while len(turn._queue) <= n:
                time.sleep(0.001)

    for thread in threads:
        thread.join(5)
    assert order == [0, 1, 2, 3]


def test_a_run_that_nobody_watches_is_given_up(bundled, monkeypatch):
    monkeypatch.setattr("ui.jobs.FORGOTTEN", 0.0)
    job = Job(bundled, load_sample("coffee"), "coffee.png", default_settings("samp++", target=1), Turn()).start()
    job.wait(30)
    assert job.status == "stopped"
    assert job.steps < 5


# -- Compare ----------------------------------------------------------------------------------------------------------


@pytest.fixture
def compare(app: AppTest) -> AppTest:
    page = app.switch_page("pages/2_Compare.py").run()
    assert_fine(page)
    return page


def choose(page: AppTest, *names: str) -> AppTest:
    page.segmented_control(key="compare-preset").set_value("My choice").run()
    page.multiselect(key="compare-mine").set_value(list(names)).run()
    return page


def compare_to_the_end(page: AppTest) -> Queue:
    page.button(key="run-all").click().run()
    queue = page.session_state["queue"]
    queue.wait(120)
    page.run()
    assert_fine(page)
    assert not queue.active
    return queue


def test_compare_shows_what_it_will_cost_and_each_preset_has_methods(compare):
    for preset in ("Path methods", "Fast", "The paper's table", "All"):
        compare.segmented_control(key="compare-preset").set_value(preset).run()
        assert_fine(compare)
        assert re.search(r"about \*\*.+\*\* for \d+ methods", text(compare))


def test_compare_runs_what_is_chosen_and_remembers_it(compare):
    choose(compare, "gradient", "edges", "ig")
    first = compare_to_the_end(compare)
    assert [item.status for item in first.items] == ["done"] * 3
    assert "All explain the **logit of" in text(compare)
    assert {t.label for t in compare.tabs} == {"Deletion and insertion", "Agreement", "Figures", "Export"}
    choose(compare, "gradient", "ig", "random")
    assert "differs from it" in text(compare)
    second = compare_to_the_end(compare)
    assert [item.status for item in second.items] == ["cached", "cached", "done"]
    assert second.items[0].entry is first.items[0].entry


def test_changing_one_setting_reruns_only_that_method_and_reset_brings_it_back(compare):
    choose(compare, "ig", "gradient")
    compare.slider(key="compare-ig-steps").set_value(6).run()
    first = compare_to_the_end(compare)
    assert first.items[0].settings.steps == 6
    compare.slider(key="compare-ig-steps").set_value(8).run()
    assert [i.status for i in compare_to_the_end(compare).items] == ["done", "cached"]
    compare.button(key="compare-ig-reset").click().run()
    assert compare.slider(key="compare-ig-steps").value == 50


def test_a_method_that_cannot_serve_says_so_and_the_others_go_on(compare):
    compare.toggle(key="contrast").set_value(True).run()
    choose(compare, "gradient", "edges")
    queue = compare_to_the_end(compare)
    queue.items[0].status, queue.items[0].entry = "failed", None
    queue.items[0].error = "This network has no layer for it."
    compare.run()
    assert_fine(compare)
    assert card(queue.items[0])["error"] == "This network has no layer for it."
    assert "minus logit of" in text(compare)


def test_a_failing_method_does_not_hold_up_the_queue(bundled):
    class Broken(nn.Module):
        def forward(self, x):
            raise RuntimeError("no memory left")

    image = load_sample("coffee")
    items = [Item("a", default_settings("gradient", target=1)), Item("b", default_settings("edges", target=1))]
    queue = Queue(replace(bundled, network=Broken()), image, "cup", items, Turn()).start()
    queue.wait(30)
    assert [i.status for i in items] == ["failed", "failed"]  # the map of edges is there, its curves cannot be
    assert all("no memory left" in i.error for i in items)


def test_one_or_all_can_be_cancelled(compare):
    choose(compare, "samp++", "rise", "edges")
    compare.button(key="run-all").click().run()
    queue = compare.session_state["queue"]
    next(b for b in compare.button if b.label == "Cancel RISE").click().run()
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


def test_images_at_once_change_memory_and_not_what_is_remembered(compare):
    choose(compare, "smoothgrad", "edges")
    first = compare_to_the_end(compare)
    compare.select_slider(key="compare-batch").set_value(4).run()
    again = compare_to_the_end(compare)
    assert [i.status for i in again.items] == ["cached", "cached"]
    compare.session_state["entries"].clear()
    compare.session_state["queue"] = None
    fresh = compare_to_the_end(compare)
    assert fresh.items[0].settings.batch_size == 4
    costs = [q.items[0].entry.explanation.cost for q in (first, fresh)]
    assert costs[0].gradients == costs[1].gradients
    assert costs[0].batches < costs[1].batches


def test_no_method_chosen_is_said(compare):
    choose(compare)
    assert compare.button(key="run-all").disabled
    assert "at least one method" in text(compare)

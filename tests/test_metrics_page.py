"""The Metrics page: one photo with evidence, many photos with intervals."""

from __future__ import annotations

import csv
import io
import json

import pytest
from streamlit.testing.v1 import AppTest

from samp_core.benchmark import Store, find_photos
from samp_core.images import load_sample
from samp_core.metrics import METRICS
from tests.test_app import ROOT, assert_fine, choose, compare_to_the_end, text
from tests.toy_benchmark import toy_classifier, toy_plan
from ui.many import Bench
from ui.one import newest_first, scores, to_csv
from ui.queue import Measuring
from ui.words import plain


@pytest.fixture
def app() -> AppTest:
    return AppTest.from_file(str(ROOT / "app.py"), default_timeout=60).run()


@pytest.fixture
def metrics() -> AppTest:
    app = AppTest.from_file(str(ROOT / "app.py"), default_timeout=60).run()
    page = app.switch_page("pages/3_Metrics.py").run()
    assert_fine(page)
    return page


def words(page: AppTest) -> str:
    return "\n".join(e.value for kind in (page.markdown, page.caption, page.warning, page.info) for e in kind)


def measure(page: AppTest, *names: str) -> Measuring:
    page.multiselect(key="metrics-names").set_value(list(names)).run()
    page.button(key="measure").click().run()
    run = page.session_state["measuring"]
    run.wait(120)
    page.run()
    assert_fine(page)
    assert not run.active
    return run


def test_numbers_come_with_protocol_and_evidence(metrics):
    assert "Nothing has been measured" in words(metrics)
    choose(metrics, "gradient", "edges")
    run = measure(metrics, "curves", "diffid", "gap", "concentration")
    table = metrics.dataframe[0].value
    assert list(table.index) == ["Edges", "Gradient"] or list(table.index) == ["Gradient", "Edges"]
    assert "Ins. - del. ↑" in table.columns
    assert table["Completeness gap ↓"].isna().all()
    found = scores(run)
    assert table.loc["Edges", "Deletion ↓"] == pytest.approx(found.rows["Edges"]["deletion"].values.item())
    assert "paper protocol" in words(metrics)
    for number in ("diffid", "gap", "gini"):
        metrics.selectbox(key="evidence-number").set_value(number).run()
        assert_fine(metrics)
        assert plain(found.rows["Edges"][number].protocol) in words(metrics)
    assert "promises no sum" in words(metrics) or metrics.selectbox(key="evidence-number").value == "gini"


def test_every_metric_has_evidence_that_can_be_shown(metrics):
    choose(metrics, "edges")
    names = [n for n in METRICS if METRICS[n].needs != "box"]
    run = measure(metrics, *names)
    assert not run.items[0].missing
    for name in names:
        for column in METRICS[name].columns:
            metrics.selectbox(key="evidence-number").set_value(column.name).run()
            assert_fine(metrics)


def test_what_is_known_is_not_measured_again(metrics):
    choose(metrics, "edges", "random")
    first = measure(metrics, "concentration")
    entries = [i.entry for i in first.items]
    second = measure(metrics, "concentration", "gap")
    assert [i.entry for i in second.items] == entries
    assert second.items[0].measured["concentration"] is first.items[0].measured["concentration"]
    assert set(second.items[0].measured) == {"concentration", "gap"}


def cheap(page: AppTest) -> AppTest:
    choose(page, "ig", "edges")
    return page.slider(key="compare-ig-steps").set_value(4).run()


def test_a_map_is_made_once_for_metrics_and_compare(metrics, app):
    measured = measure(cheap(metrics), "concentration")
    maps = [i.entry.explanation for i in measured.items]
    app.session_state["measuring"] = measured
    compare = cheap(app.switch_page("pages/2_Compare.py").run())
    first = compare_to_the_end(compare)
    assert [i.status for i in first.items] == ["done", "done"]  # their curves were missing
    assert all(i.entry.explanation is known for i, known in zip(first.items, maps, strict=True))
    # The measuring, which has no curves, must not take those of the comparison away.
    choose(compare, "random")
    compare_to_the_end(compare)
    choose(compare, "ig", "edges")
    assert "all of them remembered" in text(compare)
    assert [i.status for i in compare_to_the_end(compare).items] == ["cached", "cached"]


def test_metrics_take_the_maps_of_compare(metrics, app):
    queue = compare_to_the_end(cheap(app.switch_page("pages/2_Compare.py").run()))
    metrics.session_state["queue"] = queue
    measured = measure(cheap(metrics), "concentration")
    assert all(a.entry is b.entry for a, b in zip(queue.items, measured.items, strict=True))


def test_what_was_just_asked_for_stands_first(metrics):
    assert newest_first(["a", "b", "c"], []) == ["a", "b", "c"]
    assert newest_first(["a", "c", "d", "e"], ["b", "c", "a"]) == ["d", "e", "c", "a"]
    choose(metrics, "edges")
    measure(metrics, "concentration")
    measure(metrics, "concentration", "gap")
    assert metrics.dataframe[0].value.columns[0] == "Completeness gap ↓"
    assert "differs" not in words(metrics)


def test_the_table_can_be_taken_home_with_protocols_and_settings(metrics):
    choose(metrics, "grad-cam", "edges")
    run = measure(metrics, "gap", "concentration")
    run.items[1].measured.clear()
    run.items[1].missing["gap"] = "It promises nothing."
    lines = list(csv.DictReader(io.StringIO(to_csv(run))))
    assert len(lines) == 2 * (1 + 6)
    cam = {line["number"]: line for line in lines if line["method"] == "Grad-CAM"}
    measured = scores(run).rows["Grad-CAM"]
    assert float(cam["Gini"]["value"]) == pytest.approx(float(measured["gini"].values[0]))
    assert cam["Gini"]["protocol"] == str(measured["gini"].protocol)
    assert cam["Completeness gap"]["value"] == ""
    assert "promises no sum" in cam["Completeness gap"]["note"]
    settings = json.loads(cam["Gini"]["settings"])
    assert settings["method"] == "grad-cam"
    assert settings["options"]["layer"]  # the one that was found
    assert cam["Gini"]["photo sha256"] == run.photo_key
    assert cam["Gini"]["weights sha256"] == run.classifier.fingerprint
    assert next(line for line in lines if line["method"] == "Edges")["note"] == "It promises nothing."
    assert metrics.get("download_button")[0].label == "Numbers with protocols (csv)"


def test_the_pointing_game_wants_a_box(metrics):
    choose(metrics, "edges", "random")
    metrics.multiselect(key="metrics-names").set_value(["localisation"]).run()
    assert metrics.button(key="measure").disabled
    assert "Draw a box" in words(metrics)
    across = next(s for s in metrics.slider if s.label.startswith("Left"))
    down = next(s for s in metrics.slider if s.label.startswith("Top"))
    across.set_value((25, 75))
    down.set_value((25, 75)).run()
    run = measure(metrics, "localisation")
    assert run.box == (0.25, 0.25, 0.75, 0.75)
    random = next(i for i in run.items if i.settings.method == "random")
    energy = random.measured["localisation"][1]
    assert energy.values.item() == pytest.approx(0.25, abs=0.02)  # noise has a quarter in a quarter
    down = next(s for s in metrics.slider if s.label.startswith("Top"))
    down.set_value((0, 75)).run()
    again = measure(metrics, "localisation")
    assert again.box == (0.25, 0.0, 0.75, 0.75)
    assert again.items[0].measured["localisation"] is not run.items[0].measured["localisation"]


def test_measuring_can_be_cancelled(metrics):
    choose(metrics, "occlusion", "edges")
    metrics.multiselect(key="metrics-names").set_value(["stability", "sanity"]).run()
    metrics.button(key="measure").click().run()
    metrics.button(key="cancel-measuring").click().run()
    run = metrics.session_state["measuring"]
    run.wait(60)
    metrics.run()
    assert_fine(metrics)
    assert [i.status for i in run.items] == ["cancelled", "cancelled"]
    assert not run.items[0].measured


def test_no_metric_and_no_method_are_said(metrics):
    choose(metrics)
    assert "Choose at least one method" in words(metrics)
    choose(metrics, "edges")
    metrics.multiselect(key="metrics-names").set_value([]).run()
    assert "Choose at least one metric" in words(metrics)
    assert metrics.button(key="measure").disabled


# Many photos.


@pytest.fixture
def many(metrics, tmp_path) -> AppTest:
    (tmp_path / "photos").mkdir()
    for name in ("coffee", "camera", "rocket"):
        load_sample(name).save(tmp_path / "photos" / f"{name}.png")
    (tmp_path / "photos" / "bad.png").write_bytes(b"nothing")
    metrics.segmented_control(key="metrics-scope").set_value("Many photos").run()
    assert_fine(metrics)
    choose(metrics, "edges", "gradient")
    metrics.text_input(key="bench-store").set_value(str(tmp_path / "r.sqlite")).run()
    return metrics


def bench_to_the_end(page: AppTest) -> Bench:
    page.button(key="bench-run").click().run()
    bench = page.session_state["bench"]
    bench.wait(120)
    page.run()
    assert not page.exception
    assert not bench.active
    return bench


def test_a_folder_is_measured_into_a_file_and_shown(many, tmp_path):
    assert many.button(key="bench-run").disabled
    assert "There are no results yet" in words(many)
    many.text_input(key="bench-folder").set_value(str(tmp_path / "photos")).run()
    bench = bench_to_the_end(many)
    assert bench.error is None
    assert bench.progress.done == bench.progress.total == 8
    assert "bad.png is left out" in words(many)
    assert "bootstrap" in words(many)
    assert set(many.dataframe[0].value.index) == {"Edges", "Gradient"}
    assert many.dataframe[0].value["photos"].tolist() == [3, 3]
    with Store(tmp_path / "r.sqlite", read_only=True) as store:
        values = store.results().query("metric == 'difference' and method == 'edges'")["value"]
    assert many.dataframe[0].value.loc["Edges", "mean"] == pytest.approx(values.mean())
    many.selectbox(key="bench-column").set_value("Gini").run()
    assert "Gini index" in words(many)
    assert many.button(key="bench-run").label == "Resume"
    again = bench_to_the_end(many)
    assert again.progress.fresh == 0


def test_wrong_folders_and_files_are_explained(many, tmp_path):
    many.text_input(key="bench-folder").set_value(str(tmp_path / "absent")).run()
    many.button(key="bench-run").click().run()
    assert "no folder or file" in many.error[0].value
    (tmp_path / "song.txt").write_text("la la la " * 99)
    many.text_input(key="bench-store").set_value(str(tmp_path / "song.txt")).run()
    assert "not a file of results" in many.error[0].value
    assert not many.exception


def test_a_benchmark_can_be_cancelled_and_resumed(tmp_path):
    from contextlib import contextmanager

    from PIL import Image

    (tmp_path / "photos").mkdir()
    for k in range(6):
        Image.new("RGB", (20, 20), (40 * k, 99, 9 * k)).save(tmp_path / "photos" / f"{k}.png")
    calls = 0

    @contextmanager
    def turn():
        nonlocal calls
        calls += 1
        if calls == 30:
            bench.cancel()
        yield

    plan, path = toy_plan(tmp_path / "photos", ("gap",)), tmp_path / "r.sqlite"
    assert len(find_photos([tmp_path / "photos"])) == 6
    bench = Bench(toy_classifier(), plan, path, turn)
    bench.start().wait(60)
    assert not bench.active
    assert bench.error is None
    assert bench.progress.done < bench.progress.total
    again = Bench(toy_classifier(), plan, path, turn)
    again.start().wait(60)
    assert again.progress.done == again.progress.total
    assert 0 < again.progress.fresh <= again.progress.total

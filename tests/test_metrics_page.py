"""The Metrics page: one photo with evidence, many photos with intervals."""

from __future__ import annotations

import csv
import io
import json
import os
import sqlite3
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from xml.etree import ElementTree

import pytest
from PIL import Image
from streamlit.testing.v1 import AppTest

from samp_core.benchmark import Store, find_photos, load
from samp_core.classifiers import load_classifier
from samp_core.images import load_sample
from samp_core.methods import default_settings
from samp_core.metrics import METRICS
from tests.test_app import ROOT, assert_fine, choose, compare_to_the_end, text
from tests.toy_benchmark import toy_classifier, toy_plan
from ui.metrics.photo import newest_first, scores, to_csv
from ui.shared.stores import store_path
from ui.shared.uploads import Uploads
from ui.shared.words import plain
from ui.work.bench import Bench
from ui.work.cost import CURVES, FORWARD, Work
from ui.work.queue import Measuring
from ui.work.turns import Turns


@pytest.fixture
def app() -> AppTest:
    """The first page with a small network: it does not matter which, and small ones are fast."""
    return opened("mnist_cnn").run()


@pytest.fixture
def metrics() -> AppTest:
    """Metrics with that network."""
    return at_metrics(opened("mnist_cnn"))


@pytest.fixture
def usual() -> AppTest:
    """Metrics as everybody finds it."""
    return at_metrics(opened())


def opened(network: str = "") -> AppTest:
    app = AppTest.from_file(str(ROOT / "app.py"), default_timeout=60)
    if network:
        app.query_params["network"] = network
    return app


def at_metrics(app: AppTest) -> AppTest:
    page = app.run().switch_page("pages/3_Metrics.py").run()
    assert_fine(page)
    return page


def words(page: AppTest) -> str:
    return "\n".join(e.value for kind in (page.markdown, page.caption, page.warning, page.info) for e in kind)


def ask_for(page: AppTest, *names: str) -> AppTest:
    # The cards to choose from are the browser's.
    page.session_state["kept"] = {**page.session_state["kept"], "metrics": " ".join(names)}
    return page.run()


def measure(page: AppTest, *names: str) -> Measuring:
    ask_for(page, *names)
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
    assert sorted(table.index) == ["Edges", "Gradient"]
    assert "Ins. - del. ↑" in table.columns
    assert table["Completeness gap ↓"].isna().all()
    found = scores(run)
    assert table.loc["Edges", "Deletion ↓"] == pytest.approx(found.rows["Edges"]["deletion"].values.item())
    assert "paper protocol" in words(metrics)
    for number in ("diffid", "gap", "gini"):
        metrics.selectbox(key="evidence-number").set_value(number).run()
        assert_fine(metrics)
        assert plain(found.rows["Edges"][number].protocol) in words(metrics)
        assert ("promises no sum" in words(metrics)) == (number == "gap")


def test_every_metric_has_evidence_that_can_be_shown(metrics):
    choose(metrics, "edges")
    names = [n for n in METRICS if METRICS[n].needs != "box"]
    run = measure(metrics, *names)
    assert not run.items[0].missing
    for name in names:
        for column in METRICS[name].columns:
            metrics.selectbox(key="evidence-number").set_value(column.name).run()
            assert_fine(metrics)


def test_maps_are_measured_in_units_of_the_score(metrics, monkeypatch):
    choose(metrics, "gradient", "edges")
    asked = []

    def of(*args, **more):
        asked.append(Work.of(*args, **more))
        return asked[-1]

    with monkeypatch.context() as patch:
        patch.setattr("ui.shared.picker.Work", SimpleNamespace(of=of))
        ask_for(metrics, "curves", "gap", "max-sensitivity")
    before, asked[:] = list(asked), []
    given = measure(metrics, "curves", "gap", "max-sensitivity")
    monkeypatch.setattr("ui.shared.picker.Work", SimpleNamespace(of=of))
    metrics.toggle(key="metrics-units").set_value(True).run()
    for plain_work, with_curves in zip(before, asked, strict=True):  # the cost on screen holds the calibrations
        assert with_curves.rest - plain_work.rest == pytest.approx(FORWARD * CURVES * 6)
    assert "differs" in words(metrics)
    run = measure(metrics, "curves", "gap", "max-sensitivity")
    assert "Maps calibrated" in words(metrics)
    for item, before in zip(run.items, given.items, strict=True):
        assert not item.missing
        assert item.entry.explanation is before.entry.explanation  # what is remembered stays as given
        assert not item.entry.is_calibrated
        numbers, old = ({m.name: m.values.item() for ms in i.measured.values() for m in ms} for i in (item, before))
        assert numbers["gap"] < 1e-6
        assert numbers["difference"] == pytest.approx(old["difference"], abs=1e-6)  # the order of pixels is kept
        assert numbers["max-sensitivity"] != old["max-sensitivity"]  # further maps are calibrated as well
    rows = list(csv.DictReader(io.StringIO(to_csv(run))))
    assert {row["map"] for row in rows} == {"calibrated"}
    assert {row["map"] for row in csv.DictReader(io.StringIO(to_csv(given)))} == {"as given"}


def test_estimates_know_of_the_equations_that_road_solves(metrics, monkeypatch):
    monkeypatch.setattr("ui.work.cost._pace", lambda: 1.0)
    work = {
        name: Work.of(load_classifier("mnist_cnn"), default_settings("gradient"), [name], has_map=True)
        for name in ("diffid", "road")
    }
    assert work["diffid"].rest == work["road"].rest
    assert work["diffid"].seconds == 0
    assert work["road"].solved == pytest.approx(9 * 28 * 28)
    small = work["road"].seconds
    assert small > 0
    assert replace(work["road"], pixels=4 * 28 * 28, solved=4 * work["road"].solved).seconds > 4 * small

    choose(metrics, "edges", "random")
    measure(metrics, "concentration")  # the maps are there

    def said(name: str) -> str:
        return next(m.value for m in ask_for(metrics, name).markdown if "for 2 methods" in m.value)

    assert "**a second**" in said("diffid")
    assert f"**{2 * small / 60:.1f} min**" in said("road")


def test_what_is_known_is_not_measured_again(metrics):
    choose(metrics, "edges", "random")
    first = measure(metrics, "concentration")
    entries = [i.entry for i in first.items]
    second = measure(metrics, "concentration", "gap")
    assert [i.entry for i in second.items] == entries
    assert second.items[0].measured["concentration"] is first.items[0].measured["concentration"]
    assert set(second.items[0].measured) == {"concentration", "gap"}

    def said() -> str:
        return next(m.value for m in metrics.markdown if "for 2 methods" in m.value or "wait for" in m.value)

    assert said().startswith("nothing to wait for: 2 methods, all of them remembered")
    assert "about **" in next(
        m.value for m in ask_for(metrics, "concentration", "diffid").markdown if "for 2" in m.value
    )


def test_nothing_new_was_measured_and_old_numbers_are_no_evidence_of_it(metrics):
    choose(metrics, "edges")
    measure(metrics, "concentration")
    run = measure(metrics, "gap")
    del run.items[0].measured["gap"]  # as if it had been cancelled before
    metrics.run()
    assert not metrics.exception
    assert "How a number was made" not in [each.value for each in metrics.subheader]


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


def test_metrics_take_the_maps_of_compare(usual):
    queue = compare_to_the_end(cheap(opened().run().switch_page("pages/2_Compare.py").run()))
    usual.session_state["queue"] = queue
    measured = measure(cheap(usual), "concentration")
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
    ask_for(metrics, "localisation")
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


def test_measuring_can_be_cancelled(usual):
    choose(usual, "occlusion", "edges")
    ask_for(usual, "stability", "sanity")
    usual.button(key="measure").click().run()
    usual.button(key="cancel-measuring").click().run()
    run = usual.session_state["measuring"]
    run.wait(60)
    usual.run()
    assert_fine(usual)
    assert [i.status for i in run.items] == ["cancelled", "cancelled"]
    assert not run.items[0].measured


def test_no_metric_and_no_method_are_said(metrics):
    choose(metrics)
    assert "Choose at least one method" in words(metrics)
    choose(metrics, "edges")
    ask_for(metrics)
    assert "Choose at least one metric" in words(metrics)
    assert metrics.button(key="measure").disabled


# Many photos.


@pytest.fixture
def results(tmp_path, monkeypatch) -> Path:
    """The folder of all sessions' results."""
    monkeypatch.setenv("SAMP_RESULTS", str(tmp_path / "results"))
    return tmp_path / "results"


def open_many(network: str = "mnist_cnn") -> AppTest:
    page = opened(network).run().switch_page("pages/3_Metrics.py").run()
    page.segmented_control(key="metrics-scope").set_value("Many photos").run()
    assert_fine(page)
    trays = [each.proto for each in page.get("bidi_component") if each.proto.id.endswith("bench-metrics-cards-tray")]
    assert [json.loads(tray.json)["chosen"] for tray in trays] == [["curves", "gap", "concentration"]]
    page.session_state["bench-metrics"] = ["concentration"]
    choose(page, "edges", "gradient")
    return page


@pytest.fixture
def photos(results, tmp_path) -> Path:
    """A folder of three photos and what is none."""
    folder = tmp_path / "photos"
    folder.mkdir()
    for name in ("coffee", "camera", "rocket"):
        load_sample(name).save(folder / f"{name}.png")
    (folder / "bad.png").write_bytes(b"nothing")
    return folder


@pytest.fixture
def many(photos) -> AppTest:
    return open_many()


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
    assert "There are no results of this name yet" in words(many)
    many.session_state["bench-metrics"] = ["curves", "gap", "concentration"]
    many.run()
    many.text_input(key="bench-folder").set_value(str(tmp_path / "photos")).run()
    bench = bench_to_the_end(many)
    assert bench.error is None
    assert bench.progress_now.done == bench.progress_now.total == 8
    assert "bad.png is left out" in words(many)
    assert "bootstrap" in words(many)
    assert many.selectbox(key="bench-column").value.startswith("Ins. - del.")
    assert set(many.dataframe[0].value.index) == {"Edges", "Gradient"}
    assert many.dataframe[0].value["photos"].tolist() == [3, 3]
    with Store(bench.path, read_only=True) as store:
        assert store.results()["conditions"].str.contains("network prepared").all()
        values = store.results().query("metric == 'difference' and method == 'edges'")["value"]
    assert many.dataframe[0].value.loc["Edges", "mean"] == pytest.approx(values.mean())
    many.selectbox(key="bench-column").set_value("Gini").run()
    assert "Gini index" in words(many)
    assert many.button(key="bench-run").label == "Resume"
    again = bench_to_the_end(many)
    assert again.progress_now.fresh == 0


def test_wrong_folders_and_files_are_explained(many, tmp_path):
    many.text_input(key="bench-folder").set_value(str(tmp_path / "absent")).run()
    many.button(key="bench-run").click().run()
    assert "no folder or file" in many.error[0].value
    many.text_input(key="bench-folder").set_value("~nobody-of-that-name/photos").run()
    many.button(key="bench-run").click().run()
    assert len(many.error) == 1
    assert not many.exception


def test_a_damaged_file_of_results_is_explained(many, tmp_path):
    many.text_input(key="bench-folder").set_value(str(tmp_path / "photos")).run()
    path = store_of(many, "metrics")
    path.parent.mkdir(parents=True)
    path.write_text("la la la " * 999)
    many.run()
    assert "not a file of results" in many.error[0].value.replace("\\", "")
    bench = bench_to_the_end(many)
    assert "not a file of results" in bench.error


def store_of(page: AppTest, name: str) -> Path:
    return Path(os.environ["SAMP_RESULTS"], page.session_state["bench-session"], f"{name}.sqlite")


@pytest.mark.parametrize("name", ["../metrics", "/tmp/metrics", "a/b", "..", ".hidden", "a\\b", "x.", "x\n"])
def test_a_name_that_is_a_path_is_refused_and_makes_nothing(name, results, monkeypatch):
    monkeypatch.setattr("ui.shared.stores.st.session_state", {})
    with pytest.raises(ValueError, match="no plain name"):
        store_path(name)
    assert not results.exists()
    assert store_path("My results 2.1-b").parent.parent == results


def test_sessions_do_not_see_each_others_results(many, results, tmp_path):
    many.text_input(key="bench-folder").set_value(str(tmp_path / "photos")).run()
    many.text_input(key="bench-store").set_value("a/b").run()
    assert "no plain name" in many.error[0].value
    assert many.button(key="bench-run").disabled
    assert not results.exists()
    many.text_input(key="bench-store").set_value("first").run()
    bench_to_the_end(many)
    many.text_input(key="bench-store").set_value("second").run()
    assert "no results of this name yet" in words(many)
    assert many.button(key="bench-run").label == "Measure"
    assert many.selectbox(key="bench-earlier").options == ["first"]
    other = open_many()
    assert "bench-earlier" not in [s.key for s in other.selectbox]
    other.text_input(key="bench-store").set_value("first").run()
    assert "no results of this name yet" in words(other)
    assert store_of(other, "first").parent != store_of(many, "first").parent
    many.selectbox(key="bench-earlier").select("first").run()
    assert many.text_input(key="bench-store").value == "first"
    assert many.button(key="bench-run").label == "Resume"
    assert many.dataframe[0].value["photos"].tolist() == [3, 3]


def test_another_file_of_the_same_name_and_length_is_read_anew(many, tmp_path):
    many.text_input(key="bench-folder").set_value(str(tmp_path / "photos")).run()
    bench = bench_to_the_end(many)
    many.selectbox(key="bench-column").set_value("Gini").run()
    shown = many.dataframe[0].value["mean"]
    base = sqlite3.connect(bench.path, isolation_level=None)
    base.execute("UPDATE results SET value = value + 1 WHERE metric = 'gini'")
    base.close()
    many.run()
    assert many.dataframe[0].value["mean"].tolist() == pytest.approx((shown + 1).tolist())


def test_what_is_shown_of_other_results_is_among_them(photos):
    many = open_many(network="")  # as everybody finds it
    many.text_input(key="bench-folder").set_value(str(photos)).run()
    bench_to_the_end(many)
    many.selectbox(key="bench-column").set_value("Gini").run()
    many.session_state["bench-metrics"] = ["gap"]
    many.run()
    many.text_input(key="bench-store").set_value("second").run()
    bench_to_the_end(many)
    assert many.selectbox(key="bench-column").value in many.selectbox(key="bench-column").options
    assert not many.exception


def png(colour: str) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (40, 40), colour).save(buffer, "PNG")
    return buffer.getvalue()


def test_every_upload_is_kept_under_a_name_of_its_own(many):
    many.segmented_control(key="bench-source").set_value("Uploads").run()
    avif = io.BytesIO()
    load_sample("coffee").resize((64, 48)).save(avif, "AVIF")
    files = [
        *(("photo.png", png(c), "image/png") for c in ("red", "green", "blue", "red")),
        ("photo (2).png", png("white"), "image/png"),
        ("new.avif", avif.getvalue(), "image/avif"),
        ("../../../etc/photo.png", png("black"), "image/png"),
    ]
    many.file_uploader(key="bench-uploads").set_value([*files, ("torn.png", png("red")[:60], "image/png")]).run()
    assert not many.exception
    names = ["photo.png", "photo (2).png", "photo (3).png", "photo (4).png", "photo (2) (2).png", "new.avif"]
    names.append("photo (5).png")
    kept = next(d.value for d in many.dataframe if "same file as" in d.value.columns)
    assert kept["photo"].tolist() == names
    assert kept["same file as"].tolist() == [*("", "", "", "photo.png"), "", "", ""]
    assert len(many.warning) == 1
    assert many.warning[0].value.startswith("torn.png is left out")
    page = many.switch_page("pages/1_Explain.py").run().switch_page("pages/3_Metrics.py").run()
    assert_fine(page)
    bench = bench_to_the_end(page)
    assert [photo.name for photo in bench.plan.photos] == names
    shown = next(d.value for d in page.dataframe if "photos" in d.value.columns)
    assert shown["photos"].tolist() == [6, 6]
    assert not page.warning


def test_uploads_follow_the_uploader_and_outlive_it():
    def files(*names: str) -> list[SimpleNamespace]:
        colours = {"a": "red", "b": "green", "c": "blue"}
        data = {n: png(colours[n]) if n in colours else b"no picture" for n in names}
        return [SimpleNamespace(file_id=f"id-{n}", name=f"{n}.png", getvalue=lambda n=n: data[n]) for n in names]

    kept = Uploads()
    kept.receive(files("a", "x"))
    assert (list(kept.photos), [name for name, _ in kept.refused.values()]) == (["a.png"], ["x.png"])
    kept.receive(files("a", "x", "b"))  # a later good upload: the old error is gone
    assert (list(kept.photos), kept.refused) == (["a.png", "b.png"], {})
    kept.receive(files("b"))  # the visitor takes one out
    assert list(kept.photos) == ["b.png"]
    kept.shown([])  # another page and back: the uploader is empty
    assert list(kept.photos) == ["b.png"]
    kept.receive(files("c"))
    assert list(kept.photos) == ["b.png", "c.png"]


def test_what_failed_is_said_and_can_be_forgotten(many, tmp_path, monkeypatch):
    def compute(subject):
        raise RuntimeError("<b>no such number</b>")

    many.text_input(key="bench-folder").set_value(str(tmp_path / "photos")).run()
    with monkeypatch.context() as broken:
        broken.setitem(METRICS, "concentration", replace(METRICS["concentration"], compute=compute))
        bench_to_the_end(many)
    assert any("no such number" in w.value for w in many.warning)
    next(b for b in many.button if b.label.startswith("Forget what failed")).click().run()
    assert not any("no such number" in w.value for w in many.warning)
    bench_to_the_end(many)
    with Store(store_of(many, "metrics"), read_only=True) as store:
        assert not load(store).failures


def test_a_benchmark_can_be_cancelled_and_resumed(tmp_path):
    (tmp_path / "photos").mkdir()
    for k in range(6):
        Image.new("RGB", (20, 20), (40 * k, 99, 9 * k)).save(tmp_path / "photos" / f"{k}.png")
    pauses = 0

    class Cancelled(Bench):
        def pause(self):
            nonlocal pauses
            pauses += 1
            if pauses == 30:
                self.cancel()
            super().pause()

    plan, path = toy_plan(tmp_path / "photos", ("gap",)), tmp_path / "r.sqlite"
    assert len(find_photos([tmp_path / "photos"])) == 6
    bench = Cancelled(toy_classifier(), plan, path, Turns(1))
    bench.start().wait(60)
    assert not bench.active
    assert bench.error is None
    assert bench.progress_now.done < bench.progress_now.total
    again = Bench(toy_classifier(), plan, path, Turns(1))
    again.start().wait(60)
    with Store(path, read_only=True) as store:  # a cancel is no failure, and the turn's threads are what is recorded
        found = store.results()
    assert not found["protocol"].str.startswith("not measured").any()
    assert found["conditions"].str.contains("1 thread,").all()
    assert again.progress_now.done == again.progress_now.total
    assert 0 < again.progress_now.fresh <= again.progress_now.total


def test_every_kind_of_evidence_has_a_picture():
    from samp_core.metrics.base import EVIDENCE
    from ui.metrics.evidence import PICTURES
    from ui.shared.metric_cards import ALONE, SKETCHES

    assert PICTURES.keys() == SKETCHES.keys() == EVIDENCE.keys()
    assert all(not METRICS[name].evidence for name in ALONE)
    for inside in (*SKETCHES.values(), *ALONE.values()):
        ElementTree.fromstring(f"<svg>{inside}</svg>")
    assert {metric.evidence for metric in METRICS.values()} <= EVIDENCE.keys()

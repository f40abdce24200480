"""The benchmark: complete, resumable, shareable, killable, and honest about what is missing."""

from __future__ import annotations

import os
import re
import shutil
import sqlite3
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image
from scipy.stats import wilcoxon
from torch import nn

from samp_core import __main__ as command_line
from samp_core.benchmark import (
    COST,
    Plan,
    Stopped,
    Store,
    StoreError,
    check_device,
    export,
    find_photos,
    html,
    load,
    markdown,
    run,
    summary,
    table,
)
from samp_core.benchmark.report import interval, latex
from samp_core.classifiers import load_classifier
from samp_core.images import load_image, load_sample
from samp_core.methods import default_settings, make_method
from samp_core.metrics import METRICS, deletion
from tests.toy_benchmark import SMALL, toy_classifier, toy_plan, whole, work

ROOT = Path(__file__).parent.parent


@pytest.fixture
def folder(tmp_path):
    """Ten small photos."""
    made = tmp_path / "photos"
    made.mkdir()
    generator = np.random.default_rng(0)
    for k in range(10):
        Image.fromarray(generator.integers(0, 256, (20, 18, 3), dtype=np.uint8)).save(made / f"{k}.png")
    return made


def complete(store: Path, classifier, plan) -> pd.DataFrame:
    with Store(store) as opened:
        for _ in run(classifier, plan, opened):
            pass
        return opened.results()


def numbers(frame: pd.DataFrame) -> pd.DataFrame:
    """Everything but the wall time."""
    return frame[frame["metric"] != "seconds"].reset_index(drop=True)


def test_every_number_is_there_and_is_the_metrics(folder, tmp_path):
    classifier, plan = toy_classifier(), toy_plan(folder)
    frame = complete(tmp_path / "r.sqlite", classifier, plan)
    columns = {*COST, *(c.name for m in plan.metrics for c in METRICS[m].columns)}
    assert set(frame["metric"]) == columns
    assert len(frame) == 10 * 3 * len(columns)
    assert frame["protocol"].str.len().min() > 10
    image = load_image(folder / "3.png")
    inputs = classifier.preprocessing(image)
    target = classifier.predict(inputs, 1)[0].index
    maps = make_method(classifier, default_settings("ig", steps=6)).explain(inputs, target).attributions
    curve = deletion(classifier.network, inputs, maps, target, pixels_per_step=256 // 28)
    row = frame[(frame["name"] == "3.png") & (frame["method"] == "ig") & (frame["metric"] == "deletion")]
    assert row["value"].item() == pytest.approx(curve.auc.item(), abs=1e-5)
    assert row["protocol"].item() == str(curve.protocol)
    gap = frame[(frame["method"] == "random") & (frame["metric"] == "gap")]
    assert gap["value"].isna().all()
    assert gap["note"].str.contains("promises no sum").all()


def test_the_same_command_goes_on_where_it_stopped(folder, tmp_path):
    classifier, plan = toy_classifier(), toy_plan(folder)
    expected = complete(tmp_path / "whole.sqlite", classifier, plan)
    path, counts = tmp_path / "stopped.sqlite", []
    for stop_after in (3, 11, 30):
        with Store(path) as store:
            for k, _ in enumerate(run(classifier, plan, store)):
                if k == stop_after:
                    break
            counts.append(store.count())
    assert 0 < counts[0] < counts[1] < counts[2] < len(expected)
    found = complete(path, classifier, plan)
    pd.testing.assert_frame_equal(numbers(found), numbers(expected))
    with Store(path) as store:
        progress = list(run(classifier, plan, store))
        assert progress[-1].fresh == 0
        assert progress[-1].done == progress[-1].total


def test_a_stop_leaves_no_claim_and_no_changed_network(folder, tmp_path):
    classifier, plan = toy_classifier(), toy_plan(folder)
    before = [p.clone() for p in classifier.network.parameters()]
    calls = 0

    def tick():
        nonlocal calls
        calls += 1
        if calls > 25:
            raise Stopped

    with Store(tmp_path / "r.sqlite") as store:
        with pytest.raises(Stopped):
            list(run(classifier, plan, store, tick=tick))
        held = sqlite3.connect(store.path).execute("SELECT count(*) FROM claims").fetchone()
    assert held == (0,)
    assert all(torch.equal(a, b) for a, b in zip(before, classifier.network.parameters(), strict=True))
    assert not any(m._forward_hooks for m in classifier.network.modules())


def test_another_metric_or_method_adds_only_what_is_new(folder, tmp_path):
    classifier = toy_classifier()
    path = tmp_path / "r.sqlite"
    first = complete(path, classifier, toy_plan(folder, ("gap",)))
    more = complete(path, classifier, toy_plan(folder, ("gap", "concentration")))
    assert len(more) == len(first) + 10 * 3 * 6
    keys = ["photo", "method", "metric"]
    merged = first.merge(more, on=keys, suffixes=("", "_after"))
    assert len(merged) == len(first)
    seconds = merged[merged["metric"] == "seconds"]
    assert (seconds["value"] == seconds["value_after"]).all()  # not measured again


def test_bad_photos_say_why_and_the_rest_goes_on(folder, tmp_path):
    (folder / "4.png").write_bytes(b"no picture at all")
    (folder / "5.png").write_bytes((folder / "5.png").read_bytes()[:200])
    shutil.copy(folder / "0.png", folder / "a copy.png")
    classifier = toy_classifier()
    with Store(tmp_path / "r.sqlite") as store:
        last = list(run(classifier, toy_plan(folder), store))[-1]
        photos = store.photos()
        frame = store.results()
    assert set(last.failures) == {"4.png", "5.png"}
    bad = photos[photos["error"].notna()].set_index("name")["error"]
    assert set(bad.index) == {"4.png", "5.png"}
    assert bad.str.len().min() > 20
    assert frame["photo"].nunique() == 8  # ten, less two; the copy is the same photo
    assert last.done == last.total


def test_a_method_that_cannot_serve_the_network_is_a_row_that_says_so(folder, tmp_path):
    torch.manual_seed(0)
    classifier = load_classifier(nn.Sequential(nn.Flatten(), nn.Linear(768, 4)).eval(), preprocessing=SMALL)
    plan = Plan(find_photos([folder])[:3], (default_settings("grad-cam"), default_settings("ig", steps=3)), ("gap",))
    frame = complete(tmp_path / "r.sqlite", classifier, plan)
    failed = frame[frame["method"] == "grad-cam"]
    assert len(failed) == 3 * 4
    assert failed["value"].isna().all()
    assert failed["note"].str.contains("convolution").all()
    assert frame[frame["method"] == "ig"]["value"].notna().all()
    with Store(tmp_path / "r.sqlite", read_only=True) as store:
        results = load(store)
    assert "Grad-CAM" in results.labels
    assert table(results).loc["Grad-CAM", "Completeness gap"] == "none"
    assert not any("[" in column for column in results.columns)


def test_one_photo_that_fails_does_not_take_its_batch_along(folder, tmp_path, monkeypatch):
    classifier = toy_classifier()
    photos = find_photos([folder])[:4]
    poison = classifier.preprocessing(load_image(photos[1].path))

    class Fussy(nn.Module):
        def __init__(self, network):
            super().__init__()
            self.network = network

        def forward(self, x):
            logits = self.network(x)
            close = (x - poison).abs().amax((1, 2, 3)) < 1e-6
            return torch.where(close[:, None] & x.requires_grad, torch.nan, logits)

    fussy = replace(classifier, network=Fussy(classifier.network))
    plan = Plan(photos, (default_settings("samp", steps=3),), ("gap",), batch_size=8)
    frame = complete(tmp_path / "r.sqlite", fussy, plan)
    assert frame[frame["metric"] == "gap"].set_index("name")["value"].isna().to_dict() == {
        "0.png": False, "1.png": True, "2.png": False, "3.png": False
    }  # fmt: skip
    assert frame[frame["name"] == "1.png"]["note"].str.contains("finite").all()


# Several processes.


def test_killed_twenty_times_at_random_moments(folder, tmp_path):
    path = tmp_path / "killed.sqlite"
    arguments = [sys.executable, "-m", "tests.toy_benchmark", "kill", str(path), str(folder), "20"]
    done = subprocess.run(arguments, cwd=ROOT, capture_output=True, text=True, check=False, timeout=200)
    assert done.returncode == 0, done.stderr
    counts = [int(word) for word in done.stdout.split()]
    assert len(counts) == 20
    assert counts == sorted(counts)
    classifier, plan = toy_classifier(), toy_plan(folder)
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        found = complete(path, classifier, plan)
        expected = complete(tmp_path / "whole.sqlite", classifier, plan)
    finally:
        torch.set_num_threads(before)
    assert len(set(counts) - {0, len(expected)}) >= 3, "the kills came too early or too late to mean anything"
    base = sqlite3.connect(path)
    whole(base)
    base.close()
    pd.testing.assert_frame_equal(numbers(found), numbers(expected))


def test_two_processes_share_one_file(folder, tmp_path):
    path = tmp_path / "shared.sqlite"
    arguments = [sys.executable, "-m", "tests.toy_benchmark", "run", str(path), str(folder)]
    workers = [subprocess.Popen(arguments, cwd=ROOT, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    fresh = [int(worker.communicate(timeout=200)[0]) for worker in workers]
    assert [worker.returncode for worker in workers] == [0, 0]
    assert sum(fresh) == 30  # every map was made once
    expected = complete(tmp_path / "whole.sqlite", toy_classifier(), toy_plan(folder))
    with Store(path, read_only=True) as store:
        found = store.results()
    assert len(found) == len(expected)
    keys = ["photo", "method", "metric"]
    both = numbers(found).merge(numbers(expected), on=keys, suffixes=("", "_expected"))
    np.testing.assert_allclose(both["value"], both["value_expected"], atol=1e-5)


def test_claims_of_the_living_are_kept_and_of_the_dead_are_not(folder, tmp_path):
    classifier = toy_classifier()
    unit = next(iter(toy_plan(folder).units(classifier)))
    with Store(tmp_path / "r.sqlite") as one, Store(tmp_path / "r.sqlite") as other:
        assert one.claim(unit)
        assert one.claim(unit)
        assert not other.claim(unit)
        one.release(unit)
        assert other.claim(unit)
        dead = subprocess.Popen([sys.executable, "-c", ""])
        dead.wait()
        host = one.owner.rsplit(":", 2)[0]
        base = sqlite3.connect(one.path)
        for owner, until, free in (
            (f"{host}:{dead.pid}:x", time.time() + 99, True),
            (f"elsewhere:{dead.pid}:x", time.time() + 99, False),
            (f"elsewhere:{dead.pid}:x", time.time() - 1, True),
            (f"{host}:{os.getpid()}:x", time.time() + 99, False),
        ):
            base.execute("UPDATE claims SET owner = ?, until = ?", (owner, until))
            base.commit()
            assert one.claim(unit) == free
        base.close()


def test_ray_gives_what_the_local_engine_gives(tmp_path):
    pytest.importorskip("ray")
    photos = tmp_path / "photos"
    photos.mkdir()
    for name in ("coffee", "chelsea"):
        load_sample(name).save(photos / f"{name}.png")
    (photos / "bad.png").write_bytes(b"nothing")
    common = [str(photos), "--methods", "samp,gradient,random", "--metrics", "gap,concentration", "--quiet"]
    environment = os.environ | {"RAY_worker_niceness": "0"}  # or a busy machine never lets the workers work
    for engine in ("local", "ray"):
        arguments = [*common, "--engine", engine, "--out", str(tmp_path / f"{engine}.sqlite")]
        done = subprocess.run(
            [sys.executable, "-m", "samp_core", "benchmark", *arguments],
            cwd=ROOT, env=environment, capture_output=True, text=True, check=False, timeout=250,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
    frames = []
    for engine in ("local", "ray"):
        with Store(tmp_path / f"{engine}.sqlite", read_only=True) as store:
            frames.append(numbers(store.results()))
            assert store.photos()["error"].notna().sum() == 1
    pd.testing.assert_frame_equal(*frames)
    assert len(frames[0]) == 2 * 3 * 9


def test_without_ray_it_says_how_to_get_it(folder, tmp_path, monkeypatch):
    from samp_core.benchmark.cluster import run as on_ray

    monkeypatch.setitem(sys.modules, "ray", None)
    with Store(tmp_path / "r.sqlite") as store, pytest.raises(ValueError, match=r"requirements-ray\.txt"):
        next(on_ray(toy_classifier(), toy_plan(folder), store))


# The file.


def test_files_that_are_no_store_are_refused(tmp_path):
    text = tmp_path / "text.sqlite"
    text.write_text("nothing like a database, and long enough to be read as a header of one" * 9)
    with pytest.raises(StoreError, match="not a file of results"):
        Store(text)
    other = tmp_path / "other.sqlite"
    base = sqlite3.connect(other)
    base.execute("CREATE TABLE songs (title TEXT)")
    base.commit()
    with pytest.raises(StoreError, match="not one of results"):
        Store(other)
    base.execute("DROP TABLE songs")
    base.execute("PRAGMA user_version = 99")
    base.commit()
    base.close()
    with pytest.raises(StoreError, match="newer version"):
        Store(other)
    with pytest.raises(StoreError, match="no file"):
        Store(tmp_path / "absent.sqlite", read_only=True)
    assert not (tmp_path / "absent.sqlite").exists()
    empty = tmp_path / "empty.sqlite"
    empty.touch()
    with pytest.raises(StoreError, match="is empty"):
        Store(empty, read_only=True)


def test_photos_of_folders_and_files(folder, tmp_path):
    (folder / "deep").mkdir()
    shutil.copy(folder / "1.png", folder / "deep" / "x.PNG")
    (folder / "notes.txt").write_text("no photo")
    names = [p.name for p in find_photos([folder])]
    assert names == [*(f"{k}.png" for k in range(10)), "deep/x.PNG"]
    assert len(find_photos([folder, folder / "1.png", folder / "notes.txt"])) == 12
    with pytest.raises(ValueError, match="no folder or file"):
        find_photos([tmp_path / "absent"])
    (tmp_path / "empty").mkdir()
    with pytest.raises(ValueError, match="No photos"):
        find_photos([tmp_path / "empty"])


def test_plans_that_cannot_be_measured(folder):
    photos, methods = find_photos([folder]), (default_settings("ig"),)
    with pytest.raises(ValueError, match="no metric"):
        Plan(photos, methods, ("beauty",))
    with pytest.raises(ValueError, match="box"):
        Plan(photos, methods, ("localisation",))
    with pytest.raises(ValueError, match="at least one"):
        Plan(photos, ())
    with pytest.raises(ValueError, match="--device cpu"):
        check_device("warp-drive")
    assert check_device("cpu") == torch.device("cpu")


# The report.


@pytest.fixture
def results(folder, tmp_path):
    complete(tmp_path / "r.sqlite", toy_classifier(), toy_plan(folder, ("curves", "gap")))
    with Store(tmp_path / "r.sqlite", read_only=True) as store:
        return load(store)


def test_summary_by_hand(results):
    made = summary(results, "Random").set_index(["column", "method"])
    wide = results.wide("Deletion")
    assert list(wide.columns) == results.labels
    row = made.loc[("Deletion", "SAMP")]
    assert row["photos"] == 10
    assert row["mean"] == pytest.approx(wide["SAMP"].mean())
    assert row["low"] < row["mean"] < row["high"]
    difference = wide["SAMP"] - wide["Random"]
    assert row["difference"] == pytest.approx(difference.mean())
    assert row["wins"] == pytest.approx((difference < 0).mean())
    raw = [wilcoxon(wide[m] - wide["Random"]).pvalue for m in results.labels if m != "Random"]
    assert row["p"] >= min(raw) - 1e-12
    assert row["p"] <= 1
    ranks = wide.rank(axis=1).mean()
    assert row["rank"] == pytest.approx(ranks["SAMP"])
    assert made.loc[("Insertion", "SAMP"), "rank"] == pytest.approx(
        results.wide("Insertion").rank(axis=1, ascending=False).mean()["SAMP"]
    )
    assert made.loc[("Completeness gap", "Random"), "photos"] == 0
    assert made.loc[("Completeness gap", "Random"), "missing"] == 10
    with pytest.raises(ValueError, match="no method"):
        summary(results, "Magic")


def test_intervals():
    generator = np.random.default_rng(1)
    hits = 0
    for seed in range(60):
        low, high = interval(generator.normal(3, 2, 40), seed)
        hits += low < 3 < high
    assert 50 <= hits <= 60  # 95 % of 60 is 57
    assert interval(np.ones(5)) == (1, 1)
    assert np.isnan(interval(np.ones(1))).all()


def test_protocols_and_configurations_never_share_a_column(folder, tmp_path):
    classifier, path = toy_classifier(), tmp_path / "r.sqlite"
    plan = Plan(find_photos([folder])[:4], (default_settings("ig", steps=4),), ("mu-fidelity",))
    complete(path, classifier, plan)
    complete(path, classifier, replace(plan, seed=1))
    complete(path, classifier, replace(plan, methods=(default_settings("ig", steps=9),)))
    with Store(path, read_only=True) as store:
        results = load(store)
    assert [c for c in results.columns if c.startswith("mu-")] == ["mu-Fidelity [1]", "mu-Fidelity [2]"]
    assert results.protocols["mu-Fidelity [1]"].endswith("seed 0")
    assert results.protocols["mu-Fidelity [2]"].endswith("seed 1")
    assert len(results.labels) == 2
    assert all(re.fullmatch(r"Integrated Gradients [0-9a-f]{6}", label) for label in results.labels)
    assert results.wide("mu-Fidelity [2]").shape == (4, 1)


def test_exports_hold_the_results(results, tmp_path):
    for ending in ("csv", "parquet", "html", "tex"):
        export(results, tmp_path / "out" / f"r.{ending}", "Random")
    frame = pd.read_csv(tmp_path / "out" / "r.csv")
    assert len(frame) == len(results.frame)
    assert frame["value"].sum() == pytest.approx(results.frame["value"].sum())
    assert len(pd.read_parquet(tmp_path / "out" / "r.parquet")) == len(frame)
    page = (tmp_path / "out" / "r.html").read_text()
    for words in ("Tested against Random", "paper protocol", "bootstrap", "torch"):
        assert words in page
    assert "<script" not in html(results)
    text = latex(results)
    assert r"\toprule" in text
    assert "paper protocol" in text
    assert not re.search(r"^[^%]*(?<!\\)[%#]", text.split("% 95 percent")[1].split("\n", 1)[1])
    with pytest.raises(ValueError, match="no format"):
        export(results, tmp_path / "r.docx")
    assert markdown(results).count("\n") == 1 + len(results.labels)


def test_command_line(folder, tmp_path, capsys):
    store = tmp_path / "r.sqlite"
    photo = tmp_path / "coffee.png"
    load_sample("coffee").save(photo)
    (tmp_path / "bad.png").write_bytes(b"nothing")
    common = ["benchmark", "--methods", "gradient,edges", "--metrics", "gap", "--out", str(store)]
    assert command_line.main([*common, "--images", str(photo), str(tmp_path / "bad.png"), "--against", "edges"]) == 0
    shown = capsys.readouterr()
    assert "| Gradient |" in shown.out
    assert "forward evaluations of one map" in shown.out
    assert "bad.png is left out" in shown.err
    export_to = tmp_path / "r.csv"
    assert command_line.main(["benchmark", "--out", str(store), "--quiet", "--export", str(export_to)]) == 0
    assert len(pd.read_csv(export_to)) == 8
    assert command_line.main([*common, "--images", str(photo), "--metrics", "beauty"]) == 2
    assert "no metric" in capsys.readouterr().err
    assert command_line.main([*common, "--images", str(photo), "--export", "r.docx"]) == 2
    assert command_line.main([*common, "--images", str(photo), "--device", "warp"]) == 2
    assert command_line.main(["benchmark", "--out", str(tmp_path / "absent.sqlite")]) == 2
    assert "no file" in capsys.readouterr().err


def test_work_of_the_toy_program(folder, tmp_path):
    assert work(tmp_path / "r.sqlite", folder) == 30
    assert work(tmp_path / "r.sqlite", folder) == 0

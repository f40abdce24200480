"""The benchmark: complete, resumable, shareable, killable, and honest about what is missing."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image
from scipy.stats import wilcoxon
from torch import nn

from samp_core import cli as command_line
from samp_core.benchmark import (
    COST,
    DeviceError,
    Photo,
    Plan,
    Stopped,
    Store,
    StoreError,
    cluster,
    export,
    find_photos,
    html,
    load,
    markdown,
    run,
    summary,
    table,
)
from samp_core.benchmark.engine import read, settle_threads
from samp_core.benchmark.plan import SUFFIXES
from samp_core.benchmark.report import interval, latex
from samp_core.benchmark.store import PhotoRow
from samp_core.classifiers import load_classifier, published_preprocessing
from samp_core.images import load_image, load_sample
from samp_core.methods import default_settings, make_method
from samp_core.metrics import METRICS, deletion
from tests.test_files import contents, no_space
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
    poison = classifier.preprocessing(load_image(photos[1].source))

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


# What fails becomes a row, and everything else goes on.


class Failing(nn.Module):
    """A network that raises when asked for gradients of what ``bad`` says, or for anything if ``always``."""

    def __init__(self, network, bad, error, always=False):
        super().__init__()
        self.network, self.bad, self.error, self.always = network, bad, error, always

    def forward(self, x):
        if (self.always or x.requires_grad) and self.bad(x):
            raise self.error
        return self.network(x)


def failing(classifier, bad, error, always=False):
    return replace(classifier, network=Failing(classifier.network, bad, error, always))


def looks_like(classifier, photo):
    inputs = classifier.preprocessing(load_image(photo.source))
    return lambda x: bool(((x - inputs).abs().amax((1, 2, 3)) < 1e-6).any())


def test_a_runtime_error_is_a_row_and_no_resume_dies_of_it(folder, tmp_path):
    classifier, photos = toy_classifier(), find_photos([folder])[:4]
    broken = failing(classifier, looks_like(classifier, photos[1]), RuntimeError("the network fell over"))
    plan = Plan(photos, (default_settings("samp", steps=3), default_settings("random")), ("gap", "concentration"), 8)
    frame = complete(tmp_path / "r.sqlite", broken, plan)
    samp = frame[frame["method"] == "samp"]
    assert set(samp[samp["protocol"].str.startswith("not measured")]["name"]) == {"1.png"}
    assert samp[samp["name"] == "1.png"]["note"].eq("RuntimeError: the network fell over").all()
    assert samp[samp["name"] != "1.png"]["value"].notna().all()
    assert frame[(frame["method"] == "random") & (frame["metric"] == "gini")]["value"].notna().sum() == 4
    with Store(tmp_path / "r.sqlite") as store:
        assert list(run(broken, plan, store))[-1].fresh == 0
        results = load(store)
        assert results.failures == ["SAMP failed on 1 photo: RuntimeError: the network fell over"]
        assert "the network fell over" in html(results)
        assert store.forget_failures() == 3 + 1 + 6
        assert list(run(classifier, plan, store))[-1].fresh == 4
        assert store.results().query("method == 'samp' and name == '1.png'")["value"].notna().all()


def test_a_metric_that_fails_leaves_the_others(folder, tmp_path, monkeypatch):
    def compute(subject):
        raise RuntimeError("no such number")

    monkeypatch.setitem(METRICS, "gap", replace(METRICS["gap"], compute=compute))
    plan = Plan(find_photos([folder])[:3], (default_settings("ig", steps=3),), ("gap", "concentration", "stability"))
    frame = complete(tmp_path / "r.sqlite", toy_classifier(), plan).set_index("metric")
    assert frame.loc["gap", "note"].eq("RuntimeError: no such number").all()
    assert frame.loc["gap", "protocol"].str.startswith("not measured: Completeness gap of Integrated").all()
    assert frame.drop(index="gap")["value"].notna().all()


@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB"),
        RuntimeError("[enforce fail at alloc_cpu.cpp:127] DefaultCPUAllocator: can't allocate memory"),
        MemoryError("Unable to allocate 1.2 GiB for an array"),
    ],
    ids=["cuda", "cpu", "numpy"],
)
def test_where_memory_runs_out_the_batch_is_halved(error, folder, tmp_path):
    classifier = toy_classifier()
    small = failing(classifier, lambda x: len(x) > 2, error)
    plan = Plan(find_photos([folder])[:2], (default_settings("samp", steps=3),), ("gap", "stability"), batch_size=4)
    frame = complete(tmp_path / "r.sqlite", small, plan)
    assert frame["value"].notna().all()
    assert frame["conditions"].str.startswith("1 photo together, at most 2 images at once").all()
    alone = complete(tmp_path / "alone.sqlite", classifier, replace(plan, batch_size=2))
    np.testing.assert_array_equal(numbers(frame)["value"], numbers(alone)["value"])  # it is what a batch of 2 gives


def test_no_memory_at_all_is_a_row_too(folder, tmp_path):
    small = failing(toy_classifier(), lambda x: True, torch.OutOfMemoryError("CUDA out of memory"))
    plan = Plan(find_photos([folder])[:3], (default_settings("samp"), default_settings("random")), ("gap",))
    frame = complete(tmp_path / "r.sqlite", small, plan).set_index("method")
    assert frame.loc["samp", "value"].isna().all()
    assert frame.loc["samp", "note"].str.startswith("Out of memory, even with one image at once").all()
    assert frame.loc["random"].query("metric == 'gradients'")["value"].eq(0).all()


def test_memory_that_runs_out_in_a_metric_halves_its_batch_only(folder, tmp_path, monkeypatch):
    asked = []

    def compute(subject):
        asked.append((len(subject.inputs), subject.batch_size))
        if len(subject.inputs) > 1:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return METRICS["gap"].compute(subject)

    plan = Plan(find_photos([folder])[:2], (default_settings("ig", steps=3),), ("stability",), batch_size=4)
    monkeypatch.setitem(
        METRICS, "stability", replace(METRICS["gap"], name="stability", compute=compute, needs="explain")
    )
    frame = complete(tmp_path / "r.sqlite", toy_classifier(), plan)
    assert asked == [(2, 4), (1, 2), (1, 2)]
    words = frame.set_index("metric")["conditions"]
    assert words["gap"].str.startswith("2 photos together, at most 4 images at once").all()
    assert words["gap"].str.endswith("measured with at most 2 at once").all()
    assert not words["gradients"].str.contains("measured with").any()


def test_a_device_that_is_lost_ends_the_work_with_a_row_and_a_sentence(folder, tmp_path):
    classifier, photos = toy_classifier(), find_photos([folder])[:2]
    lost = torch.AcceleratorError("CUDA error: an illegal memory access was encountered")
    broken = failing(classifier, looks_like(classifier, photos[0]), lost)
    plan = Plan(photos, (default_settings("ig", steps=3),), ("gap",), batch_size=2)
    with Store(tmp_path / "r.sqlite") as store:
        with pytest.raises(DeviceError, match=r"illegal memory access.*run the same again to go on"):
            list(run(broken, plan, store))
        assert store.results()["name"].unique().tolist() == ["0.png"]
        list(run(broken, plan, store))
        assert store.results().query("name == '1.png'")["value"].notna().all()


def test_a_photo_that_the_network_cannot_see_is_left_out_until_it_can(folder, tmp_path):
    classifier, photos = toy_classifier(), find_photos([folder])[:3]
    broken = failing(classifier, looks_like(classifier, photos[1]), RuntimeError("no"), always=True)
    plan = Plan(photos, (default_settings("random"),), ("gap",))
    with Store(tmp_path / "r.sqlite") as store:
        last = list(run(broken, plan, store))[-1]
        assert last.failures == {"1.png": "The network failed on it: RuntimeError: no"}
        assert store.photos()["error"].notna().sum() == 1
        list(run(classifier, plan, store))
        assert store.photos()["error"].isna().all()
        assert store.results()["name"].nunique() == 3


def test_a_file_that_can_be_opened_again_is_no_longer_unreadable(tmp_path):
    with Store(tmp_path / "r.sqlite") as store:
        store.add_photo(PhotoRow("unreadable:a.png", "w", "a.png", error="Permission denied"))
        store.add_photo(PhotoRow("12ab", "w", "a.png", 3, "cat", 0.5))
        store.add_photo(PhotoRow("12ab", "w", "a.png", error="never mind"))
        assert store.photos()[["sha256", "label"]].to_numpy().tolist() == [["12ab", "cat"]]


# Under which conditions.


def test_another_batch_is_another_configuration_and_that_is_said(folder, tmp_path):
    classifier, path = toy_classifier(), tmp_path / "r.sqlite"
    plan = replace(toy_plan(folder, ("gap",)), photos=find_photos([folder])[:4])
    first = complete(path, classifier, plan)
    with Store(path) as store:
        same = list(run(classifier, plan, store))
        other = list(run(classifier, replace(plan, batch_size=2), store))
        results = load(store)
    assert not same[-1].notes
    assert same[-1].fresh == 0
    (note,) = other[-1].notes
    assert "at most 4 images at once" in note.split("these stay apart")[0]
    assert "at most 2 images at once" in note.split("these stay apart")[1]
    assert other[-1].fresh == other[-1].total
    assert len(results.frame) == 2 * len(first)
    assert len(results.labels) == 6  # three methods, each twice
    assert {words.split(",")[0] for words in results.conditions} == {"2 photos together", "1 photo together"}
    assert "at most 2 images at once" in html(results)


def test_rows_say_the_threads_of_the_thread_that_worked(folder, tmp_path):
    plan = Plan(find_photos([folder])[:2], (default_settings("ig", steps=2),), ("gap",))
    torch.set_num_threads(2)

    def work_alone():
        with Store(tmp_path / "r.sqlite") as store:
            list(run(toy_classifier(), plan, store, threads=1))

    thread = threading.Thread(target=work_alone)
    thread.start()
    thread.join()
    with Store(tmp_path / "r.sqlite", read_only=True) as store:
        assert store.results()["conditions"].eq("2 photos together, at most 8 images at once, 1 thread, cpu, network "
                                                "not prepared").all()  # fmt: skip
        assert '"threads": 1' in store.configurations()["conditions"].item()


def test_another_thread_does_not_change_the_number_of_threads():
    found = []

    def worker():
        found.append(settle_threads(2))
        other = threading.Thread(target=torch.set_num_threads, args=(1,))
        other.start()
        other.join()
        torch.ones(9).add(1)
        found.append(torch.get_num_threads())

    thread = threading.Thread(target=worker)
    thread.start()
    thread.join()
    torch.set_num_threads(2)
    assert found == [2, 2]


def test_prepared_networks_are_told_from_others(folder):
    classifier, plan = toy_classifier(), toy_plan(folder)
    one, other = (next(iter(plan.units(c))).configuration for c in (classifier, classifier.prepare()))
    assert one.weights == other.weights
    assert one.fingerprint != other.fingerprint
    assert str(other.conditions).endswith("network prepared")


def test_random_draws_do_not_depend_on_the_batch(folder, tmp_path):
    classifier, photos = toy_classifier(), find_photos([folder])[:5]
    methods = (default_settings("random"), default_settings("smoothgrad", options={"samples": 3, "noise": 0.2}))
    plans = [Plan(photos, methods, ("concentration",), batch) for batch in (8, 2)]
    frames = [numbers(complete(tmp_path / f"{p.batch_size}.sqlite", classifier, p)) for p in plans]
    assert len(frames[0]) == 5 * 2 * 8
    np.testing.assert_allclose(frames[0]["value"], frames[1]["value"], rtol=1e-4)


# Several processes.


def test_killed_ten_times_at_random_moments(folder, tmp_path):
    path = tmp_path / "killed.sqlite"
    arguments = [sys.executable, "-m", "tests.toy_benchmark", "kill", str(path), str(folder), "10"]
    done = subprocess.run(arguments, cwd=ROOT, capture_output=True, text=True, check=False, timeout=200)
    assert done.returncode == 0, done.stderr
    counts = [int(word) for word in done.stdout.split()]
    assert len(counts) == 10
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
    arguments = [sys.executable, "-m", "tests.toy_benchmark", "share", str(path), str(folder)]
    done = subprocess.run(arguments, cwd=ROOT, capture_output=True, text=True, check=False, timeout=200)
    assert done.returncode == 0, done.stderr
    fresh = [int(word) for word in done.stdout.split()]
    assert len(fresh) == 2, done.stderr
    assert sum(fresh) == 30  # every map was made once
    expected = complete(tmp_path / "whole.sqlite", toy_classifier(), toy_plan(folder))
    with Store(path, read_only=True) as store:
        found = store.results()
    assert len(found) == len(expected)
    keys = ["photo", "method", "metric"]
    both = numbers(found).merge(numbers(expected), on=keys, suffixes=("", "_expected"))
    np.testing.assert_allclose(both["value"], both["value_expected"], atol=1e-5)


def test_what_another_finishes_between_look_and_claim_is_not_made_again(folder, tmp_path, monkeypatch):
    classifier, plan = toy_classifier(), toy_plan(folder)
    with Store(tmp_path / "r.sqlite") as store, Store(tmp_path / "r.sqlite") as other:
        claim, quick = store.claim, []

        def overtaken(unit):
            if not quick:
                quick.extend(run(classifier, plan, other))
            return claim(unit)

        monkeypatch.setattr(store, "claim", overtaken)
        *_, end = run(classifier, plan, store)
        assert quick[-1].fresh == end.done == end.total
        assert end.fresh == 0
        assert store.claim(next(iter(plan.units(classifier))))  # nothing is left claimed


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
    common = [
        str(photos),
        "--methods",
        "samp,gradient,random",
        "--metrics",
        "gap,concentration",
        "--model",
        "mnist_cnn",  # which the workers load by its name, as they would any other
        "--quiet",
        "--threads",
        "1",
    ]
    environment = os.environ | {"RAY_worker_niceness": "0"}  # or a busy machine never lets the workers work
    outs = {engine: tmp_path / f"{engine}.sqlite" for engine in ("local", "ray")}
    assert command_line.main(["benchmark", *common, "--engine", "local", "--out", str(outs["local"])]) == 0
    done = subprocess.run(
        [sys.executable, "-m", "samp_core", "benchmark", *common, "--engine", "ray", "--out", str(outs["ray"])],
        cwd=ROOT, env=environment, capture_output=True, text=True, check=False, timeout=250,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    frames = []
    for out in outs.values():
        with Store(out, read_only=True) as store:
            frames.append(numbers(store.results()))
            assert store.photos()["error"].notna().sum() == 1
    pd.testing.assert_frame_equal(*frames)
    assert len(frames[0]) == 2 * 3 * 9


class FakeRay:
    """One worker in this process that dies of what ``deadly`` says."""

    class exceptions:
        RayError = type("RayError", (Exception,), {})
        RayTaskError = type("RayTaskError", (RayError,), {})

    def __init__(self, deadly=lambda unit: False):
        self.deadly, self.sizes = deadly, []

    def remote(self, unit, *rest):
        self.sizes.append((len(unit.photos), unit.batch_size))
        return len(self.sizes), unit, rest

    def wait(self, references, num_returns):
        return references[:1], references[1:]

    def get(self, reference):
        _, unit, rest = reference
        if self.deadly(unit):
            raise self.exceptions.RayError("the worker died")
        return cluster._remote(unit, *rest)

    def cluster_resources(self):
        return {"CPU": 1}


class Reference(tuple):
    __hash__ = object.__hash__


@pytest.fixture
def on_ray(monkeypatch):
    def call(ray, plan, store):
        monkeypatch.setattr(cluster, "_classifier", lambda *how: toy_classifier())
        plain = ray.remote
        task = SimpleNamespace(remote=lambda *a: Reference(plain(*a)))
        return list(cluster._schedule(ray, task, toy_classifier(), plan, store, ("toy", False, "cpu", 2)))

    return call


def test_on_ray_only_the_workers_decode_photos(folder, tmp_path, on_ray, monkeypatch):
    (folder / "9.png").write_bytes(b"no picture")
    decoded = []
    monkeypatch.setattr("samp_core.benchmark.engine.load_image", lambda data: decoded.append(1) or load_image(data))
    plan = toy_plan(folder, ("gap",))
    with Store(tmp_path / "r.sqlite") as store:
        last = on_ray(FakeRay(), plan, store)[-1]
        assert (last.done, last.fresh, set(last.failures)) == (30, 30, {"9.png"})
        assert len(decoded) == 10 * 3
        decoded.clear()
        assert on_ray(FakeRay(), replace(plan, photos=plan.photos[:8]), store)[-1].fresh == 0
        assert not decoded
        found = numbers(store.results())
    expected = numbers(complete(tmp_path / "here.sqlite", toy_classifier(), plan))
    same = ["name", "method", "metric", "value"]
    pd.testing.assert_frame_equal(found[same], expected[same])


def test_a_worker_that_dies_gets_half_and_at_last_a_row(folder, tmp_path, on_ray):
    photos = find_photos([folder])[:4]
    plan = Plan(photos, (default_settings("ig", steps=2), default_settings("random")), ("gap",), batch_size=8)

    def deadly(unit):
        method = unit.configuration.settings.method
        return method == "ig" and (unit.batch_size > 2 or photos[2] in unit.photos)

    ray = FakeRay(deadly)
    with Store(tmp_path / "r.sqlite") as store:
        last = on_ray(ray, plan, store)[-1]
        assert last.done == last.total == 8
        frame = store.results().set_index(["method", "name"])
        assert frame.loc[("ig", "2.png"), "note"].str.contains("The worker died").all()
        assert frame.drop(index=("ig", "2.png")).query("metric == 'gradients'")["value"].notna().all()
        assert sqlite3.connect(store.path).execute("SELECT count(*) FROM claims").fetchone() == (0,)
        assert on_ray(ray, plan, store)[-1].fresh == 0
    assert ray.sizes[0] == (4, 8)
    assert (1, 1) in ray.sizes


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


@contextmanager
def nobody():
    """Give up the rights of the superuser, who may write anywhere."""
    if os.geteuid():
        yield
        return
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)


@pytest.fixture
def measured(folder, tmp_path):
    """A file of results whose writer has ended."""
    plan = replace(toy_plan(folder, ("gap",)), photos=find_photos([folder])[:2])
    complete(tmp_path / "r.sqlite", toy_classifier(), plan)
    return tmp_path / "r.sqlite"


def state(path: Path) -> dict[str, tuple[str, int]]:
    return {
        p.name: (hashlib.sha256(p.read_bytes()).hexdigest(), p.stat().st_mtime_ns)
        for p in path.parent.glob(f"{path.name}*")
    }


def test_reading_only_writes_nothing(measured):
    before = state(measured)
    assert list(before) == ["r.sqlite"]
    with Store(measured, read_only=True) as store:
        assert load(store).labels
        store.copy()
    assert state(measured) == before


def test_reading_only_leaves_the_log_of_a_killed_writer_alone(measured):
    script = (
        "import os, sqlite3, sys; base = sqlite3.connect(sys.argv[1], isolation_level=None); "
        "base.execute(\"INSERT INTO claims VALUES ('unit', 'me', 0)\"); os._exit(0)"
    )
    subprocess.run([sys.executable, "-c", script, str(measured)], check=True)
    before = state(measured)
    assert before["r.sqlite-wal"]
    with Store(measured, read_only=True) as store:
        assert store.count()
    assert state(measured)["r.sqlite"] == before["r.sqlite"]
    assert state(measured)["r.sqlite-wal"] == before["r.sqlite-wal"]


def test_a_reader_sees_what_is_written_meanwhile(measured):
    with Store(measured, read_only=True) as reader:
        count = reader.count()
        with Store(measured) as writer:
            assert writer.forget_failures() == 0
            row = writer._base.execute("SELECT * FROM results LIMIT 1").fetchone()
            writer._base.execute("INSERT INTO results VALUES (?, ?, ?, 99, ?, ?, ?, ?)", (*row[:3], *row[4:]))
            assert reader.count() == count + 1
        assert reader.count() == count + 1


def test_a_copy_is_a_store(measured, tmp_path):
    with Store(measured, read_only=True) as store:
        count = store.count()
        (tmp_path / "copy.sqlite").write_bytes(store.copy())
    with Store(tmp_path / "copy.sqlite") as store:
        assert store.count() == count


def test_faults_of_disk_and_neighbours_are_sentences(measured):
    row = PhotoRow("x" * 9000, "weights", "a.png")
    with Store(measured) as store:
        pages = store._base.execute("PRAGMA page_count").fetchone()[0]
        store._base.execute(f"PRAGMA max_page_count = {pages}")
        with pytest.raises(StoreError, match=r"disk that holds .*r\.sqlite is full.*free some space.*go on"):
            store.add_photo(replace(row, sha256="x" * 99_999))
        assert store.count()  # what was there is there
    other = sqlite3.connect(measured, isolation_level=None)
    with Store(measured, patience=0.05) as store:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(StoreError, match=r"locked by another program.*close that program"):
            store.add_photo(row)
        with pytest.raises(StoreError, match="locked by another program"):
            store.release(next(iter(toy_plan(measured.parent / "photos").units(toy_classifier()))))
        other.execute("ROLLBACK")
    other.close()


def test_a_damaged_file_is_a_sentence_wherever_it_is_noticed(measured):
    whole_file = measured.read_bytes()
    noticed = []
    for start in range(1024, len(whole_file) - 4096, 4096):
        measured.write_bytes(whole_file[:start] + b"\xa5" * 3000 + whole_file[start + 3000 :])
        try:
            with Store(measured, read_only=True) as store:
                load(store)
        except StoreError as error:
            noticed.append(str(error))
    assert len(noticed) > 3
    assert all("is damaged" in words or "cannot be used" in words for words in noticed)
    assert not any("SELECT" in words for words in noticed)


def test_folders_without_permission_are_a_sentence(measured):
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        shutil.copy(measured, folder / "r.sqlite")
        folder.chmod(0o555)
        with nobody():
            with pytest.raises(StoreError, match=r"may not be written|right to read or write") as refused:
                Store(folder / "new.sqlite")
            assert "not a file of results" not in str(refused.value)
            with pytest.raises(StoreError, match=r"may not be written|right to read or write"):
                Store(folder / "r.sqlite")
            with pytest.raises(StoreError, match="cannot be made: Permission denied"):
                Store(folder / "deeper" / "new.sqlite")
            with Store(folder / "r.sqlite", read_only=True) as store:
                assert load(store).labels
        folder.chmod(0o755)
    with pytest.raises(StoreError, match="is a folder"):
        Store(measured.parent)


WITHOUT_PREPROCESSING = """
ALTER TABLE configurations DROP COLUMN preprocessing;
ALTER TABLE photos RENAME TO p;
CREATE TABLE photos (sha256 TEXT NOT NULL, weights TEXT NOT NULL, name TEXT NOT NULL, target INTEGER, label TEXT,
    probability REAL, error TEXT, PRIMARY KEY (sha256, weights));
INSERT INTO photos SELECT sha256, weights, name, target, label, probability, error FROM p;
DROP TABLE p;
"""


def test_files_of_the_first_format_are_read_and_gone_on_with(folder, tmp_path):
    classifier, path = toy_classifier(), tmp_path / "r.sqlite"
    plan = replace(toy_plan(folder, ("gap",)), photos=find_photos([folder])[:2])
    count = len(complete(path, classifier, plan))
    base = sqlite3.connect(path)
    base.executescript(
        f"{WITHOUT_PREPROCESSING} ALTER TABLE configurations DROP COLUMN conditions;"
        "UPDATE configurations SET fingerprint = fingerprint || '1';"
        "CREATE TABLE old (photo, configuration, metric, seed, protocol, value, note, "
        "PRIMARY KEY (photo, configuration, metric, seed)) WITHOUT ROWID; INSERT INTO old SELECT photo, "
        "configuration || '1', metric, seed, protocol, value, note FROM results; DROP TABLE results; "
        "ALTER TABLE old RENAME TO results; DROP TABLE conditions; PRAGMA user_version = 1;"
    )
    base.close()
    before = state(path)
    with Store(path, read_only=True) as store:
        assert load(store).conditions == {"not recorded": count}
    assert state(path) == before
    with Store(path) as store:
        last = list(run(classifier, plan, store))[-1]
        results = load(store)
    assert "not recorded" in last.notes[0]
    assert last.fresh == last.total
    assert results.conditions["not recorded"] == count
    assert len(results.frame) == 2 * count


def through(classifier, **how):
    return replace(classifier, preprocessing=replace(classifier.preprocessing, **how))


def as_format_2(path: Path, configurations) -> None:
    """Write a file as it was before it recorded how a network gets its pictures."""
    base = sqlite3.connect(path, isolation_level=None)
    for each in configurations:
        asked = {name: value for name, value in each.question.items() if name != "preprocessing"}
        before = hashlib.sha256(json.dumps([asked, asdict(each.conditions)], sort_keys=True).encode()).hexdigest()
        base.execute("UPDATE configurations SET fingerprint = ? WHERE fingerprint = ?", (before, each.fingerprint))
        base.execute("UPDATE results SET configuration = ? WHERE configuration = ?", (before, each.fingerprint))
    base.executescript(f"{WITHOUT_PREPROCESSING} PRAGMA user_version = 2;")
    base.close()


def test_the_same_weights_through_another_preprocessing_are_measured_anew_and_stay_apart(folder, tmp_path):
    wrong, path = through(toy_classifier(), mean=(0.0, 0.2, 0.9)), tmp_path / "r.sqlite"
    right = toy_classifier()
    assert wrong.fingerprint == right.fingerprint
    plan = replace(toy_plan(folder, ("gap",)), photos=find_photos([folder])[:3])
    first = complete(path, wrong, plan)
    alone = complete(tmp_path / "alone.sqlite", right, plan)
    with Store(path) as store:
        last = list(run(right, plan, store))[-1]
        asked = {c.fingerprint for c in plan.configurations(right, plan.conditions(right))}
        results, photos = load(store), store.photos()
        assert list(run(wrong, plan, store))[-1].fresh == 0
        assert list(run(right, plan, store))[-1].fresh == 0
    assert last.fresh == last.total
    assert "pictures of 16 x 16 pixels (scaled to it, bilinear), mean 0 0.2 0.9, deviation 0.5 0.5 0.5" in last.notes[0]
    assert len(results.frame) == len(first) + len(alone)
    own = results.frame[results.frame["configuration"].isin(asked)]
    pd.testing.assert_frame_equal(numbers(own)[list(alone)], numbers(alone))
    # Each network's own first class of each photo, and not that of whichever came first.
    seen = {
        how: {c.predict(c.inputs(load_image(photo.source)), 1)[0].index for photo in plan.photos}
        for how, c in (("wrong", wrong), ("right", right))
    }
    found = [set(part["target"]) for _, part in photos.groupby("preprocessing")]
    assert len(photos) == 6
    assert sorted(map(sorted, found)) == sorted(map(sorted, seen.values()))
    assert "<p>3 photos." in html(results)


def test_labels_change_no_number_and_the_newest_are_what_a_class_is_called(folder, tmp_path):
    classifier, path = toy_classifier(), tmp_path / "r.sqlite"
    plan = replace(toy_plan(folder, ("gap",)), photos=find_photos([folder])[:2])
    complete(path, classifier, plan)
    with Store(path) as store:
        assert list(run(replace(classifier, labels=tuple("abcde")), plan, store))[-1].fresh == 0
        assert set(store.photos()["label"]) <= set("abcde")
    several = load_classifier(classifier.network, preprocessing=classifier.preprocessing, multi_label=True)
    own, other = (plan.configurations(c, plan.conditions(c))[0].fingerprint for c in (classifier, several))
    assert own != other


def test_an_older_file_of_a_published_network_is_gone_on_with_and_of_others_stays_apart(folder, tmp_path):
    class mnist_cnn(nn.Module):  # called as a network that is published, and much quicker
        def __init__(self):
            super().__init__()
            self.last = nn.Linear(1, 10)

        def forward(self, x):
            return self.last(x.mean((1, 2, 3)).unsqueeze(1))

    torch.manual_seed(0)
    published = load_classifier(mnist_cnn().eval(), preprocessing=published_preprocessing("mnist_cnn"))
    plan = Plan(find_photos([folder])[:2], (default_settings("ig", steps=3),), ("gap",))
    for name, classifier in (("known", published), ("own", replace(published, name="resnet18 with own weights"))):
        path = tmp_path / f"{name}.sqlite"
        before = complete(path, classifier, plan)
        as_format_2(path, plan.configurations(classifier, plan.conditions(classifier)))
        was = state(path)
        with Store(path, read_only=True) as store:
            results = load(store)
            assert len(results.frame) == len(before)
            assert all("preprocessing not recorded" in words for words in results.planned.values())
        assert state(path) == was
        with Store(path) as store:
            last = list(run(classifier, plan, store))[-1]
            after = store.results()
            again = list(run(classifier, plan, store))[-1]
        assert again.fresh == 0
        if name == "known":
            assert last.fresh == 0
            assert "taken as made with the preprocessing that it was published with" in last.notes[0]
            assert again.notes == ()
            columns = ["photo", "name", "metric", "value"]
            pd.testing.assert_frame_equal(after[columns], before[columns])
            assert after["conditions"].str.endswith("preprocessing assumed to be the published one").all()
            with Store(path) as store:
                other = list(run(through(published, mean=(0.9,)), plan, store))[-1]
            assert other.fresh == other.total
        else:
            assert last.fresh == last.total
            assert "preprocessing not recorded" in last.notes[0]
            assert len(after) == 2 * len(before)


def test_a_store_with_methods_and_metrics_of_another_version_is_read(measured):
    base = sqlite3.connect(measured, isolation_level=None)
    base.execute("UPDATE configurations SET method = 'samp-9000' WHERE method = 'ig'")
    base.execute("UPDATE results SET metric = 'beauty' WHERE metric = 'gap'")
    base.close()
    with Store(measured, read_only=True) as store:
        results = load(store)
    assert results.labels[-1] == "samp-9000"
    assert results.columns[-1] == "beauty"
    assert "beauty" in markdown(results)


def test_every_kind_of_photo_that_can_be_read_is_found_in_a_folder(tmp_path):
    from samp_core import decoding

    formats = {reader.format for reader in decoding._READERS}
    Image.init()
    found = {Image.EXTENSION[ending] for ending in SUFFIXES}
    assert found == formats
    for ending in sorted(SUFFIXES):
        Image.new("RGB", (16, 16), "red").save(tmp_path / f"x{ending}")
    photos = find_photos([tmp_path])
    assert len(photos) == len(SUFFIXES)
    batch, bad = read(toy_classifier(), photos)
    assert not bad
    assert batch is not None
    uploaded, _ = read(toy_classifier(), (Photo("mine", photos[0].source.read_bytes()),))
    assert uploaded.rows[0].sha256 == hashlib.sha256(photos[0].source.read_bytes()).hexdigest()


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
    # Benjamini and Hochberg by hand: the smallest of p * tests / rank over all that are no smaller.
    own = wilcoxon(difference).pvalue
    by_rank = [p * len(raw) / rank for rank, p in enumerate(sorted(raw), 1) if p >= own]
    assert row["p"] == pytest.approx(min(*by_rank, 1))
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


def test_exports_hold_the_results(results, tmp_path, monkeypatch):
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
    assert frame["settings"].str.contains('"method": ').all()
    assert (frame["network"] == "Sequential").all()
    assert frame["conditions"].str.contains("1 thread,").all()
    before = contents(tmp_path / "out")
    with monkeypatch.context() as full:
        full.setattr("samp_core.files.os.fsync", no_space)
        for ending in ("csv", "parquet", "html", "tex"):
            with pytest.raises(OSError, match="No space left"):
                export(results, tmp_path / "out" / f"r.{ending}")
    assert contents(tmp_path / "out") == before
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
    for device in ("warp", "meta"):
        assert command_line.main([*common, "--images", str(photo), "--device", device]) == 2
        assert f"The device '{device}' cannot be used" in capsys.readouterr().err
    assert command_line.main(["benchmark", "--out", str(tmp_path / "absent.sqlite")]) == 1
    assert "no file" in capsys.readouterr().err


def test_against_is_checked_before_anything_is_measured(folder, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("samp_core.cli.benchmark.load_network", lambda *a, **k: toy_classifier())
    measured = []
    measure = run
    monkeypatch.setattr("samp_core.cli.benchmark.run_here", lambda *a, **k: measured.append(1) or measure(*a, **k))
    common = ["benchmark", str(folder), "--limit", "3", "--metrics", "gap", "--out", str(tmp_path / "r.sqlite")]
    for name in ("edges", "palmistry"):
        assert command_line.main([*common, "--methods", "ig,random", "--against", name]) == 2
        assert "not among the methods to measure" in capsys.readouterr().err
    assert command_line.main([*common, "--export", str(folder / "0.png" / "r.csv")]) == 2
    assert "0.png is a file; name a folder" in capsys.readouterr().err
    assert not measured
    assert not (tmp_path / "r.sqlite").exists()
    assert command_line.main([*common, "--methods", "ig,random", "--against", "ig"]) == 0
    assert "Against Integrated Gradients (" in capsys.readouterr().out
    again = [*common, "--methods", "ig,random", "--batch", "2", "--threads", "1"]
    assert command_line.main([*again, "--against", "ig"]) == 0  # of two kinds, this command's
    shown = capsys.readouterr()
    assert "made under other conditions: at most 8 images at once, 1 thread, cpu" in shown.err
    label = re.search(r"Against (Integrated Gradients [0-9a-f]{6}) \(", shown.out).group(1)
    assert "at most 2 images at once" in re.search(rf"^{label}: .*$", shown.out, re.MULTILINE).group()
    report = ["benchmark", "--out", str(tmp_path / "r.sqlite"), "--against"]
    assert command_line.main([*report, "ig"]) == 2
    assert "there are several of it. Name one of: 'Integrated Gradients" in capsys.readouterr().err
    assert command_line.main([*report, label]) == 0


def test_faults_end_the_command_with_a_sentence_and_retry_tries_again(folder, tmp_path, capsys, monkeypatch):
    classifier = toy_classifier()
    broken = failing(classifier, lambda x: True, RuntimeError("fell over"))
    common = ["benchmark", str(folder), "--limit", "2", "--methods", "ig", "--metrics", "gap", "--quiet"]
    common += ["--out", str(tmp_path / "r.sqlite")]
    for network, more, value in ((broken, [], False), (classifier, [], False), (classifier, ["--retry"], True)):
        monkeypatch.setattr("samp_core.cli.benchmark.load_network", lambda *a, network=network, **k: network)
        assert command_line.main([*common, *more]) == 0
        with Store(tmp_path / "r.sqlite", read_only=True) as store:
            assert (store.results()["value"].notna() == value).all()
    assert command_line.main(["benchmark", "--out", str(tmp_path / "r.sqlite")]) == 0
    assert "numbers were made with: 2 photos together" in capsys.readouterr().out
    monkeypatch.setattr(Store, "add", lambda *a: (_ for _ in ()).throw(StoreError("The disk is full.")))
    assert command_line.main([*common, "--seed", "1"]) == 1
    assert capsys.readouterr().err.endswith("python -m samp_core: The disk is full.\n")


def test_work_of_the_toy_program(folder, tmp_path):
    assert work(tmp_path / "r.sqlite", folder) == 30
    assert work(tmp_path / "r.sqlite", folder) == 0

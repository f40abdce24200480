"""Comparing maps: agreement, scales, tables, figures, and the command that makes them."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import replace
from signal import SIGINT, raise_signal

import numpy as np
import pytest
import torch
from scipy.stats import spearmanr
from torch import nn

from samp_core import cli as command_line
from samp_core import load_classifier
from samp_core.archive import open_archive
from samp_core.compare import (
    COLUMNS,
    SCALES,
    Entry,
    disagreement,
    figure,
    maps_npz,
    measure,
    report_html,
    scaled,
    table,
    to_csv,
)
from samp_core.images import Preprocessing, load_sample
from samp_core.methods import Settings, default_settings
from samp_core.metrics import deletion, insertion, rank_correlation
from samp_core.runs import as_settled, begin
from tests.test_files import contents, no_space


@pytest.fixture(scope="module")
def toy():
    torch.manual_seed(5)
    network = nn.Sequential(
        nn.Conv2d(3, 4, 3, padding=1), nn.ReLU(), nn.AdaptiveAvgPool2d(4), nn.Flatten(), nn.Linear(64, 5)
    )
    half = (0.5, 0.5, 0.5)
    return load_classifier(network, preprocessing=Preprocessing(36, (32, 32), half, half))


@pytest.fixture(scope="module")
def photo():
    return load_sample("coffee")


@pytest.fixture(scope="module")
def entries(toy, photo):
    found = []
    for name in ("samp", "ig", "gradient", "random"):
        settings, run = begin(toy, photo, default_settings(name, target=2))
        for _ in run:
            pass
        found.append(measure(toy, photo, Entry(settings, run.result())))
    return found


def test_calibrated_maps_add_up_alike_and_keep_their_order(entries):
    made = [entry.in_units for entry in entries]
    sums = [float(entry.map.sum()) for entry in made]
    assert sums == pytest.approx([sums[0]] * len(sums), rel=1e-5)  # the curves' ends, measured in single precision
    for before, after in zip(entries, made, strict=True):
        assert after.in_units is after
        assert spearmanr(before.map, after.map, axis=None).statistic > 0.999  # equal pixels are told apart
        assert float(after.explanation.completeness.relative.max()) < 1e-12
        assert after.explanation.cost.forwards > before.explanation.cost.forwards
    assert replace(entries[0], deletion=None).in_units is None


def test_rank_correlation_is_spearmans():
    maps = np.random.default_rng(0).normal(size=(3, 6, 7))
    maps[2] = -(maps[0] ** 3)
    expected = spearmanr(maps.reshape(3, -1), axis=1).statistic
    np.testing.assert_allclose(rank_correlation(maps), expected, atol=1e-12)
    assert rank_correlation(maps)[0, 2] == pytest.approx(-1)
    assert np.isnan(rank_correlation(np.stack([maps[0], np.ones((6, 7))]))[0, 1])


def test_disagreement_by_hand():
    a, b = np.array([[1.0, 2.0, 3.0]]), np.array([[3.0, 2.0, 1.0]])
    np.testing.assert_allclose(disagreement(a, b), [[-1, 0, 1]])
    np.testing.assert_allclose(disagreement(a, 10 * a), 0)


def test_scales_by_hand():
    small, large = np.linspace(-1, 1, 201).reshape(3, 67), np.linspace(-10, 10, 201).reshape(3, 67)
    shared = scaled([small, large], "shared")
    np.testing.assert_allclose(shared[0], small / np.percentile(np.abs(large), 99))
    own = scaled([small, large], "map")
    np.testing.assert_allclose(own[0], own[1])
    assert np.abs(scaled([small], "percentile")[0]).mean() > np.abs(own[0]).mean()
    rank = scaled([small, 8 * small], "rank")
    np.testing.assert_allclose(rank[0], rank[1])
    assert all(np.abs(m).max() <= 1 for scale in SCALES for m in scaled([small, large], scale))
    with pytest.raises(ValueError, match="no colour scale 'loud'"):
        scaled([small], "loud")


def test_curves_are_the_metrics_of_the_explained_score(toy, photo, entries):
    inputs = toy.preprocessing(photo)
    for entry in entries:
        maps = entry.explanation.attributions
        for curve, function in ((entry.deletion, deletion), (entry.insertion, insertion)):
            expected = function(toy.network, inputs, maps, 2, pixels_per_step=1024 // 28)
            torch.testing.assert_close(curve.scores, expected.scores)
    settings = replace(entries[0].settings, contrast=1)
    contrast = measure(toy, photo, Entry(settings, entries[0].explanation))
    assert "Contrast" in str(contrast.deletion.protocol)
    assert not torch.equal(contrast.deletion.scores, entries[0].deletion.scores)


def test_table_says_what_each_method_has_and_lacks(entries):
    rows = table(entries)
    assert all(set(row) == set(COLUMNS) for row in rows)
    samp, ig, gradient, noise = rows
    assert samp["gap"] == float(entries[0].explanation.completeness.relative.max())
    assert gradient["gap"] is None
    assert noise["gradients"] == 0
    assert ig["gradients"] == 51
    for row, entry in zip(rows, entries, strict=True):
        assert row["difference"] == pytest.approx(float(entry.insertion.auc[0] - entry.deletion.auc[0]), abs=1e-6)
        assert 0.05 <= row["top_share"] <= 1
        assert row["cancellation"] == pytest.approx(np.abs(entry.map).sum() / abs(entry.map.sum()), rel=1e-4)
    assert table([Entry(entries[0].settings, entries[0].explanation)])[0]["deletion"] is None


def test_csv_has_a_line_a_method_with_all_that_it_depends_on(toy, entries):
    lines = list(csv.DictReader(io.StringIO(to_csv(toy, entries))))
    assert [Settings.from_dict(json.loads(line["settings"])) for line in lines] == [e.settings for e in entries]
    assert {(line["explained score"], line["network"], line["weights"]) for line in lines} == {
        (f"logit of {toy.labels[2]}", toy.name, toy.fingerprint)
    }
    assert [line["method"] for line in lines] == [e.title for e in entries]
    assert lines[2]["largest relative completeness gap"] == ""
    assert all("paper protocol" in line["protocol of the curves"] for line in lines)
    assert float(lines[0]["deletion AUC"]) == pytest.approx(float(entries[0].deletion.auc[0]))


def test_maps_file_holds_every_map_and_what_it_belongs_to(toy, photo, entries):
    with np.load(io.BytesIO(maps_npz(toy, photo, "cup.png", entries))) as file:
        methods = {"samp", "ig", "gradient", "random"}
        assert set(file) == {*methods, "photo", "photo_name", "score", "network", "weights", "settings"}
        np.testing.assert_allclose(file["ig"], entries[1].map, rtol=1e-5)
        np.testing.assert_array_equal(file["photo"], np.asarray(toy.preprocessing.crop_image(photo)))
        assert file["photo_name"] == "cup.png"
        assert file["score"] == f"logit of {toy.labels[2]}"
        assert (file["network"], file["weights"]) == (toy.name, toy.fingerprint)
        settings = json.loads(str(file["settings"]))
    assert {name: Settings.from_dict(values) for name, values in settings.items()} == {
        e.settings.method: e.settings for e in entries
    }


@pytest.mark.parametrize("scale", SCALES)
def test_figure_says_its_scale(toy, photo, entries, scale):
    made = figure(toy, photo, entries, scale=scale, columns=3)
    assert SCALES[scale] in made.get_supxlabel()
    assert toy.name in made.get_supxlabel()
    titles = [axes.get_title() for axes in made.axes]
    assert titles == ["photo", *(e.title for e in entries)]
    assert made.axes[2].get_xlabel().startswith("zero → photo\n51 gradients, gap")
    assert made.axes[3].get_xlabel().startswith("no path\n1 gradients, no gap")
    assert len(figure(toy, photo, entries[:1], mode="intensity").axes) == 2


def test_names_in_a_figure_are_no_mathematics(toy, photo, entries):
    odd = replace(toy, labels=tuple(rf"$\odd{n}$" for n in range(5)))
    figure(odd, photo, entries[:1]).savefig(io.BytesIO(), dpi=20)


def test_files_name_the_layer_that_was_found(bundled, photo):
    settings, run = begin(bundled, photo, default_settings("grad-cam", target=2))
    for _ in run:
        pass
    explanation = run.result()
    entry = Entry(as_settled(settings, explanation), explanation)
    layer = entry.settings.options["layer"]
    assert layer in dict(bundled.network.named_modules())
    assert figure(bundled, photo, [entry]).axes[1].get_xlabel().startswith(f"layer {layer}\n")
    assert f"Grad-CAM: layer {layer}<" in report_html(bundled, photo, "cup.png", [entry])


def test_report_needs_no_other_file(toy, photo, entries):
    page = report_html(toy, photo, "<coffee>.png", entries)
    assert "&lt;coffee&gt;.png" in page
    assert "<coffee>" not in page
    assert "data:image/png;base64," in page
    assert "http" not in page.replace("arXiv", "")
    assert all(e.title in page for e in entries)
    assert str(entries[0].deletion.protocol) in page


def test_command_writes_everything(toy, monkeypatch, tmp_path, capsys):
    monkeypatch.setattr("samp_core.cli.shared.load_classifier", lambda *a, **k: toy)
    photo, out = tmp_path / "cup.png", tmp_path / "out"
    load_sample("coffee").save(photo)
    status = command_line.main(["compare", str(photo), "--methods", "gradient, edges", "--out", str(out), "--quiet"])
    assert status == 0
    assert sorted(p.name for p in out.iterdir()) == [
        *("comparison.samp", "figure.pdf", "figure.png", "maps.npz", "report.html", "table.csv"),
    ]
    assert [line.split(",")[0] for line in (out / "table.csv").read_text().splitlines()[1:]] == ["Gradient", "Edges"]
    assert not capsys.readouterr().out
    before = contents(out)
    monkeypatch.setattr("samp_core.files.os.fsync", no_space)
    assert command_line.main(["compare", str(photo), "--methods", "edges", "--out", str(out), "--quiet"]) == 1
    assert "could not be written: No space left on device" in capsys.readouterr().err
    assert contents(out) == before
    with pytest.raises(SystemExit) as ended:
        command_line.main(["compare", str(photo), "--methods", "samp,astrology", "--out", str(out)])
    assert ended.value.code == 2
    assert "There is no method 'astrology'" in capsys.readouterr().err


def test_a_refusing_method_does_not_stop_the_others(toy, monkeypatch, tmp_path, capsys):
    monkeypatch.setattr("samp_core.cli.shared.load_classifier", lambda *a, **k: toy)
    photo, out = tmp_path / "cup.png", tmp_path / "out"
    load_sample("coffee").save(photo)
    arguments = ["compare", str(photo), "--methods", "cam,ig", "--out", str(out), "--quiet"]
    assert command_line.main(arguments) == 0
    assert "CAM is left out" in capsys.readouterr().err
    assert len((out / "table.csv").read_text().splitlines()) == 2


@pytest.fixture
def compare(toy, monkeypatch, tmp_path):
    """Compare methods on the cup by the command; returns its exit status, and the methods in the table."""
    monkeypatch.setattr("samp_core.cli.shared.load_classifier", lambda *a, **k: toy)
    photo, out = tmp_path / "cup.png", tmp_path / "out"
    load_sample("coffee").save(photo)

    def call(*arguments):
        status = command_line.main(["compare", str(photo), "--out", str(out), *arguments])
        table = (out / "table.csv").read_text().splitlines()[1:] if out.exists() else []
        return status, [line.split(",")[0] for line in table]

    return call


def test_a_method_that_fails_as_nobody_foresaw_does_not_stop_the_others(compare, monkeypatch, capsys):
    def fail(*_):
        raise IndexError("tuple index out of range")

    monkeypatch.setattr("samp_core.maps.edges", fail)
    assert compare("--methods", "gradient,edges,random", "--quiet") == (0, ["Gradient", "Random"])
    errors = capsys.readouterr().err
    assert "Edges is left out: IndexError: tuple index out of range" in errors
    assert "Traceback" not in errors


def test_a_map_without_curves_is_written(compare, monkeypatch, capsys):
    def fail(*_):
        raise RuntimeError("out of luck")

    monkeypatch.setattr("samp_core.cli.compare.measure", fail)
    assert compare("--methods", "gradient") == (0, ["Gradient"])
    output, errors = capsys.readouterr()
    assert "Gradient has no curves: RuntimeError: out of luck" in errors
    assert "no curves" in output


def test_an_interrupt_while_curves_are_measured_keeps_what_is_finished(compare, monkeypatch, tmp_path):
    calls = []

    def interrupted(*arguments):
        calls.append(arguments)
        if len(calls) == 2:
            raise_signal(SIGINT)
        return measure(*arguments)

    monkeypatch.setattr("samp_core.cli.compare.measure", interrupted)
    assert compare("--methods", "gradient,edges,random", "--quiet") == (130, ["Gradient", "Edges"])
    kept = open_archive(tmp_path / "out" / "comparison.samp").entries
    assert [entry.deletion is None for entry in kept] == [False, True]


def test_an_interrupt_between_two_methods_keeps_what_is_finished(compare, monkeypatch):
    def interrupted(classifier, image, settings):
        if settings.method == "edges":
            raise_signal(SIGINT)
        return begin(classifier, image, settings)

    monkeypatch.setattr("samp_core.cli.compare.begin", interrupted)
    assert compare("--methods", "gradient,edges", "--quiet") == (130, ["Gradient"])

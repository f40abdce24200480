"""Runs as files, on a toy classifier: what is recorded can be read, repeated and compared."""

from __future__ import annotations

import io
import json
from dataclasses import replace
from datetime import datetime

import numpy as np
import pytest
import torch
from matplotlib.figure import Figure
from PIL import Image
from torch import nn

from samp_core import __version__
from samp_core.attribution import Decomposition, DirectMethod, Explanation, PathRun
from samp_core.classifiers import Classifier, ClassifierError, load_classifier
from samp_core.images import Preprocessing, load_sample, sha256
from samp_core.methods import METHODS, Settings, default_settings
from samp_core.paths import OpenPath
from samp_core.rules import Completeness
from samp_core.runs import as_settled, begin, describe, ends_in_words, figure_png, maps_npz, record, save
from samp_core.scores import Logit
from tests.test_files import contents, full_disk  # noqa: F401 - a fixture

PATH_METHODS = [name for name, method in METHODS.items() if method.has_path]
QUICK = default_settings("samp", steps=3, target=1)


@pytest.fixture(scope="module")
def toy() -> Classifier:
    torch.manual_seed(0)
    network = nn.Sequential(
        nn.Conv2d(3, 4, 3, padding=1), nn.Tanh(), nn.AdaptiveAvgPool2d(3), nn.Flatten(), nn.Linear(36, 4)
    )
    preprocessing = Preprocessing(20, (16, 12), (0.5, 0.5, 0.5), (0.5, 0.5, 0.5))
    return load_classifier(network, labels=("bird", "tabby", "tiger cat", "crane"), preprocessing=preprocessing)


@pytest.fixture(scope="module")
def photo() -> Image.Image:
    return load_sample("coffee").resize((48, 40))


def explained(toy, photo, settings) -> tuple[Settings, Explanation]:
    settings, run = begin(toy, photo, settings)
    for _ in run:
        pass
    return settings, run.result()


def written(toy, photo, settings, explanation) -> dict:
    """Record a run and read it back from strict JSON."""
    return json.loads(json.dumps(record(toy, photo, "cup.png", settings, explanation), allow_nan=False))


def test_begin_explains_the_first_choice_unless_told(toy, photo):
    x = toy.preprocessing(photo)
    best = int(toy(x).argmax())
    other = (best + 1) % 4
    filled, run = begin(toy, photo, replace(QUICK, target=None))
    assert filled == replace(QUICK, target=best)
    assert run.cost.gradients == 0  # nothing walked yet
    kept, run = begin(toy, photo, replace(QUICK, target=other))
    assert kept.target == other
    torch.testing.assert_close(run.result().scores[0, 0], toy(x).detach()[:, other])


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"method": "palm reading"}, "no method 'palm reading'.*samp, samp"),
        ({"momentum": 2.0}, "momentum must be"),
        ({"score": "entropy"}, "no score 'entropy'.*logit, probability"),
        ({"contrast": 1}, "two different classes"),
        ({"insertion_baseline": "grey"}, "insertion_baseline must be one of zero, .*, not 'grey'"),
        ({"accumulation": "simpson"}, "accumulation must be one of paper, .*, not 'simpson'"),
        ({"method": "ig", "pixels_per_step": 9}, "Integrated Gradients has no option pixels_per_step"),
    ],
    ids=str,
)
def test_begin_refuses_what_does_not_fit(changes, says, toy, photo):
    with pytest.raises(ValueError, match=says):
        begin(toy, photo, QUICK.changed(**changes))


@pytest.mark.parametrize(
    ("settings", "title", "score"),
    [
        (QUICK, "SAMP: 3 steps, momentum 0, no IC, paper rule", "logit of tabby"),
        (
            default_settings("samp++", steps=None, pixels_per_step=9, directions=("deletion",), score="probability"),
            "SAMP++: momentum 0.5, IC 1/50, paper rule, pixels a step 9, directions deletion",
            "probability of tabby",
        ),
        (
            default_settings("ig", accumulation="gauss", gauss_nodes=4, contrast=2),
            "Integrated Gradients: 50 steps, gauss rule, 4 nodes a move",
            "logit of tabby minus logit of tiger cat",
        ),
    ],
    ids=lambda value: getattr(value, "method", ""),
)
def test_describe(settings, title, score, toy):
    assert describe(toy, replace(settings, target=1)) == (title, score)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        (QUICK, "photo → zero + blur → photo"),
        (QUICK.changed(directions=("insertion",), insertion_baseline="noise"), "noise → photo"),
        (default_settings("ig"), "zero → photo"),
        (default_settings("blur-ig", max_sigma=20.0), "blur, sigma 20 → photo"),
        (default_settings("gradient"), ""),
    ],
    ids=lambda value: getattr(value, "method", ""),
)
def test_where_paths_start_and_end(settings, words):
    assert ends_in_words(settings) == words


@pytest.mark.parametrize("method", PATH_METHODS)
def test_paths_start_and_end_where_the_words_say(method, toy, photo):
    """The photo stands in the words on the side on which the path has it."""
    _, run = begin(toy, photo, default_settings(method, target=1, steps=2))
    ways = ends_in_words(default_settings(method)).split(" + ")
    assert len(ways) == run.paths
    x = toy.preprocessing(photo)[0]
    for way, start, end in zip(ways, run.ends.start, run.ends.end, strict=True):
        is_open = isinstance(run, PathRun) and isinstance(run.path, OpenPath)  # where that ends is not known yet
        from_photo, to_photo = torch.equal(start, x), torch.equal(end, x) and not is_open
        assert (way.startswith("photo →"), way.endswith("→ photo")) == (from_photo, to_photo)
        assert from_photo != to_photo


@pytest.mark.parametrize("method", ["grad-cam", "score-cam"])
def test_a_layer_that_was_found_is_named(method, toy, photo):
    settings, explanation = explained(toy, photo, default_settings(method, target=1))
    assert describe(toy, settings)[0].endswith(("Grad-CAM", "feature maps 256"))
    settled = as_settled(settings, explanation)
    assert settled.options == {**settings.options, "layer": "2"}
    assert describe(toy, settled)[0].endswith("layer 2")
    run = written(toy, photo, settings, explanation)
    assert run["title"].endswith("layer 2")
    assert run["settings"]["options"]["layer"] == "2"
    # It is the layer that was used, and a file can be run again.
    _, again = explained(toy, photo, Settings.from_dict(run["settings"]))
    assert torch.equal(again.maps, explanation.maps)


@pytest.mark.parametrize("method", PATH_METHODS)
def test_record_says_what_was_asked_of_what_and_what_came_out(method, toy, photo):
    changes = {"ic_tolerance": 0.3} if METHODS[method].defaults.options.get("ic_tolerance") else {}
    settings, explanation = explained(toy, photo, default_settings(method, steps=3, seed=5, **changes))
    run = written(toy, photo, settings, explanation)
    assert run["format"] == "samp-run/1"
    assert datetime.fromisoformat(run["created"]).tzinfo
    assert Settings.from_dict(run["settings"]) == settings
    assert run["settings"]["seed"] == 5
    assert run["settings"]["target"] is not None
    assert run["citation"] == METHODS[method].citation
    assert run["image"] == {"name": "cup.png", "size": [48, 40], "original_size": [48, 40], "sha256": sha256(photo)}
    assert run["network"]["name"] == "Sequential"
    assert run["network"]["sha256"] == toy.fingerprint
    assert run["network"]["preprocessing"]["crop"] == [16, 12]
    assert run["predictions"][0]["label"] == toy.labels[settings.target]
    assert run["versions"]["samp_core"] == __version__
    assert {"torch", "captum", "numpy", "scipy", "python"} <= set(run["versions"])
    assert "unknown" not in run["versions"].values()
    result = run["result"]
    assert result["finished"]
    assert result["steps"] == dict(zip(explanation.directions, explanation.steps[:, 0].tolist(), strict=True))
    assert result["cost"]["gradients"] == explanation.cost.gradients > 0
    for d, direction in enumerate(explanation.directions):
        of = result["completeness"][direction]
        assert of["sum"] - of["score_change"] == pytest.approx(explanation.completeness.gap[d, 0].item(), abs=1e-6)
    assert result["variance"] == pytest.approx(explanation.maps.var(unbiased=False).item())
    whole = explanation.maps.double()
    assert result["cancellation"] == pytest.approx(float(whole.abs().sum() / whole.sum().abs()))


def test_degenerate_results_are_strict_json(toy, photo):
    black = Image.new("RGB", (48, 40))
    blank = QUICK.changed(deletion_baseline="black", insertion_baseline="black")
    settings, explanation = explained(toy, black, blank)
    result = written(toy, black, settings, explanation)["result"]
    assert result["steps"] == {"deletion": 0, "insertion": 0}
    assert len(result["notes"]) == 2
    assert "equals its baseline" in result["notes"][0]
    assert result["variance"] == 0
    assert result["cancellation"] is None
    ones = torch.ones_like(explanation.completeness.sums)
    unchanged = replace(explanation, completeness=Completeness(ones, 0 * ones))  # a map, but no change of the score
    result = written(toy, black, settings, unchanged)["result"]
    assert result["completeness"]["deletion"] == {"sum": 1, "score_change": 0, "relative_gap": None}
    for drawn in (explanation, unchanged):
        assert figure_png(toy, black, settings, drawn).startswith(b"\x89PNG")


@pytest.mark.parametrize("moves", [0, 1])
def test_a_stopped_run_is_recorded_as_unfinished(moves, toy, photo):
    settings, run = begin(toy, photo, QUICK)
    for _ in range(moves):
        next(iter(run))
    result = written(toy, photo, settings, run.result())["result"]
    assert not result["finished"]
    assert result["steps"] == {"deletion": moves, "insertion": moves}
    assert "Stopped early" in result["notes"][0]


def test_a_method_without_a_path_is_recorded_without_directions(toy, photo):
    def work(task):
        yield 0.5
        return task.score.gradients(task.inputs, torch.tensor([0]))[1]

    def made(work):
        return DirectMethod(
            toy.network, work, score=Logit(), gradients=lambda height, width: 1, preprocessing=toy.preprocessing
        )

    run = made(work).start(toy.preprocessing(photo), 1)
    halfway = made(work).start(run._task.inputs, 1)
    assert list(run) == [0.5]
    next(iter(halfway))
    for explanation, finished in ((run.result(), True), (halfway.result(), False)):
        result = written(toy, photo, QUICK, explanation)["result"]
        assert result["steps"] == result["completeness"] == {}
        assert result["finished"] == finished
        assert (result["variance"] > 0) == finished
        assert figure_png(toy, photo, QUICK, explanation).startswith(b"\x89PNG")
        with np.load(io.BytesIO(maps_npz(toy, photo, explanation))) as saved:
            np.testing.assert_array_equal(saved["map"], explanation.maps[0].numpy())

    def promising(task):
        attributions = yield from work(task)
        return Decomposition(attributions, 2 * attributions.sum((1, 2, 3)))

    run = made(promising).start(run._task.inputs, 1)
    list(run)
    found = written(toy, photo, QUICK, run.result())["result"]["completeness"]["map"]
    assert found["score_change"] == pytest.approx(2 * found["sum"])
    assert found["relative_gap"] == pytest.approx(0.5)


def test_a_target_that_the_network_has_not_is_refused(toy, photo):
    settings, explanation = explained(toy, photo, QUICK)
    with pytest.raises(ClassifierError, match="no class 9"):
        record(toy, photo, "cup.png", replace(settings, target=9), explanation)


def test_save_writes_three_files_that_hold_the_explanation(toy, photo, tmp_path):
    settings, explanation = explained(toy, photo, QUICK)
    paths = save(tmp_path / "new" / "folder", toy, photo, "cup.png", settings, explanation)
    assert [p.name for p in paths] == ["maps.npz", "figure.png", "run.json"]
    assert sorted(tmp_path.rglob("*.*")) == sorted(paths)
    with np.load(paths[0], allow_pickle=False) as saved:
        arrays = dict(saved)
    expected = {
        "attributions": explanation.attributions[0],
        "map": explanation.maps[0],
        "by_direction": explanation.by_direction[:, 0].sum(1),
        "order": explanation.order[0],
        "scores": explanation.scores[:, :, 0],
    }
    for name, values in expected.items():
        np.testing.assert_array_equal(arrays.pop(name), values.numpy())
    assert arrays.pop("directions").tolist() == ["deletion", "insertion"]
    assert (arrays.pop("photo") == np.asarray(toy.preprocessing.crop_image(photo))).all()
    assert not arrays
    with Image.open(paths[1]) as picture:
        assert picture.size == (1760, 1056)  # 11 x 6.6 inches of 160 dots
    assert json.loads(paths[2].read_text())["image"]["name"] == "cup.png"
    save(paths[0].parent, toy, photo, "cup.png", settings, explanation)  # again, over the old ones


def test_a_full_disk_leaves_the_old_files(toy, photo, tmp_path, full_disk):
    settings, explanation = explained(toy, photo, QUICK)
    (tmp_path / "maps.npz").write_bytes(b"old")
    with pytest.raises(OSError, match=r"figure\.png could not be written: No space left"):
        save(tmp_path, toy, photo, "cup.png", settings, explanation)
    assert contents(tmp_path) == {"maps.npz": b"old"}


def test_record_says_the_threads_of_the_thread_that_walked(toy, photo):
    settings, explanation = explained(toy, photo, QUICK)
    machine = record(toy, photo, "cup.png", settings, explanation, threads=7)["machine"]
    assert (machine["threads"], machine["device"], machine["prepared"]) == (7, "cpu", False)
    assert written(toy, photo, settings, explanation)["machine"]["threads"] is None  # rather than a guess


def test_the_figure_names_the_network(toy, photo, monkeypatch):
    settings, explanation = explained(toy, photo, QUICK)
    titles = []
    monkeypatch.setattr("samp_core.figures.figure", lambda *a, **k: titles.append(k["title"]) or Figure())
    figure_png(toy, photo, settings, explanation)
    assert titles[0].endswith("\nSequential")


def test_a_run_can_be_repeated_from_its_file(toy, photo):
    settings, explanation = explained(toy, photo, QUICK.changed(target=None, insertion_baseline="noise", seed=3))
    again = Settings.from_dict(written(toy, photo, settings, explanation)["settings"])
    assert maps_npz(toy, photo, explained(toy, photo, again)[1]) == maps_npz(toy, photo, explanation)
    other = explained(toy, photo, replace(again, seed=4))[1]
    assert not torch.equal(other.attributions, explanation.attributions)


@pytest.mark.parametrize("name", METHODS)
def test_settings_survive_json(name):
    settings = default_settings(name, target=3, contrast=7, seed=11)
    assert Settings.from_dict(json.loads(json.dumps(settings.to_dict()))) == settings
    assert settings.to_dict().keys() == Settings.__dataclass_fields__.keys()


def test_settings_that_nobody_knows_are_refused():
    with pytest.raises(ValueError, match=r"no setting colour, speed\. Was the file written by a newer version"):
        Settings.from_dict({**QUICK.to_dict(), "speed": 1, "colour": "red"})
    with pytest.raises(ValueError, match="no method 'palm reading'"):
        default_settings("palm reading")

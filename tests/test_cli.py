"""The command line: what it writes, what it says, and how it ends."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from samp_core.classifiers import load_classifier
from samp_core.cli import main
from samp_core.films import Recording
from samp_core.images import load_sample
from samp_core.maps import masks
from samp_core.methods import METHODS, default_settings
from tests.test_files import contents

ROOT = Path(__file__).parents[1]
COMMAND = [sys.executable, "-m", "samp_core"]


@pytest.fixture(scope="module")
def cat_png(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("photo") / "my cat.png"
    load_sample("chelsea").save(path)
    return path


@pytest.fixture
def cli(cat_png, tmp_path, monkeypatch, capsys, bundled):
    """Call ``explain`` on the cat in this process; returns exit status, output and messages."""

    def load(arguments):
        assert (arguments.model, arguments.weights, arguments.download) == (None, None, False)
        return SimpleNamespace(prepare=lambda: bundled)  # prepared once for all tests

    def call(*arguments, image=cat_png, out=tmp_path / "out"):
        try:
            status = main(["explain", str(image), "--out", str(out), *arguments])
        except SystemExit as end:
            status = end.code
        return status, *capsys.readouterr()

    monkeypatch.setattr("samp_core.cli.shared.load_network", load)
    return call


def check_refusal(result, status, says, out):
    """Check for one sentence on the error stream, no result and nothing that only a programmer would read."""
    code, output, errors = result
    assert code == status
    sentence = re.split(r"[\r\n]", errors.removesuffix("Try 'python -m samp_core explain --help'.\n").strip())[-1]
    assert re.match(rf"python -m samp_core( explain)?: .*{says}", sentence), errors
    assert "Traceback" not in errors
    assert "wrote" not in output
    assert not out.exists() or out.is_file()


def test_help_names_every_option(capsys):
    with pytest.raises(SystemExit) as end:
        main(["explain", "--help"])
    assert not end.value.code
    words, errors = capsys.readouterr()
    assert not errors
    options = set(re.findall(r"--[a-z-]+", words))
    settings = (
        "score steps pixels-per-step momentum ic-tolerance directions accumulation gauss-nodes tie-band max-steps"
    )
    more = "out model download target contrast method deletion-baseline insertion-baseline seed quiet"
    assert {f"--{name}" for name in f"{settings} {more}".split()} <= options
    assert set(METHODS) <= set(re.findall(r"[\w+-]+", words))


def test_help_says_whose_settings_the_options_are(capsys):
    with pytest.raises(SystemExit):
        main(["explain", "--help"])
    words = " ".join(capsys.readouterr().out.split())
    assert "without a path" not in words
    assert "--option NAME=VALUE any of these in another way" in words
    assert re.search(r"--momentum VALUE [^-]*steadier: from 0 to 0.999 \(samp, samp\+\+, samp-isotonic", words)


@pytest.mark.parametrize(("arguments", "says"), [(["--version"], r"samp_core \d+\.\d+"), (["--help"], "explain")])
def test_the_program_introduces_itself(arguments, says, capsys):
    with pytest.raises(SystemExit) as end:
        main(arguments)
    assert end.value.code == 0
    assert re.search(says, capsys.readouterr().out)


def test_explain_from_a_shell_writes_four_files_and_shows_its_progress(cat_png, tmp_path):
    out = tmp_path / "new folder" / "cat"
    arguments = ["explain", str(cat_png), "--out", str(out), "--steps", "2", "--ic-tolerance", "none"]
    ended = subprocess.run([*COMMAND, *arguments], cwd=ROOT, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
    assert "  0% " in ended.stderr
    assert "100% " in ended.stderr
    assert "Warning" not in ended.stderr
    assert "SAMP++: 2 steps, momentum 0.5, no IC, paper rule" in ended.stdout
    assert re.search("explains the logit of tiger cat; about 4 gradient evaluations", ended.stdout)
    assert ended.stdout.count("completeness gap") == 2
    assert {p.name for p in out.iterdir()} == {"maps.npz", "figure.png", "run.json", "run.samp"}
    run = json.loads((out / "run.json").read_text())
    assert run["settings"]["options"]["ic_tolerance"] is None
    assert run["image"]["name"] == "my cat.png"
    assert run["machine"]["threads"] >= 1
    assert run["machine"]["prepared"]
    assert run["result"]["finished"]
    with np.load(out / "maps.npz") as maps:
        assert maps["map"].shape == (224, 224)
    with Image.open(out / "figure.png") as picture:
        picture.verify()


GIVEN = {
    "method": "samp",
    "pixels_per_step": 30000,
    "momentum": 0.25,
    "ic_tolerance": 0.5,
    "directions": ["deletion", "insertion"],
    "deletion_baseline": "mean",
    "insertion_baseline": "white",
    "accumulation": "gauss",
    "gauss_nodes": 1,
    "tie_band": 0.001,
    "max_steps": 50,
    "seed": 7,
    "target": 281,
    "contrast": 282,
}


def test_every_setting_that_is_given_is_in_the_record(cli, tmp_path):
    words = {**GIVEN, "directions": "both", "target": "tabby"}
    arguments = [part for name, value in words.items() for part in (f"--{name.replace('_', '-')}", str(value))]
    status, output, errors = cli("--quiet", *arguments)
    assert (status, output, errors) == (0, "", "")  # quiet: no bar and no summary
    run = json.loads((tmp_path / "out" / "run.json").read_text())
    assert {**run["settings"]["options"], **run["settings"]}.items() >= {**GIVEN, "steps": None}.items()
    assert run["explained_score"] == "logit of tabby minus logit of tiger cat"
    assert list(run["result"]["completeness"]) == ["deletion", "insertion"]


def test_score_and_steps_are_in_the_record_and_the_rest_is_the_methods_own(cli, tmp_path):
    status, output, errors = cli("--method", "ig", "--steps", "2", "--score", "probability")
    assert status == 0
    assert "explains the probability of tiger cat" in output
    assert "100%" in errors
    run = json.loads((tmp_path / "out" / "run.json").read_text())
    assert run["settings"] == default_settings("ig", steps=2, score="probability", target=282).to_dict()


@pytest.mark.parametrize(
    ("arguments", "status", "says"),
    [
        ("--method palmistry", 2, "invalid choice: 'palmistry'"),
        ("--steps 2.5", 2, r"SAMP\+\+: steps must be from 1 to 10,000, a whole number, not 2.5\."),
        ("--steps 0", 2, r"SAMP\+\+: steps must be from 1 to 10,000, a whole number, not 0\."),
        ("--steps many", 2, r"SAMP\+\+: steps must be from 1 to 10,000, a whole number, not 'many'\."),
        ("--steps 3 --pixels-per-step 3", 2, "either steps or pixels_per_step: each follows from the other"),
        ("--momentum 2", 2, "momentum must be from 0 to 0.999, not 2"),
        ("--momentum nan", 2, "momentum must be from 0 to 0.999, not nan"),
        ("--ic-tolerance 0", 2, "ic_tolerance must be from 0.0001 to 1, or none, not 0"),
        ("--ic-tolerance abc", 2, "ic_tolerance must be from 0.0001 to 1, or none, not 'abc'"),
        ("--ic-tolerance 1/9000", 1, "needs at least 9,000 moves, more than max_steps = 2,000"),
        ("--momentum 0.5 --method ig", 2, "--momentum means nothing to Integrated Gradients. Its options: --steps"),
        (
            "--option momentum=0.5 --method gradient",
            2,
            "--momentum means nothing to Gradient. Its options: --copies, --copy-noise",
        ),
        ("--samples 5 --max-steps 9 --method ig", 2, "--(samples|max-steps), --(samples|max-steps) means nothing to"),
        ("--samples 1000 --method smoothgrad", 2, "SmoothGrad: samples must be from 1 to 500, a whole number"),
        ("--directions deletion --insertion-baseline zero", 2, "counts only with --directions insertion"),
        ("--max-sigma 1e9 --method blur-ig", 2, "Blur IG: max_sigma must be from 5 to 100, not 1000000000.0"),
        ("--gauss-nodes 4", 2, "--gauss-nodes counts only with --accumulation gauss"),
        ("--seed x", 2, "--seed: must be from 0 to 9,223,372,036,854,775,807, a whole number, not 'x'"),
        ("--batch 0", 2, "--batch: must be from 1 to 4,096, a whole number, not 0"),
        ("--target asdfqwer", 1, "no class 'asdfqwer'"),
        ("--target 1000", 1, "no class '1000'"),
        ("--target 282 --contrast 282", 2, "two different classes, but both are class 282"),
        ("--contrast 281 --score logit", 2, "--score cannot be chosen with it"),
    ],
)
def test_what_cannot_be_done_is_one_sentence(arguments, status, says, cli, tmp_path):
    check_refusal(cli(*arguments.split()), status, says, tmp_path / "out")


def test_images_that_are_none_and_folders_that_are_files(cli, cat_png, tmp_path):
    text = tmp_path / "text.png"
    text.write_text("hello, I am no image")
    out = tmp_path / "out"
    check_refusal(cli(image=tmp_path / "nowhere.png"), 1, "There is no file '.*nowhere.png'", out)
    check_refusal(cli(image=text), 1, "not an image of a known format", out)
    check_refusal(cli(image=tmp_path), 1, "is a directory", out)
    check_refusal(cli(out=text), 2, "is a file; name a folder", text)
    assert text.read_text() == "hello, I am no image"


def test_a_contrast_without_a_target_is_with_the_first_choice(cli, tmp_path):
    assert cli("--contrast", "281", "--method", "ig", "--steps", "1", "--quiet")[0] == 0
    settings = json.loads((tmp_path / "out" / "run.json").read_text())["settings"]
    assert (settings["target"], settings["contrast"]) == (282, 281)


def test_a_search_that_reaches_max_steps_says_that_it_is_unfinished(cli, tmp_path):
    status, _, errors = cli("--steps", "3", "--ic-tolerance", "0.34", "--max-steps", "3", "--quiet")
    assert status == 0
    assert "Note: Stopped early" in errors
    assert not json.loads((tmp_path / "out" / "run.json").read_text())["result"]["finished"]


def test_interrupting_leaves_a_partial_result(cat_png, tmp_path):
    arguments = ["explain", str(cat_png), "--out", str(tmp_path / "out"), "--ic-tolerance", "0.01"]
    with subprocess.Popen([*COMMAND, *arguments], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        shown = b""
        while not re.search(rb"\s[1-9]\d*%", shown):  # the bar has left 0 %
            some = process.stderr.read1()
            assert some, f"ended by itself: {shown.decode()}"
            shown += some
        process.send_signal(signal.SIGINT)
        output, errors = process.communicate()
    errors = (shown + errors).decode()
    assert process.returncode == 130, errors
    assert "Traceback" not in errors
    assert "Note: Stopped early" in errors
    assert "wrote" in output.decode()
    result = json.loads((tmp_path / "out" / "run.json").read_text())["result"]
    assert not result["finished"]
    assert 0 < result["steps"]["deletion"] < 60
    assert result["variance"] > 0
    assert (tmp_path / "out" / "figure.png").stat().st_size > 0


@pytest.fixture
def cup(tmp_path, monkeypatch) -> list[str]:
    """Return a photo, and have the commands explain what a small network sees in it."""
    network = load_classifier("mnist_cnn")
    monkeypatch.setattr("samp_core.cli.shared.load_network", lambda _: SimpleNamespace(prepare=lambda: network))
    load_sample("coffee").save(tmp_path / "cup.png")
    return [str(tmp_path / "cup.png")]


def interrupting(function, at):
    """Return the function with an interrupt in its call number ``at``."""
    calls = []

    def call(*arguments, **named):
        calls.append(arguments)
        if len(calls) == at:
            signal.raise_signal(signal.SIGINT)
        return function(*arguments, **named)

    return call


def test_an_interrupt_before_there_is_a_map_writes_nothing(cup, tmp_path, monkeypatch, capsys):
    arguments = ["explain", *cup, "--method", "rise", "--masks", "50", "--out", str(tmp_path / "out"), "--quiet"]
    assert main(arguments) == 0
    before = contents(tmp_path / "out")
    for out in ("out", "other"):
        monkeypatch.setattr("samp_core.maps.masks._mask", interrupting(masks._mask, 20))
        assert main([*arguments[:-2], str(tmp_path / out), "--quiet"]) == 130
        assert "interrupted before there was a map; nothing was written" in capsys.readouterr().err
    assert contents(tmp_path / "out") == before
    assert not (tmp_path / "other").exists()


def test_an_interrupt_of_the_first_copies_writes_nothing(cup, tmp_path, monkeypatch):
    monkeypatch.setattr("samp_core.maps.masks._mask", interrupting(masks._mask, 20))
    options = ["--masks", "50", "--copies", "2", "--batch", "1"]
    assert main(["explain", *cup, "--method", "rise", *options, "--out", str(tmp_path / "out"), "--quiet"]) == 130
    assert not (tmp_path / "out").exists()


def test_an_interrupt_of_the_planes_keeps_the_lanes(cup, tmp_path, monkeypatch, capsys):
    lanes = ["--lanes", "ig,steps=2", "--quiet", "--out"]
    survey = interrupting(Recording.survey, 1)
    monkeypatch.setattr(Recording, "survey", survey)
    assert main(["film", *cup, *lanes, str(tmp_path / "film.html")]) == 130
    assert (tmp_path / "film.html").stat().st_size > 0
    monkeypatch.setattr(Recording, "survey", interrupting(Recording.survey, 1))
    assert main(["figure", *cup, "--figure", "plane", *lanes, str(tmp_path / "plane.pdf")]) == 130
    assert "interrupted before there was a plane; nothing was written" in capsys.readouterr().err
    assert not (tmp_path / "plane.pdf").exists()


@pytest.mark.parametrize(
    ("command", "out"), [("explain", "out"), ("compare", "out"), ("film", "film.html"), ("figure", "figure.pdf")]
)
def test_questions_that_mean_nothing_are_refused_by_every_command(command, out, cup, tmp_path, capsys):
    arguments = [command, *cup, "--out", str(tmp_path / out)]
    for more, says in (
        (["--target", "1", "--contrast", "2", "--score", "probability"], "--score cannot be chosen with it"),
        (["--score", "sigmoid"], "The score 'sigmoid' means nothing here"),
    ):
        assert main([*arguments, *more]) == 2
        assert says in capsys.readouterr().err
    with pytest.raises(SystemExit) as end:
        main([*arguments[:-1], " "])
    assert end.value.code == 2
    assert "argument --out: must name a file or folder" in capsys.readouterr().err
    assert not (tmp_path / out).exists()


def test_absent_weights_are_allowed_by_a_flag(cat_png, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    assert main(["explain", str(cat_png), "--model", "resnet50", "--out", str(tmp_path / "out")]) == 1
    errors = capsys.readouterr().err
    assert "nothing is downloaded unasked. Allow it with --download, or put" in errors
    assert "load_classifier" not in errors

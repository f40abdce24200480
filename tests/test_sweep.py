"""Sweeps: which settings, what nothing beats, and a command that goes on where it stopped."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
import time
from contextlib import closing, suppress

import numpy as np
import pytest

from samp_core import cli as command_line
from samp_core.compare import front
from samp_core.digits import samples
from samp_core.methods import METHODS, default_settings
from samp_core.sweep import MOST, read_axis, settings_of
from tests.serving import ROOT


def test_values_are_read_as_they_are_written():
    samp = METHODS["samp"]
    assert read_axis(samp, "momentum=0:0.9:0.1").values == (0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)
    assert read_axis(samp, "ic=1/10, 1/20,off").values == (0.1, 0.05, None)
    assert read_axis(samp, "ic-tolerance=1/10,1/20").words == ["1/10", "1/20"]
    assert read_axis(samp, "steps=10:1:-3").values == (10, 7, 4, 1)
    assert read_axis(samp, "accumulation=paper,half").places.tolist() == [0, 1]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("speed=1,2", "no knob 'speed'"),
        ("momentum=0:1", "is no range"),
        ("momentum=0:0.9:0", "is no range"),
        ("momentum=0:nan:0.1", "no range|no values"),
        ("momentum=0.9:0:0.1", "no values"),
        ("momentum=0:1:0.0001", "no values, or more"),
        ("momentum=0:9e999999:1e-999999", "is no range"),
        ("momentum=1e999", "must be"),
        ("momentum=0,3", "must be"),
        ("momentum=", "must be"),
        ("momentum=0.1,0.10", "twice"),
    ],
)
def test_what_cannot_be_swept_is_said(text, words):
    with pytest.raises(ValueError, match=words):
        read_axis(METHODS["samp"], text)


def test_points_and_their_number():
    samp = METHODS["samp"]
    axes = [read_axis(samp, "momentum=0,0.5"), read_axis(samp, "steps=5,7,9")]
    points = settings_of(default_settings("samp"), axes)
    assert [(p.options["momentum"], p.options["steps"]) for p in points] == [
        *((0, 5), (0, 7), (0, 9), (0.5, 5), (0.5, 7), (0.5, 9)),
    ]
    assert points[0].options["pixels_per_step"] is None  # which steps stand in for
    for wrong in ([], [axes[0]] * 2, [axes[0], axes[1], read_axis(samp, "ic=off")]):
        with pytest.raises(ValueError, match="one knob or two"):
            settings_of(default_settings("samp"), wrong)
    many = [read_axis(samp, "momentum=0:0.9:0.01"), read_axis(samp, "steps=1:10:1")]
    with pytest.raises(ValueError, match=f"at most {MOST}"):
        settings_of(default_settings("samp"), many)


def test_the_front_is_what_no_other_point_beats():
    values = np.array([[1.0, 10], [2, 20], [2, 30], [3, 30], [0.5, 10], [np.nan, 1], [3, 30]])
    assert front(values, ["up", "down"]).tolist() == [True, True, False, True, False, False, True]
    rng = np.random.default_rng(0)
    values = rng.integers(0, 6, (40, 2)).astype(float)
    for k, found in enumerate(front(values, ["down", "down"])):
        others = [v for v in values if (v <= values[k]).all() and (v < values[k]).any()]
        assert found == (not others)


def test_a_sweep_from_the_command_line_goes_on_and_is_written(tmp_path, capsys):
    for digit in (3, 8):
        samples()[digit].save(tmp_path / f"{digit}.png")
    out = tmp_path / "tune.sqlite"
    common = ["tune", str(tmp_path), "--model", "mnist_cnn", "--method", "ig", "--metrics", "gap,curves"]
    common += ["--out", str(out), "--quiet"]
    assert command_line.main([*common, "--sweep", "steps=2,4"]) == 0
    with sqlite3.connect(out) as file:
        before = set(file.execute("select * from results"))
    exports = [x for ending in ("html", "csv", "png", "pdf") for x in ("--export", str(tmp_path / f"tune.{ending}"))]
    assert command_line.main([*common[:-1], "--sweep", "steps=2,4,6", *exports]) == 0
    printed = capsys.readouterr().out
    assert "Completeness gap is best at steps" in printed
    assert "paper protocol" in printed
    with sqlite3.connect(out) as file:
        after = set(file.execute("select * from results"))
    assert before < after  # times included: nothing was measured again
    assert 2 * len(after) == 3 * len(before)
    page = (tmp_path / "tune.html").read_text()
    assert "http" not in page.replace("http-equiv", "")  # nothing is fetched
    rows = (tmp_path / "tune.csv").read_text().splitlines()
    assert len(rows) == 4
    assert rows[0].startswith("steps,")
    assert "low" in rows[0]
    assert (tmp_path / "tune.png").read_bytes().startswith(b"\x89PNG")
    assert (tmp_path / "tune.pdf").read_bytes().startswith(b"%PDF")
    assert command_line.main([*common, "--sweep", "steps=2,4", "--sweep", "accumulation=paper,trapezoid"]) == 0
    for wrong, words in (
        (["--sweep", "speed=1"], "no knob"),
        (["--sweep", "steps=2", "--trade", "gap"], "two of"),
        (["--sweep", "steps=2", "--export", "a.txt"], "ending"),
    ):
        assert command_line.main([*common, *wrong]) == 2
        assert words in capsys.readouterr().err


def test_a_sweep_of_seven_by_five_that_was_killed_reuses_every_point_that_was_done(tmp_path):
    samples()[3].save(tmp_path / "three.png")
    out = tmp_path / "tune.sqlite"
    command = [sys.executable, "-m", "samp_core", "tune", str(tmp_path / "three.png"), "--out", str(out)]
    command += ["--sweep", "momentum=0:0.9:0.15", "--sweep", "ic_tolerance=1/10,1/20,1/30,1/50,off"]
    command += ["--model", "mnist_cnn", "--metrics", "gap", "--trade", "gap,gradients", "--threads", "1", "--quiet"]

    def rows() -> set[tuple[object, ...]]:
        if not out.exists():
            return set()
        with suppress(sqlite3.OperationalError), closing(sqlite3.connect(f"file:{out}?mode=ro", uri=True)) as file:
            return set(file.execute("select * from results"))
        return set()

    sweep = subprocess.Popen(command, cwd=ROOT)
    while sweep.poll() is None and len(rows()) < 20:
        time.sleep(0.02)
    sweep.kill()  # as kill -9
    sweep.wait(30)
    before = rows()
    assert before, "killed before anything was done"
    subprocess.run(command, cwd=ROOT, check=True, timeout=200)
    after = rows()
    assert before < after  # times included: no point was measured again
    with closing(sqlite3.connect(out)) as file:
        ((methods,),) = file.execute("select count(distinct configuration) from results")
    assert methods == 35

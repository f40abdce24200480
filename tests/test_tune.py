"""The Tune page: what is swept, what cannot be, what comes of it."""

from __future__ import annotations

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from samp_core.images import load_sample
from samp_core.methods import METHODS
from samp_core.sweep import read_axis, settings_of, suggestion
from tests.test_app import ROOT, assert_fine, text
from ui.tune.page import _PRESETS, MOST


@pytest.fixture
def tune() -> AppTest:
    """Tune with a small network: it does not matter which, and small ones are fast."""
    app = AppTest.from_file(str(ROOT / "app.py"), default_timeout=60)
    app.query_params["network"] = "mnist_cnn"
    page = app.run().switch_page("pages/5_Tune.py").run()
    assert_fine(page)
    return page


def values(page: AppTest) -> list[str]:
    return [field.value for field in page.text_input if field.label == "Values"]


def knob(page: AppTest, label: str):
    return next(box for box in page.selectbox if box.label == label)


def test_every_preset_and_every_suggestion_can_be_swept():
    for method, first, second in _PRESETS.values():
        axes = [read_axis(METHODS[method], part) for part in (first, second) if part]
        assert 3 <= len(settings_of(METHODS[method].defaults, axes)) <= MOST
    for method in METHODS.values():
        for option in method.options:
            if not option.is_text:
                axis = read_axis(method, f"{option.key}={suggestion(option)}")
                assert len(axis.values) >= 2, (method.name, option.name, axis)


def test_a_sweep_is_made_shown_and_remembered(tune):
    assert values(tune) == ["0:0.8:0.2"]
    tune.selectbox(key="tune-method").set_value("ig").run()
    assert_fine(tune)
    knob(tune, "Knob").set_value("steps").run()
    next(f for f in tune.text_input if f.label == "Values").set_value("2,4").run()
    knob(tune, "Second knob").set_value("rule").run()
    next(f for f in tune.text_input[1:] if f.label == "Values").set_value("paper,trapezoid").run()
    assert values(tune) == ["2,4", "paper,trapezoid"]
    assert "for 4 settings" in text(tune)
    tune.button(key="tune-run").click().run()
    sweep = tune.session_state["tuning"]
    sweep.wait(120)
    tune.run()
    assert_fine(tune)
    points = [(i.settings.options["steps"], i.settings.options["accumulation"]) for i in sweep.items]
    assert points == [(2, "paper"), (2, "trapezoid"), (4, "paper"), (4, "trapezoid")]
    assert all(item.status == "done" for item in sweep.items)
    gaps = np.array([float(item.entry.explanation.completeness.relative.max()) for item in sweep.items])
    tune.selectbox(key="tune-number").set_value("gap").run()
    steps, rule = points[int(gaps.argmin())]
    assert f"Best here: Steps {steps}, Adding up {rule} ({gaps.min():.3g})" in text(tune)
    assert "all of them remembered" in text(tune)
    assert "samp tune PHOTOS --sweep steps=2,4 --sweep rule=paper,trapezoid --method ig" in text(tune)
    # Elsewhere and back; and what is shown says so when it is not what is chosen.
    tune.switch_page("pages/2_Compare.py").run()
    tune.switch_page("pages/5_Tune.py").run()
    assert_fine(tune)
    assert values(tune) == ["2,4", "paper,trapezoid"]
    knob(tune, "Second knob").set_value("").run()
    assert values(tune) == ["2,4"]
    assert "differs from it" in text(tune)


def test_what_cannot_be_swept_is_said_and_a_preset_takes_over(tune):
    field = next(f for f in tune.text_input if f.label == "Values")
    field.set_value("0,7").run()
    assert_fine(tune)
    assert "must be from 0 to 0.999" in text(tune)
    assert tune.button(key="tune-run").disabled
    next(f for f in tune.text_input if f.label == "Values").set_value("0:0.99:0.01").run()
    assert f"the page takes {MOST}" in text(tune)
    for number in range(len(_PRESETS)):
        tune.button(key=f"tune-preset-{number}").click().run()
        assert_fine(tune)
        assert not tune.button(key="tune-run").disabled
    assert values(tune) == ["paper,trapezoid,isotonic,half,monotone"]


def test_a_sweep_over_many_photos_has_intervals_and_goes_on(tune, tmp_path, monkeypatch):
    monkeypatch.setenv("SAMP_RESULTS", str(tmp_path / "results"))
    for name in ("coffee", "chelsea", "rocket"):
        load_sample(name).resize((96, 96)).save(tmp_path / f"{name}.png")
    tune.selectbox(key="tune-method").set_value("ig").run()
    next(f for f in tune.text_input if f.label == "Values").set_value("2,4").run()
    tune.button_group(key="tune-over").set_value("many").run()
    assert_fine(tune)
    assert "Name a folder or upload photos" in text(tune)
    assert tune.button(key="tune-bench-run").disabled
    tune.text_input(key="tune-folder").set_value(str(tmp_path / "none")).run()
    tune.button(key="tune-bench-run").click().run()
    assert "none" in text(tune)
    assert "tune-bench" not in tune.session_state
    tune.text_input(key="tune-folder").set_value(str(tmp_path)).run()
    tune.session_state["tune-metrics"] = ["gap"]
    tune.run()
    tune.button(key="tune-bench-run").click().run()
    bench = tune.session_state["tune-bench"]
    bench.wait(120)
    tune.run()
    assert_fine(tune)
    assert bench.error is None
    assert (bench.progress_now.done, bench.progress_now.fresh) == (6, 6)
    assert "Means over 3 photos, each explained for its own first class" in text(tune)
    table = tune.dataframe[0].value
    assert list(table["steps"]) == ["2", "4"]
    low, mean, high = (
        table[c].to_numpy() for c in ("Completeness gap, low", "Completeness gap", "Completeness gap, high")
    )
    assert (low <= mean).all()
    assert (mean <= high).all()
    # A wider sweep measures only what is new; until it is made, the old one is said to be another.
    next(f for f in tune.text_input if f.label == "Values").set_value("2,4,6").run()
    assert "differs from it" in text(tune)
    tune.button(key="tune-bench-run").click().run()
    bench = tune.session_state["tune-bench"]
    bench.wait(120)
    tune.run()
    assert_fine(tune)
    assert (bench.progress_now.done, bench.progress_now.fresh) == (9, 3)
    assert list(tune.dataframe[0].value["steps"]) == ["2", "4", "6"]

"""MFABA: signed steps down to where the class no longer wins."""

from __future__ import annotations

import pytest
import torch

from samp_core.faces import MFABA
from samp_core.scores import PathError, Probability


@pytest.fixture
def sure(smooth):
    """The small network with a bias that makes it take all toy images for class 0."""
    with torch.no_grad():
        smooth[4].bias += torch.tensor([0.5, 0.0, 0.0], dtype=torch.float64)
    return smooth


def test_every_step_lowers_the_class_until_another_wins(sure, toys):
    run = MFABA(sure, 0.02, 200).start(toys, 0)
    steps = list(run)
    explanation = run.result()
    assert explanation.finished
    assert explanation.directions == ("boundary",)
    assert (sure(run.ends.end).argmax(1) != 0).all()
    for step in steps:
        leaf = step.state.clone().requires_grad_()
        outputs = sure(leaf)
        assert (outputs.argmax(1)[step.active] == 0).all()
        outputs.softmax(1)[:, 0].sum().backward()
        expected = torch.where(step.active.view(-1, 1, 1, 1), -0.02 * leaf.grad.sign(), 0)
        torch.testing.assert_close(step.move, expected)
    assert explanation.steps.unique().numel() > 1  # each image on its own


def test_codes_sum_is_the_first_order_and_the_texts_the_second(sure, toys):
    first = MFABA(sure, 0.02, 200, score=Probability()).start(toys[:1], 0)
    total = sum(-step.gradient * step.move for step in first)
    torch.testing.assert_close(first.result().attributions, total)
    gaps = [
        MFABA(sure, 0.02, 200, accumulation=rule).explain(toys[:1], 0).completeness.relative.max()
        for rule in ("paper", "trapezoid", "gauss")
    ]
    assert gaps[0] > gaps[1] > gaps[2]
    assert gaps[2] < 1e-6


def test_an_image_of_another_class_makes_no_move(sure, toys):
    explanation = MFABA(sure).explain(toys[:1], 2)
    assert explanation.finished
    assert "The boundary path made no move" in explanation.notes[0]
    assert explanation.attributions.abs().sum() == 0


def test_bounds_and_most_moves_hold(sure, toys):
    run = MFABA(sure, 0.3, 2, (-1.0, 1.0)).start(toys[:1], 0)
    for step in run:
        assert (step.state + step.move <= toys[:1].clamp(min=1.0) + 1e-12).all()
    assert run.result().steps.max() <= 2
    with pytest.raises(PathError, match="one output an image only"):
        MFABA(lambda x: x.mean((1, 2, 3))).attribute(toys)
    for settings in ({"step": 0.0}, {"max_steps": 0}):
        with pytest.raises(ValueError, match="max_steps must be at least 1 and step"):
            MFABA(sure, **settings)

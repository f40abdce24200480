"""Calibration: any map in the score's units, complete, in its own order, and only once."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from samp_core.baselines import GaussianBlur, Zero
from samp_core.metrics import calibrate, calibrated, deletion, insertion
from samp_core.metrics.calibration import _credit

TARGET = [2, 0, 1]


@pytest.fixture
def maps():
    return torch.randn(3, 12, 10, generator=torch.Generator().manual_seed(8), dtype=torch.float64)


def order(maps):
    return torch.argsort(maps.flatten(1), dim=1, descending=True, stable=True)


@pytest.mark.parametrize("step", [1, 7, 13, 60, 120])
def test_order_is_kept_the_sum_is_exact_and_once_is_enough(step, smooth, toys, maps):
    found = calibrate(smooth, toys, maps, TARGET, pixels_per_step=step)
    assert torch.equal(order(found), order(maps))
    with torch.no_grad():
        whole, blank, blurred = (smooth(x)[range(3), TARGET] for x in (toys, Zero()(toys), GaussianBlur()(toys)))
    torch.testing.assert_close(found.sum((1, 2)), 2 * whole - blank - blurred, atol=1e-12, rtol=1e-12)
    again = calibrate(smooth, toys, found, TARGET, pixels_per_step=step)
    torch.testing.assert_close(again, found, atol=1e-12, rtol=0)


def test_what_is_added_and_multiplied_does_not_matter(smooth, toys, maps):
    found = calibrate(smooth, toys, maps, TARGET, pixels_per_step=10)
    torch.testing.assert_close(calibrate(smooth, toys, 100 * maps - 7, TARGET, pixels_per_step=10), found)
    torch.testing.assert_close(calibrate(smooth, toys, maps.exp(), TARGET, pixels_per_step=10), found)
    channels = torch.stack([maps / 4, maps * 3 / 4], 1)
    torch.testing.assert_close(calibrate(smooth, toys, channels, TARGET, pixels_per_step=10), found)


def test_one_pixel_at_a_time_gives_a_linear_score_its_own_contributions_if_they_are_in_order():
    """The blurred image of a constant one differs only at its edges, so the rising curve is not asked here."""
    weight = torch.tensor([[4.0, 3.0, 2.0, -1.0]], dtype=torch.float64)
    network = nn.Sequential(nn.Flatten(), nn.Linear(4, 1, bias=False)).double()
    with torch.no_grad():
        network[1].weight.copy_(weight)
    inputs = torch.ones(1, 1, 2, 2, dtype=torch.float64)
    fall, rise = (curve(network, inputs, weight.view(1, 2, 2), 0, pixels_per_step=1) for curve in (deletion, insertion))
    flat = replace(rise, raw=torch.zeros_like(rise.raw))
    torch.testing.assert_close(calibrated(inputs, weight.view(1, 2, 2), fall, flat), weight.view(1, 2, 2))


def test_levels_by_hand():
    """Gains 1, 5, 0 of four pixels each: 1 and 5 pool to 3 / 4 a pixel, then 0.

    Their middles lie 4 and 10 pixels along, so both slopes are 0.75 / 6 a pixel.
    """
    credit = _credit(np.array([1.0, 5.0, 0.0]), 4, 12)
    slope = 0.75 / 6
    expected = [0.75 - slope * (k + 0.5 - 4) for k in range(8)] + [-slope * (k + 0.5 - 10) for k in range(8, 12)]
    np.testing.assert_allclose(credit, expected)
    assert credit.sum() == pytest.approx(6)
    assert (np.diff(credit) < 0).all()


def test_the_last_step_may_be_shorter():
    credit = _credit(np.array([4.0, 0.5]), 4, 5)
    assert credit[:4].sum() == pytest.approx(4)
    assert credit[4:].sum() == pytest.approx(0.5)


def test_steps_that_all_gain_more_are_one_level_that_keeps_the_order():
    credit = _credit(np.array([1.0, 2.0, 3.0]), 2, 6)
    np.testing.assert_allclose(credit, 1, atol=1e-3)
    assert (np.diff(credit) < 0).all()


def test_curves_of_something_else_are_refused(smooth, toys, maps):
    fall = deletion(smooth, toys, maps, TARGET, pixels_per_step=30)
    rise = insertion(smooth, toys, maps, TARGET, pixels_per_step=30)
    with pytest.raises(ValueError, match="in this order"):
        calibrated(toys, maps, rise, fall)
    with pytest.raises(ValueError, match="another number of images"):
        calibrated(toys[:2], maps[:2], fall, rise)


def test_raw_scores_are_those_that_the_curve_divides(smooth, toys, maps):
    smooth[-1].bias.data += 5  # above 0, where there is something to divide by
    fall = deletion(smooth, toys, maps, TARGET, pixels_per_step=30)
    torch.testing.assert_close(fall.raw / fall.raw[:, :1], fall.scores)
    with torch.no_grad():
        torch.testing.assert_close(fall.raw[:, 0], smooth(toys)[range(3), TARGET])

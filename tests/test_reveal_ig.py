"""Reveal-IG: without noise the straight line, with noise its mean over lines, exactly where theory says so."""

from __future__ import annotations

import pytest
import torch

from samp_core.baselines import GaussianBlur
from samp_core.faces import IntegratedGradients, RevealIG

BLUR = GaussianBlur(5, 2.0)
TARGET = [0, 2, 1]


def test_without_noise_every_gradient_is_the_gradient_and_the_map_is_ig(smooth, toys):
    """The expected score of a probe without noise is the score, so nothing but the straight line is left."""
    ours = RevealIG(smooth, 7, 2, 0.0, BLUR).attribute(toys, TARGET)
    middles = IntegratedGradients(smooth, 7, BLUR, "gauss", gauss_nodes=1).attribute(toys, TARGET)
    torch.testing.assert_close(ours, middles)
    leaf = (toys / 2).requires_grad_()
    smooth(leaf)[range(3), TARGET].sum().backward()
    torch.testing.assert_close(RevealIG(smooth, 1, 1, 0.0).attribute(toys, TARGET), toys * leaf.grad)


def test_it_adds_up_to_the_rise_above_its_first_probes(smooth, toys):
    gaps = [
        RevealIG(smooth, steps, 3, 0.7).explain(toys, TARGET).completeness.gap.abs().mean() for steps in (4, 16, 64)
    ]
    assert gaps[0] > 10 * gaps[1] > 100 * gaps[2]


def test_on_a_linear_network_more_noise_is_more_spread_around_one_mean(linear, toys):
    weight = linear[1].weight[TARGET].view(3, 2, 12, 10).detach()
    for noise in (0.1, 1.0):
        made = RevealIG(linear, 1, 400, noise, batch_size=64).explain(toys, TARGET)
        assert made.completeness.relative.max() < 1e-9
        off = (made.attributions - toys * weight) / (noise * weight)
        assert abs(off.mean()) < 3 / (400 * off.numel()) ** 0.5
        assert abs(off.std() * 400**0.5 - 1) < 0.1


def test_draws_are_of_a_seed_and_a_photo(smooth, toys):
    made = RevealIG(smooth, 3, 2, seed=5).attribute(toys, TARGET)
    torch.testing.assert_close(RevealIG(smooth, 3, 2, seed=5, batch_size=1).attribute(toys[1:2], 2), made[1:2])
    assert not torch.allclose(RevealIG(smooth, 3, 2, seed=6).attribute(toys, TARGET), made)


def test_impossible_settings_are_refused(smooth):
    for settings in ({"steps": 0}, {"samples": 0}, {"noise": -0.1}, {"noise": float("nan")}):
        with pytest.raises(ValueError, match="at least"):
            RevealIG(smooth, **settings)

"""Blur IG, Guided IG and IDGI against what is known of them."""

from __future__ import annotations

import pytest
import torch
from scipy.ndimage import gaussian_filter

from samp_core.baselines import GaussianBlur
from samp_core.faces import BlurIG, GuidedIG, IntegratedGradients
from samp_core.paths.blur import gaussian

BLUR = GaussianBlur(5, 2.0)
TARGET = [0, 2, 1]


@pytest.mark.parametrize("sigma", [0.4, 2.0, 30.0])
def test_blur_is_scipys(toys, sigma):
    expected = gaussian_filter(toys.numpy(), sigma, axes=(2, 3), mode="constant")
    torch.testing.assert_close(gaussian(toys, sigma), torch.from_numpy(expected))
    assert gaussian(toys, 0) is toys


@pytest.mark.parametrize("even_scale", [False, True])
def test_blur_ig_converges_to_the_integral(smooth, toys, even_scale):
    def attributions(steps, rule="trapezoid"):
        return BlurIG(smooth, steps, 3.0, even_scale, accumulation=rule).attribute(toys, TARGET)

    fine = attributions(400, "gauss")
    errors = [(attributions(steps) - fine).abs().max() for steps in (5, 20, 80)]
    factor = 1 if even_scale else 4  # even scales leave the last move long, so they converge slowly
    assert errors[0] > factor * errors[1] > factor**2 * errors[2]
    with torch.no_grad():
        change = (smooth(toys) - smooth(gaussian(toys, 3.0)))[range(3), TARGET]
    torch.testing.assert_close(fine.sum((1, 2, 3)), change, atol=1e-7, rtol=1e-5)


def test_blur_ig_walks_from_blurred_to_sharp(smooth, toys):
    run = BlurIG(smooth, 4, 8.0).start(toys, TARGET)
    for step, sigma in zip(run, (8.0, 6.0, 4.0, 2.0), strict=True):
        torch.testing.assert_close(step.state, gaussian(toys, sigma))


@pytest.mark.parametrize("corridor", [{"fraction": 1.0, "max_dist": 0.1}, {"fraction": 0.2, "max_dist": 0.0}])
@pytest.mark.parametrize("rule", ["paper", "trapezoid", "idgi"])
def test_guided_ig_without_freedom_is_ig(smooth, toys, corridor, rule):
    guided = GuidedIG(smooth, 7, BLUR, accumulation=rule, **corridor).attribute(toys, TARGET)
    straight = IntegratedGradients(smooth, 7, BLUR, accumulation=rule).attribute(toys, TARGET)
    torch.testing.assert_close(guided, straight, atol=1e-10, rtol=1e-7)


@pytest.mark.parametrize(("fraction", "max_dist"), [(0.25, 0.02), (0.05, 0.3), (0.5, 1.0)])
def test_guided_path_keeps_its_promises(smooth, toys, fraction, max_dist):
    steps = 8
    run = GuidedIG(smooth, steps, BLUR, fraction, max_dist).start(toys, TARGET)
    way = run.ends.end - run.ends.start
    straight = True
    for k, step in enumerate(run, 1):
        state = step.state + step.move
        left = (run.ends.end - state).abs().sum((1, 2, 3)) / way.abs().sum((1, 2, 3))
        torch.testing.assert_close(left, torch.full_like(left, 1 - k / steps), atol=1e-6, rtol=0)
        place = (state - run.ends.start) / way  # how far along the line each value is
        assert place.min() >= k / steps - max_dist - 1e-9
        assert place.max() <= k / steps + max_dist + 1e-9
        straight &= bool((place - k / steps).abs().max() < 1e-9)
    assert not straight
    assert run.result().finished


def test_guided_path_moves_small_gradients_first(smooth, toys):
    step = next(iter(GuidedIG(smooth, 4, BLUR, 0.1, 1.0).start(toys[:1], 0)))
    moved = step.move.abs() > 0
    assert step.gradient.abs()[moved].max() <= step.gradient.abs()[~moved].min()


def test_idgi_deals_each_change_by_squared_gradient(linear, toys):
    weight = linear[1].weight[1].view(2, 12, 10).detach()
    result = IntegratedGradients(linear, 5, BLUR, accumulation="idgi").attribute(toys[:1], 1)[0]
    with torch.no_grad():
        change = (linear(toys) - linear(BLUR(toys)))[0, 1]
    torch.testing.assert_close(result, change * weight**2 / (weight**2).sum())


@pytest.mark.parametrize(
    "make",
    [
        lambda f: BlurIG(f, max_sigma=0.0),
        lambda f: BlurIG(f, max_sigma=1e9),
        lambda f: BlurIG(f, max_sigma=float("nan")),
        lambda f: BlurIG(f, steps=0),
        lambda f: GuidedIG(f, fraction=0.0),
        lambda f: GuidedIG(f, max_dist=1.5),
        lambda f: GuidedIG(f, steps=0),
    ],
)
def test_impossible_settings_are_refused(make, smooth):
    with pytest.raises(ValueError, match="must be"):
        make(smooth)

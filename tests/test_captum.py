"""The methods as captum sees them: what it wraps, what it measures, and where it computes the same."""

from __future__ import annotations

import captum.attr
import pytest
import torch
from captum.metrics import infidelity, infidelity_perturb_func_decorator

from samp_core.baselines import GaussianBlur, Zero
from samp_core.faces import SAMP, IntegratedGradients

TARGET = torch.tensor([0, 2, 1])
SETTINGS = {"pixels_per_step": 30, "insertion_baseline": GaussianBlur(5, 2.0), "ic_tolerance": 0.3}


@pytest.mark.parametrize("kind", [SAMP, IntegratedGradients])
def test_methods_are_captums(kind, smooth):
    method = kind(smooth)
    assert isinstance(method, captum.attr.GradientAttribution)
    assert method.has_convergence_delta()


@pytest.mark.parametrize("delta", [False, True])
def test_noise_tunnel(delta, smooth, toys):
    samp = SAMP(smooth, **SETTINGS)
    torch.manual_seed(0)
    result = captum.attr.NoiseTunnel(samp).attribute(
        toys, nt_samples=3, stdevs=0.1, target=TARGET, return_convergence_delta=delta
    )
    # The same by hand: captum draws the three noisy versions of an image next to each other.
    torch.manual_seed(0)
    noisy = toys.repeat_interleave(3, 0) + torch.normal(0, torch.full((9, 2, 12, 10), 0.1))  # float32, as captum's
    maps, gap = samp.attribute(noisy, TARGET.repeat_interleave(3), return_convergence_delta=True)
    torch.testing.assert_close(result[0] if delta else result, maps.view(3, 3, *toys.shape[1:]).mean(1))
    if delta:
        torch.testing.assert_close(result[1], gap)


def test_noise_tunnel_of_no_noise_is_the_method(smooth, toys):
    samp = SAMP(smooth, **SETTINGS)
    tunnel = captum.attr.NoiseTunnel(samp).attribute(toys, nt_samples=2, stdevs=0.0, target=TARGET)
    torch.testing.assert_close(tunnel, samp.attribute(toys, TARGET))


def test_infidelity(linear, toys):
    """On a linear network the map is weight * pixel along any path from 0, so any perturbation is foreseen."""

    @infidelity_perturb_func_decorator(multiply_by_inputs=True)
    def perturb(inputs):
        return inputs - 0.1 * torch.randn(inputs.shape, generator=generator, dtype=inputs.dtype)

    def measure(maps):
        return infidelity(linear, perturb, toys, maps, target=TARGET, n_perturb_samples=4)

    generator = torch.Generator().manual_seed(0)
    maps = SAMP(linear, 30, 0.0, None, ("insertion",), insertion_baseline=Zero()).attribute(toys, TARGET)
    assert measure(maps).shape == (3,)
    assert measure(maps).max() < 1e-9
    assert measure(maps.flip(2)).min() > 1e-3


@pytest.mark.parametrize("n", [2, 5, 16])
@pytest.mark.parametrize(
    ("rule", "method"), [("paper", "riemann_left"), ("trapezoid", "riemann_trapezoid"), ("gauss", "gausslegendre")]
)
def test_integrated_gradients_equal_captums(rule, method, n, smooth, toys):
    steps = {"paper": n, "trapezoid": n - 1, "gauss": 1}[rule]  # captum counts nodes
    ours = IntegratedGradients(smooth, steps, accumulation=rule, gauss_nodes=n).attribute(toys, TARGET)
    theirs = captum.attr.IntegratedGradients(smooth).attribute(toys, target=TARGET, n_steps=n, method=method)
    if rule == "trapezoid":
        # captum divides by the number of nodes instead of the number of moves, so its weights add up to (n - 1) / n.
        theirs = theirs * n / (n - 1)
    torch.testing.assert_close(ours, theirs, atol=1e-6, rtol=1e-5)  # captum rounds its nodes to float32
    assert ours.abs().max() > 1e-2


def test_convergence_delta_is_captums(smooth, toys):
    maps, gap = IntegratedGradients(smooth, 5).attribute(toys, TARGET, return_convergence_delta=True)
    theirs = captum.attr.IntegratedGradients(smooth).compute_convergence_delta(
        maps, torch.zeros_like(toys), toys, target=TARGET
    )
    torch.testing.assert_close(gap, theirs)


def test_the_delta_of_a_search_is_that_of_both_directions(smooth, toys):
    maps, gap = SAMP(smooth, **SETTINGS).attribute(toys, TARGET, return_convergence_delta=True)
    with torch.no_grad():
        here, blank, blurred = (
            smooth(x)[range(3), TARGET] for x in (toys, 0 * toys, SETTINGS["insertion_baseline"](toys))
        )
    torch.testing.assert_close(gap, maps.sum((1, 2, 3)) - ((here - blank) + (here - blurred)))


def test_additional_forward_args_reach_the_network(smooth, toys):
    factor = torch.tensor([1.0, 2.0, 3.0], dtype=torch.float64)

    def forward(x, factor, shift):
        return smooth(x) * factor.view(-1, 1) + shift

    samp = SAMP(forward, batch_size=2, **SETTINGS)
    plain = SAMP(smooth, **SETTINGS).attribute(toys, TARGET)
    torch.testing.assert_close(samp.attribute(toys, TARGET, (factor, 5.0)), plain * factor.view(-1, 1, 1, 1))
    single = SAMP(lambda x, f: smooth(x) * f.view(-1, 1), **SETTINGS)  # one tensor, not in a tuple
    torch.testing.assert_close(single.attribute(toys, TARGET, factor), plain * factor.view(-1, 1, 1, 1))

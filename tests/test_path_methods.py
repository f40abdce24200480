"""Blur IG, Guided IG, Spectral IG, weighted lines and IDGI against what is known of them."""

from __future__ import annotations

import itertools

import pytest
import torch
from scipy.ndimage import gaussian_filter

from samp_core.baselines import GaussianBlur
from samp_core.faces import IDG, PWIG, SIG, BlurIG, GuidedIG, IntegratedGradients
from samp_core.paths import WeightedPath
from samp_core.paths.blur import gaussian
from samp_core.paths.decision import deal, place
from samp_core.paths.spectral import BASES

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


every_basis = pytest.mark.parametrize("basis", BASES)


@every_basis
@pytest.mark.parametrize("size", [(12, 10), (16, 16), (7, 5), (1, 3)])
def test_components_add_up_to_the_way(basis, size):
    way = torch.randn(2, 3, *size, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    spectrum = BASES[basis](way)
    strength = spectrum.strength
    assert (strength.max(), strength.min() >= 0) == (1, True)
    torch.testing.assert_close(spectrum.build(torch.ones_like(strength)), way)
    # Each component is the same part of a way twice as long.
    part = torch.linspace(0, 1, strength.numel(), dtype=way.dtype).view_as(strength)
    torch.testing.assert_close(BASES[basis](2 * way).build(part), 2 * spectrum.build(part))


def test_orthonormal_components_keep_the_length(toys):
    for basis in ("svd", "svd-joint", "dct"):
        spectrum = BASES[basis](toys)
        opening = torch.rand(spectrum.strength.shape, dtype=toys.dtype, generator=torch.Generator().manual_seed(3))
        parts = spectrum.build(opening), spectrum.build((1 - opening**2).sqrt())
        torch.testing.assert_close(sum(part.square().sum() for part in parts), toys.square().sum())


@every_basis
def test_spectral_path_is_deterministic_complete_and_exact_at_its_end(basis, smooth, toys):
    method = SIG(smooth, 9, 0.3, basis, BLUR, accumulation="gauss")
    run = method.start(toys, TARGET)
    states = [step.state for step in run]
    assert torch.equal(states[0], run.ends.start)
    assert run.result().completeness.gap.abs().max() < 1e-7
    torch.testing.assert_close(method.attribute(toys, TARGET), run.result().attributions, atol=0, rtol=0)
    for n in range(3):
        for alone, state in zip(method.walk(toys[n : n + 1], TARGET[n]), states, strict=True):
            torch.testing.assert_close(alone.state[0], state[n], atol=1e-12, rtol=0)


@every_basis
def test_spectral_ig_without_spread_is_ig(basis, smooth, toys):
    spectral = SIG(smooth, 7, 1.0, basis, BLUR).attribute(toys, TARGET)
    straight = IntegratedGradients(smooth, 7, BLUR, "paper").attribute(toys, TARGET)
    torch.testing.assert_close(spectral, straight, atol=1e-12, rtol=1e-9)


def test_singular_components_open_from_large_to_small(linear):
    """A way of singular values 4, 2 and 1 at the times 1/4, 1/2 and 3/4, by hand."""
    rows, columns = (
        torch.linalg.qr(torch.randn(size, size, dtype=torch.float64, generator=torch.Generator().manual_seed(size)))[0]
        for size in (12, 10)
    )
    values = torch.tensor([4.0, 2.0, 1.0], dtype=torch.float64)
    image = (rows[:, :3] * values @ columns[:, :3].T).expand(1, 2, 12, 10).contiguous()
    # They start at (1 - 0.5) (1 - r) = 0, 1/4, 3/8, and take half of the path.
    expected = [[0.5, 0, 0], [1, 0.5, 0.25], [1, 1, 0.75]]
    for step, opening in zip(list(SIG(linear, 4, 0.5).walk(image, 0))[1:], expected, strict=True):
        open_values = (rows[:, :3].T @ step.state[0, 0] @ columns[:, :3]).diagonal()
        torch.testing.assert_close(open_values, values * values.new_tensor(opening), atol=1e-12, rtol=0)


@pytest.mark.parametrize("baseline", [BLUR, None])
def test_weighted_lines_are_ig_where_the_score_is_linear(baseline, linear, toys):
    straight = IntegratedGradients(linear, 1, baseline, "paper").attribute(toys, TARGET)
    for method in (IDG(linear, 9, baseline), PWIG(linear, 9, 3.0, baseline), PWIG(linear, 9, -0.7, baseline)):
        torch.testing.assert_close(method.attribute(toys, TARGET), straight, atol=1e-12, rtol=1e-9)


def test_nodes_are_dealt_and_placed_by_slope():
    """Six nodes for the slopes 6, 0, -2, 2, 6 of five cells, by hand."""
    slopes = torch.tensor([[0, 6, 0, -2, 2, 6], [0, 1, 1, 1, 1, 1], [0, 0, 0, 0, 0, 0], [0, -1, -1, -1, -1, -1]])
    counts = deal(slopes.double())
    # Above the steepest fall they are 8, 2, 0, 4, 8: shares of 6 nodes are 2.2, 0.5, 0, 1.1, 2.2, and one is left over.
    assert counts[0].tolist() == [0, 2, 1, 0, 1, 2]
    assert counts[1:].tolist() == [[1] * 6] * 3
    places, widths = place(counts)
    expected = torch.tensor([0, 0.1, 0.2, 0.4, 0.6, 0.7], dtype=torch.float64)
    torch.testing.assert_close(places[0], expected)  # the empty cell takes no room
    torch.testing.assert_close(widths[0], torch.tensor([0.1, 0.1, 0.2, 0.2, 0.1, 0.1], dtype=torch.float64))
    torch.testing.assert_close(places[1], torch.arange(6, dtype=torch.float64) / 5)


def test_decision_gradients_weigh_by_the_slope_between_nodes(smooth, toys):
    run = IDG(smooth, 6, BLUR).start(toys, TARGET)
    steps = list(run)
    way = run.ends.end - run.ends.start
    credits = torch.zeros_like(way)
    for before, step in itertools.pairwise(steps):
        # How far along the line each state is, and how wide a part it stands for: up to the next, or as the last.
        spot, last = (((s.state - run.ends.start) / way).mean((1, 2, 3)) for s in (step, before))
        slope = (step.score - before.score) / (spot - last)
        assert step.credit is not None
        ratio = step.credit / (step.gradient * way)
        torch.testing.assert_close(ratio, ratio[:, :1, :1, :1].expand_as(ratio))
        assert (ratio[:, 0, 0, 0].sign() == (slope * (steps[-1].score - steps[0].score)).sign()).all()
        credits += step.credit
    torch.testing.assert_close(run.result().attributions, credits)
    cost = run.result().cost
    assert (cost.gradients, cost.forwards) == (3 * 6, 3 * (6 + 1))  # the grid, and the image itself
    assert IDG(smooth, 6).estimate(12, 10).gradients == 6 + 2


def test_decision_gradients_without_any_change_are_zero(toys):
    explanation = IDG(lambda x: 0 * x.sum((1, 2, 3)) + 1, 5).explain(toys)
    assert explanation.attributions.abs().sum() == 0
    assert explanation.finished


@pytest.mark.parametrize("emphasis", [-20, -1.5, 0, 0.5, 1, 20])
def test_weights_have_mean_1_and_lean_as_they_say(emphasis):
    weights = [round(WeightedPath(7, emphasis).weight(k), 12) for k in range(7)]
    assert sum(weights) == pytest.approx(7)
    assert sorted(weights, reverse=emphasis < 0) == weights
    assert WeightedPath(7, -emphasis).weight(0) == pytest.approx(weights[-1])


def test_path_weighted_ig_by_hand(smooth, toys):
    """Emphasis 0 is Integrated Gradients; 1 is twice the mean of Integrated Gradients from starts along the line."""
    even = PWIG(smooth, 7, 0.0, BLUR).attribute(toys, TARGET)
    torch.testing.assert_close(even, IntegratedGradients(smooth, 7, BLUR, "paper").attribute(toys, TARGET))
    late = PWIG(smooth, 400, 1.0).attribute(toys, TARGET)
    shares = (torch.arange(40, dtype=torch.float64) + 0.5) / 40
    sampled = [
        IntegratedGradients(smooth, 1, lambda x, t=t: t * x, "gauss", gauss_nodes=8).attribute(toys, TARGET)
        for t in shares.tolist()
    ]
    torch.testing.assert_close(late, 2 * torch.stack(sampled).mean(0), atol=2e-3 * float(late.abs().max()), rtol=0)


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
        lambda f: SIG(f, steps=0),
        lambda f: SIG(f, overlap=0.0),
        lambda f: SIG(f, overlap=1.1),
        lambda f: SIG(f, basis="fourier"),
        lambda f: IDG(f, steps=1),
        lambda f: PWIG(f, steps=0),
        lambda f: PWIG(f, emphasis=21.0),
        lambda f: PWIG(f, emphasis=float("nan")),
    ],
)
def test_impossible_settings_are_refused(make, smooth):
    with pytest.raises(ValueError, match="must be"):
        make(smooth)

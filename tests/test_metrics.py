"""Measures on toys whose values can be worked out by hand, and beside Quantus where it has the same measure."""

from __future__ import annotations

import copy
import warnings
from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.stats import spearmanr
from torch import nn

from samp_core.baselines import Zero
from samp_core.methods import default_settings, make_method
from samp_core.metrics import (
    COLUMNS,
    METRICS,
    Measurement,
    Protocol,
    ProtocolError,
    ScoreTable,
    Subject,
    batch_stability,
    box_mask,
    cancellation,
    cascade,
    diffid,
    energy_inside,
    entropy,
    gini,
    image_by_image,
    impute,
    infidelity,
    layout_stability,
    max_sensitivity,
    mu_fidelity,
    noise_stability,
    pointing_game,
    road,
    sanity_check,
    scaled_stability,
    sensitivity_n,
    sign_agreement,
    similarity,
    spearman,
    thread_stability,
    top_share,
    variance,
)
from samp_core.scores import Logit

MAP = torch.tensor([[[4.0, -3.0], [2.0, 1.0]]], dtype=torch.float64)


class Weighted(nn.Module):
    """Two logits: a weighted sum of the pixels, and 0."""

    def __init__(self, weights):
        super().__init__()
        self.weights = nn.Parameter(weights.double())

    def forward(self, x):
        total = (x.double() * self.weights).sum((1, 2, 3))
        return torch.stack([total, torch.zeros_like(total)], 1)


@pytest.fixture
def weighted():
    """A linear network, an image, and its exact contributions."""
    generator = torch.Generator().manual_seed(3)
    weights = torch.randn(1, 12, 12, generator=generator)
    image = torch.rand(1, 1, 12, 12, generator=generator).double()
    return Weighted(weights), image, image * weights.double()


def subject_of(network, inputs, attributions, **more):
    return Subject(network, inputs, torch.zeros(len(inputs), dtype=torch.long), attributions, **more)


def gradient_times_input(network, images):
    leaf = images.detach().requires_grad_()
    found = torch.autograd.grad(network(leaf)[:, 0].sum(), leaf)[0] * images
    return found.contiguous(memory_format=torch.channels_last)  # as a prepared network's gradients come


# Concentration.


def test_concentration_by_hand():
    assert variance(MAP).item() == pytest.approx(((4 - 1) ** 2 + (-3 - 1) ** 2 + (2 - 1) ** 2 + 0) / 4)
    # |a| sorted is 1, 2, 3, 4: sum of (2 i - 5) x_i = -3 - 2 + 3 + 12 = 10, over 4 * 10.
    assert gini(MAP).item() == pytest.approx(0.25)
    shares = np.array([0.1, 0.2, 0.3, 0.4])
    assert entropy(MAP).item() == pytest.approx(-(shares * np.log(shares)).sum())
    assert top_share(MAP, 0.5).item() == pytest.approx(0.7)
    assert top_share(MAP, 0.01).item() == pytest.approx(0.4)  # never fewer than one pixel


def test_concentration_at_its_ends():
    one, flat, none = torch.zeros(1, 5, 5), torch.ones(1, 5, 5), torch.zeros(1, 5, 5)
    one[0, 2, 3] = -7
    assert gini(one).item() == pytest.approx(24 / 25)
    assert gini(flat).item() == pytest.approx(0, abs=1e-6)
    assert entropy(one).item() == 0
    assert entropy(flat).item() == pytest.approx(np.log(25))
    assert top_share(one, 0.05).item() == 1
    for measure in (gini, entropy, lambda m: top_share(m, 0.1)):
        assert measure(none).isnan().all()
    with pytest.raises(ValueError, match="fraction"):
        top_share(one, 0)


def test_cancellation_by_hand():
    """Of the pixel map, channels summed: opposite signs within a pixel do not count, between pixels they do."""
    same, both = torch.full((1, 4, 4), -0.5), torch.tensor([[[3.0, -2.0], [0.0, 1.0]]])
    assert cancellation(same).item() == 1
    assert cancellation(both).item() == pytest.approx(6 / 2)
    assert cancellation(1e-6 * both).item() == pytest.approx(3)
    channels = torch.tensor([[[[2.0, 1.0]], [[-1.0, 1.0]]]])  # pixels 1 and 2
    image = torch.zeros(1, 2, 1, 2)
    (measured,) = METRICS["cancellation"].compute(subject_of(nn.Identity(), image, channels))
    assert measured.values.item() == 1
    assert measured.note == ""
    assert COLUMNS["cancellation"].better == "down"


def test_cancellation_of_a_sum_of_zero_says_so():
    even, none = torch.tensor([[[1.0, -1.0]]]), torch.zeros(1, 1, 2)
    assert cancellation(even).isinf().all()
    assert cancellation(none).isnan().all()
    for maps in (even, none):
        (measured,) = METRICS["cancellation"].compute(
            subject_of(nn.Identity(), torch.zeros(1, 1, 1, 2), maps.unsqueeze(1))
        )
        assert not measured.values.isfinite().any()
        assert "sum is zero" in measured.note


# Localisation.


def test_pointing_and_energy_by_hand():
    left = box_mask((0, 0, 0.5, 1), 2, 2)
    assert left.tolist() == [[True, False], [True, False]]
    assert pointing_game(MAP, left).item() == 1
    assert pointing_game(MAP, ~left).item() == 0
    assert energy_inside(MAP, left).item() == pytest.approx(6 / 7)  # the -3 does not count
    assert energy_inside(-MAP.abs(), left).isnan().all()
    with pytest.raises(ValueError, match="no pixel"):
        box_mask((0.1, 0.1, 0.2, 0.2), 2, 2)


# Faithfulness.


def test_diffid_of_a_perfect_and_of_the_opposite_order():
    # The class is first as long as the sum is positive; only one pixel counts for it, all others slightly against.
    weights = torch.full((1, 10, 10), -0.01)
    weights[0, 4, 4] = 5
    network, image = Weighted(weights), torch.ones(1, 1, 10, 10).double()
    best, hits = diffid(network, image, weights[None, 0].double(), 0)
    assert best.item() == 1
    assert hits[0].tolist() == [[1.0] * 9, [0.0] * 9]
    worst, _ = diffid(network, image, -weights[None, 0].double(), 0)
    assert worst.item() == -1


def test_diffid_by_hand():
    # Five pixels of 1 and five of -0.9: kept alone, the first k tenths are ahead until the negatives catch up.
    weights = torch.cat([torch.ones(5), torch.full((5,), -1.1)]).view(1, 1, 10)
    network, image = Weighted(weights), torch.ones(1, 1, 1, 10).double()
    value, hits = diffid(network, image, weights.double(), 0)
    kept = [min(k, 5) - 1.1 * max(0, k - 5) > 0 for k in range(1, 10)]
    removed = [max(0, 5 - k) - 1.1 * (5 - max(0, k - 5)) > 0 for k in range(1, 10)]
    assert hits[0, 0].bool().tolist() == kept
    assert hits[0, 1].bool().tolist() == removed
    assert value.item() == pytest.approx((sum(kept) - sum(removed)) / 9)


def test_unsigned_diffid_counts_debit_as_important():
    # One pixel speaks for the class, one against it, the others hardly for it. By |a| the first tenth holds both.
    weights = torch.full((1, 10, 10), 0.001)
    weights[0, 4, 4], weights[0, 7, 2] = 5, -4
    network, image, maps = Weighted(weights), torch.ones(1, 1, 10, 10).double(), weights[None, 0].double()
    value, hits = diffid(network, image, maps, 0)
    assert value.item() == 1
    value, hits = diffid(network, image, maps, 0, signed=False)
    assert value.item() == 0
    assert hits[0].tolist() == [[1.0] * 9, [1.0] * 9]  # kept 5 - 4 and more, removed what hardly speaks for it
    for changed in (-maps, 17 * maps):
        assert torch.equal(diffid(network, image, changed, 0, signed=False)[1], hits)
    found = [METRICS[n].compute(subject_of(network, image, maps[:, None]))[0] for n in ("diffid", "diffid-unsigned")]
    assert [m.values.item() for m in found] == [1, 0]
    assert [m.protocol.sign for m in found] == ["signed", "magnitude"]
    assert torch.equal(found[1].evidence["ranked"], maps.abs())


def filled(rows, *removed):
    """Impute these pixels (row, column) of an image without noise."""
    image = torch.tensor(rows, dtype=torch.float64)
    mask = torch.zeros(image.shape, dtype=torch.bool)
    for place in removed:
        mask[place] = True
    found = impute(image[None, None], mask[None], noise=0)[0, 0]
    assert torch.equal(found[~mask], image[~mask])
    return found[mask].tolist()


def test_imputation_by_hand():
    assert filled([[1.0, 9.0, 2.0]], (0, 1)) == pytest.approx([1.5])
    # x = (1 + y) / 2 and y = (x + 4) / 2.
    assert filled([[1.0, 9.0, 9.0, 4.0]], (0, 1), (0, 2)) == pytest.approx([2, 3])
    # Four direct neighbours of 1 at 1/6, four diagonal ones of 4 at 1/12.
    assert filled([[4.0, 1, 4], [1, 9, 1], [4, 1, 4]], (1, 1)) == pytest.approx([2])
    # In a corner three neighbours are left, of weights 1/6, 1/6 and 1/12.
    assert filled([[9.0, 1], [2, 6]], (0, 0)) == pytest.approx([(1 / 6 + 2 / 6 + 6 / 12) / (5 / 12)])
    assert filled([[5.0, 6.0]]) == []


def test_imputation_of_a_plane_is_the_plane():
    rows, columns = torch.meshgrid(torch.arange(9.0), torch.arange(7.0), indexing="ij")
    plane = (2 * rows - 3 * columns + 1).double().expand(2, 3, 9, 7).clone()
    removed = torch.zeros(2, 9, 7, dtype=torch.bool)
    removed[0, 2:8, 1:6], removed[1, 4, 4] = True, True
    found = impute(torch.where(removed.unsqueeze(1), 100.0, plane), removed, noise=0)
    torch.testing.assert_close(found, plane)


def test_imputation_noise_is_the_pixels_own(toys):
    few, more = torch.zeros(2, 3, 12, 10, dtype=torch.bool)
    few[:, 3:5, 2:6], more[:, 1:9, 1:9] = True, True
    kept = toys.clone()
    noise = [impute(toys, mask, noise=0.5, seed=3) - impute(toys, mask, noise=0) for mask in (few, more)]
    assert torch.equal(toys, kept)
    drawn = 0.5 * torch.randn(2, 12, 10, generator=torch.Generator().manual_seed(3), dtype=torch.float64)
    torch.testing.assert_close(noise[0], drawn * few.unsqueeze(1))
    torch.testing.assert_close(noise[1], drawn * more.unsqueeze(1))
    assert torch.equal(impute(toys, few, seed=1)[:1], impute(toys[:1], few[:1], seed=1))
    assert not torch.equal(impute(toys, few, seed=1), impute(toys, few, seed=2))


def test_imputation_commutes_with_normalisation(toys):
    removed = torch.rand(3, 12, 10, generator=torch.Generator().manual_seed(1)) < 0.6
    torch.testing.assert_close(impute(3 * toys - 2, removed, noise=0), 3 * impute(toys, removed, noise=0) - 2)


def test_imputation_refuses_what_it_cannot_do(toys):
    everything = torch.ones(3, 12, 10, dtype=torch.bool)
    with pytest.raises(ValueError, match="nothing to impute them from"):
        impute(toys, everything)
    with pytest.raises(ValueError, match="standard deviation"):
        impute(toys, ~everything, noise=-0.1)


def test_road_by_hand():
    # Only the middle pixel counts. The best first, it becomes as its neighbours, -1; the worst first, they become 3.
    network = Weighted(torch.tensor([[[0.0, 1.0, 0.0]]]))
    image = torch.tensor([[[[-1.0, 3.0, -1.0]]]], dtype=torch.float64)
    maps = torch.tensor([[[0.1, 5.0, 0.2]]], dtype=torch.float64)
    fractions = (1 / 3, 2 / 3)
    probabilities, hits = road(network, image, maps, 0, fractions=fractions, noise=0)
    low, high = torch.tensor([-1.0, 3.0], dtype=torch.float64).sigmoid().tolist()
    torch.testing.assert_close(probabilities, torch.tensor([[[low, low], [high, high]]], dtype=torch.float64))
    assert hits[0].tolist() == [[0, 0], [1, 1]]
    same, _ = road(network, image, 1e-6 * maps, 0, fractions=fractions, noise=0)
    assert torch.equal(same, probabilities)
    turned, _ = road(network, image, -maps, 0, fractions=fractions, noise=0)
    torch.testing.assert_close(turned, probabilities.flip(1))
    other, missed = road(network, image, maps, 1, fractions=fractions, noise=0)
    torch.testing.assert_close(other, 1 - probabilities)
    torch.testing.assert_close(missed, 1 - hits)
    # Rounding would take all three pixels, and one always stays.
    torch.testing.assert_close(road(network, image, maps, 0, fractions=(0.9,), noise=0)[0], probabilities[..., 1:])


def test_road_is_blind_to_a_photo_without_detail(weighted):
    network, image, exact = weighted
    flat = torch.full_like(image, 0.5)
    probabilities, _ = road(network, flat, exact, 0, noise=0)
    torch.testing.assert_close(probabilities, network(flat).softmax(1)[0, 0].expand_as(probabilities))


def test_road_measures_both_orders_and_their_difference(weighted):
    network, image, exact = weighted
    found = {m.name: m for m in METRICS["road"].compute(subject_of(network, image, exact, seed=5))}
    probabilities, hits = road(network, image, exact, 0, seed=5)
    assert found["road-morf"].values.item() == pytest.approx(probabilities[0, 0].mean().item())
    assert found["road-lerf"].values.item() == pytest.approx(probabilities[0, 1].mean().item())
    assert found["road"].values.item() == pytest.approx((probabilities[0, 1] - probabilities[0, 0]).mean().item())
    assert found["road-hits"].values.item() == pytest.approx((hits[0, 1] - hits[0, 0]).mean().item())
    assert found["road"].values.item() > 0.05  # the map is exact
    evidence = found["road"].evidence
    assert torch.equal(evidence["scores"], probabilities)
    assert evidence["images"].shape == (1, 2, 3, 1, 12, 12)
    best = exact[0, 0].flatten().argsort(descending=True)
    changed = (evidence["images"][0, 0, 0] != image[0]).flatten()
    assert changed.nonzero().flatten().tolist() == sorted(best[: round(0.1 * 144)].tolist())
    assert {m.protocol.score for m in found.values()} == {"Probability", "explained class comes first"}
    assert all("0.01" in m.protocol.fill and m.protocol.seed == 5 for m in found.values())


@pytest.mark.parametrize("fractions", [(), (0.0, 0.5), (0.5, 1.0)])
def test_road_refuses_what_it_cannot_do(weighted, fractions):
    network, image, exact = weighted
    with pytest.raises(ValueError, match="some pixels go, some stay"):
        road(network, image, exact, 0, fractions=fractions)
    with pytest.raises(ValueError, match="needs that class"):
        road(network, image, exact, None)


def test_exact_contributions_of_a_linear_network_predict_every_drop(weighted):
    network, image, exact = weighted
    value, sums, drops = sensitivity_n(network, image, exact, 0, samples=12)
    torch.testing.assert_close(sums, drops)
    assert value.item() == pytest.approx(1)
    value, sums, drops = mu_fidelity(network, image, exact, 0, grid=4, samples=20)
    torch.testing.assert_close(sums, drops)
    assert value.item() == pytest.approx(1)
    assert infidelity(network, image, exact, 0).item() == pytest.approx(0, abs=1e-12)
    assert infidelity(network, image, 17 * exact, 0).item() == pytest.approx(0, abs=1e-12)  # scaling is free
    assert sensitivity_n(network, image, -exact, 0)[0].item() == pytest.approx(-1)
    assert mu_fidelity(network, image, -exact, 0)[0].item() == pytest.approx(-1)


def test_correlations_are_pearsons_and_seeded(weighted):
    network, image, exact = weighted
    noise = torch.randn(exact.shape, generator=torch.Generator().manual_seed(9)).double()
    value, sums, drops = mu_fidelity(network, image, exact + noise, 0, samples=30, seed=4)
    assert value.item() == pytest.approx(np.corrcoef(sums[0], drops[0])[0, 1])
    again = mu_fidelity(network, image, exact + noise, 0, samples=30, seed=4, batch_size=1)
    assert again[0].item() == pytest.approx(value.item())
    assert mu_fidelity(network, image, exact + noise, 0, samples=30, seed=5)[0].item() != value.item()
    value, sums, drops = sensitivity_n(network, image, exact + noise, 0, samples=30)
    each = [np.corrcoef(sums[0, k], drops[0, k])[0, 1] for k in range(3)]
    assert value.item() == pytest.approx(np.mean(each))


def test_sizes_of_the_random_sets(weighted):
    network, image, _ = weighted
    ones = torch.ones_like(image)
    _, sums, _ = sensitivity_n(network, image, ones, 0, sizes=(0.25, 0.5), samples=3)
    assert sums[0].tolist() == [[36.0] * 3, [72.0] * 3]
    _, sums, _ = mu_fidelity(network, image, ones, 0, grid=3, share=1 / 3, samples=3)
    assert sums[0].tolist() == [48.0] * 3  # 3 cells of 16 pixels


def test_a_flat_map_correlates_with_nothing(weighted):
    network, image, exact = weighted
    flat = subject_of(network, image, torch.zeros_like(exact))
    for name in ("sensitivity-n", "mu-fidelity"):
        (found,) = METRICS[name].compute(flat)
        assert found.values.isnan().all()
        assert found.note


def test_infidelity_by_hand():
    # One square covers the whole image, so prediction and drop are one number and scaling makes them equal; a map of
    # zeros predicts nothing and the error is the squared drop.
    network = Weighted(torch.tensor([[[2.0, 1.0]]]))
    image = torch.tensor([[[[3.0, 4.0]]]]).double()
    assert infidelity(network, image, torch.ones_like(image), 0, side=1.0).item() == pytest.approx(0)
    assert infidelity(network, image, torch.zeros_like(image), 0, side=1.0).item() == pytest.approx(100)


# Stability and sanity.


def test_stability_of_a_linear_network(weighted):
    network, image, exact = weighted
    values, maps = noise_stability(gradient_times_input, network, image, exact, sigma=1e-9)
    assert values.item() == pytest.approx(1)
    rough, maps = noise_stability(gradient_times_input, network, image, exact, sigma=0.5)
    noise = 0.5 * torch.randn(image.shape[1:], generator=torch.Generator().manual_seed(0), dtype=image.dtype)
    torch.testing.assert_close(maps, ((image + noise) * network.weights).sum(1).detach())
    assert rough.item() == pytest.approx(spearmanr(exact.flatten(), maps.flatten()).statistic)
    assert rough.item() < 0.99


def test_sign_agreement_by_hand():
    after = torch.tensor([[[1.0, 1.0], [-2.0, 0.0]]], dtype=torch.float64)
    assert sign_agreement(MAP, after).item() == pytest.approx(0.4)  # of 4, -3, 2, 1 only the first keeps its sign
    assert sign_agreement(MAP, 1e-9 * after).item() == pytest.approx(0.4)
    assert sign_agreement(17 * MAP, after).item() == pytest.approx(0.4)
    assert sign_agreement(MAP, -MAP).item() == 0
    assert sign_agreement(MAP, MAP).item() == 1
    assert sign_agreement(torch.zeros_like(MAP), MAP).isnan().all()


def test_stability_at_every_scale_explains_once(smooth, toys):
    exact = gradient_times_input(smooth, toys)
    turned = exact.sum(1, keepdim=True).roll(1, 3)  # every pixel takes its neighbour's place
    asked = []

    def explain(network, images):
        asked.append(len(images))
        return turned

    found = {m.name: m for m in METRICS["stability"].compute(subject_of(smooth, toys, exact, explain=explain))}
    assert asked == [3]
    for k in range(3):
        expected = scaled_stability(exact.sum(1)[k], turned[k, 0], (0, 2, 4))
        measured = [found[name].values[k].item() for name in ("stability", "stability-2px", "stability-4px")]
        assert measured == pytest.approx(expected)
    torch.testing.assert_close(found["sign-agreement"].values, sign_agreement(exact.sum(1), turned[:, 0]))
    assert len({str(m.protocol) for m in found.values()}) == 4
    for m in METRICS["stability"].compute(subject_of(smooth, toys, 0 * exact, explain=explain)):
        assert m.values.isnan().all()
        assert m.note


class Counting(nn.Module):
    """Gives its number of threads as the only logit, and keeps it."""

    seen: list[int] = []  # noqa: RUF012 - of the class, as the network is copied

    def forward(self, x):
        self.seen.append(torch.get_num_threads())
        return x.sum((1, 2, 3))[:, None] * 0 + self.seen[-1]


def test_threads_are_what_they_are_said_to_be(toys):
    """Whoever runs the method may set threads of his own before each turn; evaluations have the right number."""

    def explain(network, images):
        torch.set_num_threads(3)
        number = network(images)[0, 0]
        torch.set_num_threads(3)
        assert network(images)[0, 0] == number
        return images * (-1) ** int(number)

    Counting.seen.clear()
    values, few, many = thread_stability(explain, Counting(), toys)
    assert Counting.seen == [1, 1, 2, 2]
    assert torch.get_num_threads() == 1
    torch.testing.assert_close(values, torch.full((3,), -1.0).double())
    torch.testing.assert_close(few, -many)
    network = Counting()
    (found,) = METRICS["threads"].compute(subject_of(network, toys, toys, explain=explain))
    assert list(found.evidence) == ["1 thread", "2 threads"]
    assert not network._forward_pre_hooks


def test_threads_are_put_back_after_a_failure(toys):
    def explain(network, images):
        raise ValueError("no map")

    torch.set_num_threads(3)
    with pytest.raises(ValueError, match="no map"):
        thread_stability(explain, Counting(), toys)
    assert torch.get_num_threads() == 3


def test_threads_refuse_what_they_cannot_do(toys):
    with pytest.raises(ValueError, match="At least one thread"):
        thread_stability(gradient_times_input, Counting(), toys, threads=(0, 1))
    with pytest.raises(ValueError, match="computes on meta"):
        thread_stability(gradient_times_input, Counting(), toys.to("meta"))


def test_layers_see_one_image_at_a_time_and_nobody_else_notices(smooth, toys):
    class Watched(nn.Linear):
        seen: list[tuple[int, ...]] = []  # noqa: RUF012 - of the class, as the network is copied

        def forward(self, x):
            self.seen.append(tuple(x.shape))
            return super().forward(x)

    smooth[4], hooked = Watched(64, 3).double(), []
    other = image_by_image(smooth)
    other[4].register_forward_hook(lambda _, x, y: hooked.append((len(x[0]), len(y))))
    assert [name for name, _ in other.named_modules()] == [name for name, _ in smooth.named_modules()]
    torch.testing.assert_close(other(toys), smooth(toys))
    assert Watched.seen == [(1, 64)] * 3 + [(3, 64)]
    assert hooked == [(3, 3)]
    Watched.seen.clear()
    again = copy.deepcopy(other)  # as many methods do; its layers are its own
    again[4].weight.data.zero_()
    again(toys)
    assert Watched.seen == [(1, 64)] * 3
    torch.testing.assert_close(other(toys), smooth(toys))
    torch.testing.assert_close(gradient_times_input(other, toys), gradient_times_input(smooth, toys))
    assert "forward" not in vars(smooth[0])


def test_rows_of_one_image_stay_together():
    class Windows(nn.Module):
        def __init__(self):
            super().__init__()
            self.dense, self.seen = nn.Linear(5, 2), []

        def forward(self, x):
            return self.dense(x.reshape(-1, 5)).reshape(len(x), -1)

    other, seen = image_by_image(Windows()), []
    whole = nn.Linear.forward
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(nn.Linear, "forward", lambda self, x: seen.append(len(x)) or whole(self, x))
        assert other(torch.ones(3, 1, 4, 5)).shape == (3, 8)
    assert seen == [4, 4, 4]


def test_one_by_one_is_a_batch_size_of_one(bundled, cat):
    """To the last bit, so that of a search which rounding turns elsewhere not even the ranking differs."""
    one = replace(bundled, network=image_by_image(bundled.network))
    settings = default_settings("samp", target=282, steps=4)
    together, apart = (
        make_method(one if n is None else bundled, settings if n is None else replace(settings, batch_size=n))
        .explain(cat, 282)
        .attributions
        for n in (None, 1)
    )
    assert torch.equal(together, apart)


def test_batch_stability_compares_with_the_map_of_single_images(smooth, toys):
    def explain(network, images):
        assert isinstance(network[0].forward.layer, nn.Conv2d)
        return -images

    values, maps = batch_stability(explain, smooth, toys, toys)
    torch.testing.assert_close(values, torch.full((3,), -1.0).double())
    torch.testing.assert_close(maps, -toys.sum(1))
    with pytest.raises(ValueError, match="no convolution and no dense layer"):
        batch_stability(explain, nn.Flatten(), toys, toys)


def test_max_sensitivity_by_hand():
    # Gradient times input of a sum is the image: the relative change is |noise| / |image|, at most radius / 1.
    network, image = Weighted(torch.ones(2, 3, 3)), torch.ones(1, 2, 3, 3).double()
    value = max_sensitivity(gradient_times_input, network, image, radius=0.1, samples=3, seed=1)
    generator = torch.Generator().manual_seed(1)
    drawn = [2 * torch.rand(2, 3, 3, generator=generator, dtype=torch.float64) - 1 for _ in range(3)]
    assert value.item() == pytest.approx(max(0.1 * d.norm().item() for d in drawn) / 18**0.5)


def test_another_layout_is_the_same_function(smooth, toys):
    before = copy.deepcopy(smooth.state_dict())
    exact = gradient_times_input(smooth, toys)
    values, maps = layout_stability(gradient_times_input, smooth, toys, exact)
    torch.testing.assert_close(maps, exact.sum(1))
    assert (values > 0.999).all()
    assert all(torch.equal(before[k], v) for k, v in smooth.state_dict().items())
    last = copy.deepcopy(smooth).to(memory_format=torch.channels_last)
    seen = []

    def explain(network, images):
        seen.append(network[0].weight.is_contiguous())
        return gradient_times_input(network, images)

    layout_stability(explain, last, toys, exact)
    layout_stability(explain, smooth, toys, exact)
    assert seen == [True, False]


def test_cascade_goes_from_the_output_down(smooth):
    before = copy.deepcopy(smooth.state_dict())
    stages = list(cascade(smooth, stages=2))
    assert [name for name, _ in stages] == ["4", "0"]
    first, second = (network.state_dict() for _, network in stages)
    assert torch.equal(first["0.weight"], before["0.weight"])
    assert not torch.equal(first["4.weight"], before["4.weight"])
    assert not torch.equal(second["0.weight"], before["0.weight"])
    assert torch.equal(first["4.weight"], second["4.weight"])
    assert all(torch.equal(before[k], v) for k, v in smooth.state_dict().items())
    assert second["0.weight"].std() == pytest.approx(before["0.weight"].std(), rel=0.5)
    with pytest.raises(ValueError, match="no parameters"):
        next(cascade(nn.Flatten()))


def test_sanity_check_tells_an_edge_detector_from_an_explanation(smooth, toys):
    exact = gradient_times_input(smooth, toys)
    ranks, shapes, maps = sanity_check(gradient_times_input, smooth, toys, exact, stages=2)
    assert maps.shape == (3, 2, 12, 10)
    assert (ranks < 0.95).all()

    def blind(network, images):
        return images

    ranks, shapes, _ = sanity_check(blind, smooth, toys, toys, stages=2)
    assert torch.allclose(ranks, torch.ones_like(ranks))
    assert torch.allclose(shapes, torch.ones_like(shapes))


def test_similarity_of_maps():
    generator = torch.Generator().manual_seed(0)
    a, b = torch.rand(2, 9, 9, generator=generator), torch.rand(2, 9, 9, generator=generator)
    assert torch.allclose(similarity(a, -3 * a), torch.ones(2).double())
    assert (similarity(a, b) < 0.6).all()
    assert similarity(a, torch.zeros_like(a)).isnan().all()
    expected = [spearmanr(x.flatten(), y.flatten()).statistic for x, y in zip(a, b, strict=True)]
    np.testing.assert_allclose(spearman(a, b), expected, atol=1e-12)


# Protocols.


def test_two_protocols_cannot_share_a_column(weighted):
    network, image, exact = weighted
    table = ScoreTable()
    first, second = (METRICS["mu-fidelity"].compute(subject_of(network, image, exact, seed=s)) for s in (0, 1))
    table.add("a", first)
    table.add("b", first)
    with pytest.raises(ProtocolError, match=r"seed 0.*seed 1"):
        table.add("c", second)
    paper = METRICS["curves"].compute(subject_of(network, image, exact))
    rise = METRICS["rise-curves"].compute(subject_of(network, image, exact))
    table.add("a", [*paper, *rise])
    assert {m.name for m in paper}.isdisjoint(m.name for m in rise)


def test_protocol_in_words():
    words = str(Protocol("definition", score="Logit", samples=3, seed=0))
    assert words == "definition; score Logit; samples 3; seed 0"


@pytest.mark.parametrize("name", METRICS)
def test_every_registered_metric(name, smooth, toys):
    """Being registered is being tested: names, shapes, order of images, protocol, nothing changed."""
    metric = METRICS[name]
    smooth[-1].bias.data += 5  # scores above 0, by which curves can be divided
    exact = gradient_times_input(smooth, toys)
    before = copy.deepcopy(smooth.state_dict())
    more = {"explain": gradient_times_input, "box": (0.2, 0.2, 0.9, 0.9), "gap": torch.tensor([0.1, 0.2, 0.3])}
    found = metric.compute(subject_of(smooth, toys, exact, **more))
    assert tuple(m.name for m in found) == tuple(c.name for c in metric.columns)
    for measurement in found:
        assert isinstance(measurement, Measurement)
        assert measurement.values.shape == (3,)
        assert measurement.values.isfinite().all(), measurement.note
        assert measurement.protocol.definition
        assert measurement.note == ""
        assert measurement.name in COLUMNS
    again = metric.compute(subject_of(smooth, toys, exact, **more, batch_size=2))
    for one, other in zip(found, again, strict=True):
        torch.testing.assert_close(one.values.double(), other.values.double())
        assert one.protocol == other.protocol
    single = metric.compute(subject_of(smooth, toys[:1], exact[:1], **more | {"gap": torch.tensor([0.1])}))
    for one, other in zip(found, single, strict=True):
        torch.testing.assert_close(one.values[:1].double(), other.values.double())
    assert metric.summary.endswith(".")
    assert metric.citation
    assert all(torch.equal(before[k], v) for k, v in smooth.state_dict().items())
    if metric.needs in ("explain", "box"):
        with pytest.raises(ValueError, match="needs"):
            metric.compute(subject_of(smooth, toys, exact))
    if metric.needs == "gap" or name == "gap":
        (missing,) = metric.compute(subject_of(smooth, toys, exact))
        assert missing.values.isnan().all()
        assert missing.note


@pytest.mark.parametrize("name", METRICS)
def test_every_registered_metric_says_what_it_costs(name):
    """Estimates rest on it: evaluations of the network by the metric itself, and maps made anew."""
    metric, asked, explained = METRICS[name], [], []
    smooth = nn.Sequential(
        *(nn.Conv2d(2, 4, 3), nn.Conv2d(4, 4, 3), nn.Tanh(), nn.AdaptiveAvgPool2d(4), nn.Flatten()),
        *(nn.Linear(64, 8), nn.Linear(8, 3)),
    ).double()
    toys = torch.randn(3, 2, 14, 12, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    smooth.register_forward_pre_hook(lambda _, images: asked.append(len(images[0])))

    def explain(network, images):
        explained.append(len(images))
        return images.clone()

    more = {"explain": explain, "box": (0.2, 0.2, 0.9, 0.9), "gap": torch.tensor([0.1, 0.2, 0.3])}
    metric.compute(subject_of(smooth, toys, toys, **more))
    assert sum(explained) == 3 * metric.explanations
    if name == "infidelity":  # captum asks for the whole photo once a batch: declared is the most
        assert sum(asked) <= 3 * metric.forwards
    else:
        assert sum(asked) == 3 * metric.forwards


def test_methods_of_the_registry_can_be_measured(bundled, cat):
    settings = default_settings("samp", steps=5, target=282)
    explained = make_method(bundled, settings).explain(cat, 282)

    def explain(network, images):
        return make_method(replace(bundled, network=network), settings).explain(images, 282).attributions

    subject = Subject(bundled.network, cat, torch.tensor([282]), explained.attributions, explain=explain)
    (rounding,) = METRICS["rounding"].compute(subject)
    assert 0.3 < rounding.values.item() < 0.999  # the search is chaotic, but not arbitrary
    (difference,) = METRICS["diffid"].compute(subject)
    assert difference.values.item() > 0


# Quantus.


@pytest.fixture(scope="module")
def quantus():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return pytest.importorskip("quantus")


def ask(quantus_metric, network, images, attributions, **more):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return quantus_metric(
            model=network, x_batch=images.numpy(), y_batch=np.zeros(len(images), int), a_batch=attributions.numpy(),
            device="cpu", **more,
        )  # fmt: skip


QUIET = {"disable_warnings": True, "display_progressbar": False, "normalise": False}


def test_concentration_agrees_with_quantus(quantus, smooth, toys):
    maps = toys.sum(1)
    network = nn.Sequential(nn.Flatten(), nn.Linear(240, 3)).double()
    found = ask(quantus.Sparseness(**QUIET, abs=True), network, toys, maps.unsqueeze(1))
    np.testing.assert_allclose(gini(maps), found, rtol=1e-5)
    found = ask(quantus.Complexity(**QUIET, abs=True), network, toys, maps.unsqueeze(1))
    np.testing.assert_allclose(entropy(maps), found, rtol=1e-5)


def test_imputation_agrees_with_quantus(quantus):
    from quantus.functions.perturb_func import noisy_linear_imputation

    generator = torch.Generator().manual_seed(8)
    images = torch.randn(4, 3, 16, 14, generator=generator, dtype=torch.float64)
    removed = torch.rand(4, 16, 14, generator=generator) < torch.tensor([0.05, 0.4, 0.8, 0.95]).view(-1, 1, 1)
    ours = impute(images, removed, noise=0)
    for image, mask, mine in zip(images, removed, ours, strict=True):
        theirs = noisy_linear_imputation(image.numpy(), mask.flatten().nonzero().flatten().numpy(), noise=0)
        np.testing.assert_allclose(mine, theirs, atol=1e-10)


def test_road_agrees_with_quantus(quantus):
    generator = torch.Generator().manual_seed(6)
    images = torch.randn(8, 1, 10, 10, generator=generator)
    torch.manual_seed(0)
    network = nn.Sequential(nn.Flatten(), nn.Linear(100, 12), nn.Tanh(), nn.Linear(12, 2)).eval()
    maps = torch.randn(8, 1, 10, 10, generator=generator)
    theirs = ask(quantus.ROAD(percentages=list(range(10, 100, 10)), noise=0, **QUIET), network, images, maps)
    _, hits = road(network, images, maps, 0, noise=0)
    np.testing.assert_allclose(hits[:, 0].mean(0), [theirs[p] for p in range(10, 100, 10)])
    assert 0 < hits[:, 0].mean() < 1
    backwards = ask(quantus.ROAD(percentages=list(range(10, 100, 10)), noise=0, **QUIET), network, images, -maps)
    np.testing.assert_allclose(hits[:, 1].mean(0), [backwards[p] for p in range(10, 100, 10)])


def test_localisation_agrees_with_quantus(quantus, smooth, toys):
    maps = toys.sum(1)
    mask = box_mask((0.3, 0.1, 0.9, 0.7), 12, 10)
    masks = mask.expand(3, 1, -1, -1).numpy()
    found = ask(quantus.PointingGame(**QUIET, abs=False), smooth, toys, maps.unsqueeze(1), s_batch=masks)
    assert [bool(v) for v in pointing_game(maps, mask)] == [bool(v) for v in found]
    positive = maps.clamp(min=0)
    found = ask(quantus.RelevanceMassAccuracy(**QUIET, abs=False), smooth, toys, positive.unsqueeze(1), s_batch=masks)
    np.testing.assert_allclose(energy_inside(maps, mask), found, rtol=1e-5)


def test_deletion_agrees_with_quantus_pixel_flipping(quantus):
    from samp_core.metrics import deletion

    generator = torch.Generator().manual_seed(5)
    image = torch.rand(1, 1, 6, 6, generator=generator)
    torch.manual_seed(0)
    network = nn.Sequential(nn.Flatten(), nn.Linear(36, 4), nn.Tanh(), nn.Linear(4, 2)).eval()
    maps = torch.randn(1, 1, 6, 6, generator=generator)
    flipping = quantus.PixelFlipping(
        features_in_step=4, perturb_baseline=0.0, **QUIET, abs=False, return_auc_per_sample=False
    )
    found = np.asarray(ask(flipping, network, image, maps, softmax=True)).ravel()
    ours = deletion(network, image, maps, 0, pixels_per_step=4, baseline=Zero(), protocol="rise")
    np.testing.assert_allclose(ours.scores[0, 1:], found, rtol=1e-4)  # Quantus leaves the whole image out


def test_bhatts_faithfulness_agrees_with_quantus_on_a_linear_network(quantus, weighted):
    network, image, exact = weighted
    network = network.float().eval()
    np.random.seed(0)  # noqa: NPY002 - the only seed that Quantus takes
    metric = quantus.FaithfulnessCorrelation(
        nr_runs=40, subset_size=36, perturb_baseline=0.0, **QUIET, abs=False, return_aggregate=False
    )
    found = ask(metric, network, image.float(), exact.float(), softmax=False)
    ours, _, _ = sensitivity_n(network, image.float(), exact.float(), 0, sizes=(0.25,), samples=40, score=Logit())
    assert found[0] == pytest.approx(1, abs=1e-4)
    assert ours.item() == pytest.approx(1, abs=1e-4)

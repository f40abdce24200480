"""Deletion and insertion curves against reference numbers and numbers worked out by hand."""

from __future__ import annotations

import json

import pytest
import torch
from torch import nn

from samp_core.baselines import GaussianBlur, Zero
from samp_core.metrics import deletion, insertion, state_at
from samp_core.metrics.base import Subject, correlation
from samp_core.metrics.curves import PAPER_CURVES, UNDIVIDED
from samp_core.scores import Logit, Probability
from tests.test_golden import FOLDER, arrays, networks  # noqa: F401  (fixtures)

METRICS = json.loads((FOLDER / "cases.json").read_text())["metrics"]


@pytest.mark.parametrize("case", METRICS, ids=[c["model"] for c in METRICS])
@pytest.mark.parametrize("direction", ["deletion", "insertion"])
def test_curves_equal_the_reference(case, direction, arrays, networks):
    network, inputs, maps = networks[case["model"]], arrays[case["input"]], arrays[case["map"]]
    targets = {"A": [2, 2, 3], "B": [7, 9, 7]}[case["model"]]
    measure = {"deletion": deletion, "insertion": insertion}[direction]
    baseline = Zero() if direction == "deletion" else GaussianBlur(case["blur_kernel"], case["blur_sigma"])
    curve = measure(network, inputs, maps, targets, pixels_per_step=case["step"], baseline=baseline)
    expected = arrays[f"metric-{case['model']}-{direction}-curve"]
    whole = expected[:, :1] if direction == "deletion" else expected[:, -1:]  # the reference keeps bare scores
    torch.testing.assert_close(curve.scores * whole, expected, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(curve.auc, torch.tensor(case[f"{direction}_auc"]), atol=1e-5, rtol=1e-5)


class Summing(nn.Module):
    """Logits: the sum of the pixels, and 1."""

    def forward(self, x):
        return torch.stack([x.sum((1, 2, 3)), torch.ones(len(x), dtype=x.dtype)], 1)


IMAGE = torch.tensor([[[[4.0, 3.0], [2.0, 1.0]]]], dtype=torch.float64)


def test_by_hand():
    down = deletion(Summing(), IMAGE, IMAGE[:, 0], 0, pixels_per_step=1)
    torch.testing.assert_close(down.scores, torch.tensor([[1.0, 0.6, 0.3, 0.1, 0.0]]).double())
    torch.testing.assert_close(down.auc, torch.tensor([0.4]).double())
    up = insertion(Summing(), IMAGE, -IMAGE, 0, pixels_per_step=3, baseline=Zero())
    torch.testing.assert_close(up.scores, torch.tensor([[0.0, 0.6, 1.0]]).double())
    torch.testing.assert_close(up.auc, torch.tensor([1.6 / 3]).double())


def test_rise_protocol_takes_probabilities_undivided():
    curve = deletion(Summing(), IMAGE, IMAGE, 0, pixels_per_step=4, protocol="rise")
    expected = torch.tensor([[10.0, 0.0]]).double().sub(1).sigmoid()
    torch.testing.assert_close(curve.scores, expected)
    assert curve.protocol.score == "Probability"
    assert curve.protocol.normalisation == "none"
    with pytest.raises(ValueError, match="softmax probability"):
        deletion(Summing(), IMAGE, IMAGE, 0, protocol="rise", score=Logit())


def test_protocol_names_all_that_matters():
    words = insertion(Summing(), IMAGE, IMAGE, 0, pixels_per_step=2, score=Probability()).protocol
    words = str(words)
    for part in ("insertion", "paper protocol", "Probability", "2 pixels", "GaussianBlur", "3 points"):
        assert part in words
    assert "normalisation score of the whole image" in words


def test_what_is_constant_but_for_rounding_correlates_with_nothing():
    flat = torch.full((4, 300), 0.3) * torch.tensor([1.0, 2.0, 3.0, 5.0]).unsqueeze(1) + 0.1
    varied = torch.rand(4, 300, generator=torch.Generator().manual_seed(0))
    assert (flat - flat.mean(1, keepdim=True)).any(), "rounding leaves something"
    assert correlation(flat, varied).isnan().all()
    torch.testing.assert_close(correlation(varied, 2 * varied + 1000), torch.ones(4), atol=1e-3, rtol=0)


@pytest.fixture
def raised(smooth: nn.Module) -> nn.Module:
    """A network whose scores can be divided by: all are above 0."""
    smooth[-1].bias.data += 5
    return smooth


def test_chunks_change_nothing(raised, toys):
    maps = torch.randn(3, 12, 10, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    kwargs = {"pixels_per_step": 7, "baseline": GaussianBlur(5, 2.0)}
    whole = insertion(raised, toys, maps, [0, 1, 2], batch_size=1000, **kwargs)
    small = insertion(raised, toys, maps, [0, 1, 2], batch_size=4, **kwargs)
    alone = [insertion(raised, toys[n : n + 1], maps[n : n + 1], n, **kwargs).scores for n in range(3)]
    torch.testing.assert_close(whole.scores, small.scores)
    torch.testing.assert_close(whole.scores, torch.cat(alone))
    assert whole.scores.shape == (3, 19)


def test_channels_are_summed_and_ties_keep_their_place(raised, toys):
    maps = torch.randn(3, 2, 12, 10, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(
        deletion(raised, toys, maps, 0, pixels_per_step=9).scores,
        deletion(raised, toys, maps.sum(1), 0, pixels_per_step=9).scores,
    )
    flat = torch.zeros(3, 12, 10, dtype=torch.float64)
    curve = deletion(raised, toys, flat, 0, pixels_per_step=10)
    third = state_at(toys, flat, 3, curve)
    assert (third[:, :, :3] == 0).all()
    assert torch.equal(third[:, :, 3:], toys[:, :, 3:])


def test_state_at_is_what_was_measured(raised, toys):
    maps = torch.randn(3, 12, 10, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    for measure in (deletion, insertion):
        curve = measure(raised, toys, maps, 1, pixels_per_step=11)
        with torch.no_grad():
            whole = raised(toys)[:, 1]
            for k in (0, 4, curve.scores.shape[1] - 1):
                scores = raised(state_at(toys, maps, k, curve))[:, 1] / whole
                torch.testing.assert_close(curve.scores[:, k], scores)


def test_where_the_whole_score_is_negative_the_best_map_is_not_called_the_worst():
    class Below(Summing):
        def forward(self, x):
            return super().forward(x) - 20

    for best in (IMAGE, -IMAGE):
        curve = deletion(Below(), torch.cat([IMAGE, 3 * IMAGE]), torch.cat([best, best]), 0, pixels_per_step=1)
        assert curve.auc.isnan().tolist() == [True, False], "divided by -10, the curve would turn round"
        assert curve.raw.isfinite().all()
    found = PAPER_CURVES.compute(Subject(Below(), IMAGE, torch.tensor([0]), IMAGE, Logit()))
    assert all(each.values.isnan().all() and each.note == UNDIVIDED for each in found)


def test_a_photo_whose_score_is_zero_has_no_curve():
    curve = deletion(Summing(), torch.zeros(1, 1, 2, 2), torch.rand(1, 2, 2), 0, pixels_per_step=1)
    assert torch.isnan(curve.auc).all()


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"maps": torch.zeros(1, 3, 3)}, "do not belong"),
        ({"pixels_per_step": 0}, "at least 1"),
        ({"protocol": "mine"}, "paper"),
    ],
)
def test_wrong_arguments(changes, says):
    arguments = {"maps": IMAGE, "pixels_per_step": 1} | changes
    error = (ValueError, Exception) if "protocol" in changes else ValueError  # the type checker may be first
    with pytest.raises(error, match=says):
        deletion(Summing(), IMAGE, target=0, **arguments)


def test_network_and_arguments_stay_as_they_were(smooth, toys):
    maps = toys.sum(1)
    inputs, kept = toys.clone(), maps.clone()
    smooth.train()
    deletion(smooth, inputs, maps, 0, pixels_per_step=30)
    assert smooth.training
    assert torch.equal(inputs, toys)
    assert torch.equal(maps, kept)
    assert all(p.grad is None for p in smooth.parameters())

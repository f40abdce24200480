"""IG2: each move leads nearer to the reference's features, and the sum is about where the path ended."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from samp_core.attribution import Way, not_known
from samp_core.baselines import SamplePhoto
from samp_core.faces import IG2, PathAttribution
from samp_core.images import SAMPLES, Preprocessing, load_sample
from samp_core.methods import METHODS
from samp_core.methods.ig2 import PHOTOS
from samp_core.paths import FeaturePath

TARGET = [0, 2]


@pytest.fixture
def photo(toys):
    return toys[2:]


def distance(network: nn.Module, images: torch.Tensor, photo: torch.Tensor) -> torch.Tensor:
    return (network[:4](images) - network[:4](photo)).square().mean(1)


def test_moves_are_normalised_gradients_of_the_distance_of_features(smooth, toys, photo):
    steps = list(IG2(smooth, photo, 5, 0.03).walk(toys[:2], TARGET))
    assert len(steps) == 5
    for step in steps:
        leaf = step.state.clone().requires_grad_()
        distance(smooth, leaf, photo).sum().backward()
        size = leaf.grad.flatten(1).norm(dim=1).view(-1, 1, 1, 1)
        torch.testing.assert_close(step.move, -0.03 * 240**0.5 * leaf.grad / size)


def test_the_features_become_the_references(smooth, toys, photo):
    run = IG2(smooth, photo, 40, 0.02, accumulation="gauss").start(toys[:2], TARGET)
    before = distance(smooth, toys[:2], photo)
    explanation = run.finish()
    assert (distance(smooth, run.ends.end, photo) < 0.01 * before).all()
    assert explanation.directions == ("counterfactual",)
    with torch.no_grad():
        change = (smooth(toys[:2]) - smooth(run.ends.end))[range(2), TARGET]
    torch.testing.assert_close(explanation.attributions.sum((1, 2, 3)), change)


def test_one_move_is_gradient_times_move(smooth, toys, photo):
    leaf = toys[:1].clone().requires_grad_()
    smooth(leaf)[0, 0].backward()
    gradient, leaf = leaf.grad, toys[:1].clone().requires_grad_()
    distance(smooth, leaf, photo).sum().backward()
    expected = gradient * 0.1 * 240**0.5 * leaf.grad / leaf.grad.norm()
    torch.testing.assert_close(IG2(smooth, photo, 1, 0.1).attribute(toys[:1], 0), expected)


class Declared(nn.Module):
    """A network of two dense layers, the last of which is declared first or last."""

    def __init__(self, head_first: bool) -> None:
        super().__init__()
        torch.manual_seed(4)
        dense, head = nn.Linear(240, 8), nn.Linear(8, 3)
        for name, module in sorted({"dense": dense, "head": head}.items(), reverse=head_first):
            setattr(self, name, module)

    def forward(self, x):
        return self.head(input=self.dense(x.flatten(1)).tanh())


def test_features_enter_the_dense_layer_that_is_called_last(toys, photo):
    first, last = (
        IG2(Declared(head_first).double(), photo, 4, 0.02).attribute(toys[:2], TARGET) for head_first in (True, False)
    )
    assert next(iter(Declared(True).named_children()))[0] == "head"
    torch.testing.assert_close(first, last)


def test_scale_of_channels_and_range_of_values(smooth, toys, photo):
    """A step's length is measured in images of the range 0 to 1, whatever their normalisation."""

    class Normalised(nn.Sequential):
        def forward(self, x):
            return super().forward(x * torch.tensor([2.0, 0.5], dtype=x.dtype).view(-1, 1, 1))

    scale = torch.tensor([2.0, 0.5], dtype=torch.float64).view(-1, 1, 1)
    plain = IG2(Normalised(*smooth), photo / scale, 4, 0.02).attribute(toys[:2] / scale, TARGET)
    path = FeaturePath(photo.expand_as, 4, 0.02, (0.5, 2.0))  # values are scale times those of the range 0 to 1
    ours = PathAttribution(smooth, path, [Way("a", None, not_known)], accumulation="paper").attribute(toys[:2], TARGET)
    torch.testing.assert_close(ours, plain)
    for step in IG2(smooth, photo, 3, 1.0, (-1.0, 1.0)).walk(toys[:2], TARGET):
        assert (step.state + step.move <= toys[:2].clamp(min=1.0) + 1e-12).all()


def test_its_own_reference_makes_no_move(smooth, toys):
    explanation = IG2(smooth, toys[:1], 4).explain(toys[:2], TARGET)
    assert explanation.finished
    assert explanation.steps.tolist() == [[0, 4]]
    assert "The counterfactual path (image 0) made no move" in explanation.notes[0]
    assert explanation.attributions[0].abs().sum() == 0
    assert explanation.attributions[1].abs().sum() > 0


def test_cost_is_two_gradients_a_move_and_a_look(smooth, toys, photo):
    method = IG2(smooth, photo, 6)
    run = method.start(toys[:1], 0)
    run.finish()
    assert run.cost.gradients == 12
    assert method.estimate(12, 10).gradients == 13  # the look at the reference is a third


def test_photos_on_the_page_are_the_samples():
    assert {name: sample.title for name, sample in SAMPLES.items()} == PHOTOS
    assert METHODS["ig2"].defaults.options["reference"] in SAMPLES


def test_a_sample_photo_is_the_same_for_every_image_and_fits_its_size():
    preprocessing = Preprocessing(None, (20, 24), (0.5,) * 3, (0.25,) * 3)
    images = torch.zeros(2, 3, 20, 24, dtype=torch.float64)
    made = SamplePhoto("rocket", preprocessing)(images)
    torch.testing.assert_close(made[1:], preprocessing(load_sample("rocket")).double())
    assert torch.equal(made[0], made[1])
    assert SamplePhoto("rocket", preprocessing)(images[:, :, :10]).shape == (2, 3, 10, 24)


@pytest.mark.parametrize("settings", [{"steps": 0}, {"step": 0.0}, {"step": float("inf")}], ids=str)
def test_impossible_settings_are_refused(settings, smooth, photo):
    with pytest.raises(ValueError, match="steps must be at least 1 and step"):
        IG2(smooth, photo, **settings)

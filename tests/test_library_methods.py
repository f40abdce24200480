"""Methods without a path: what every registered one owes its caller, and agreement with the libraries behind them."""

from __future__ import annotations

import math
import threading
from typing import Any

import captum.attr
import numpy as np
import pytest
import torch
import torchcam.methods
from torch import nn
from torchvision.models import VisionTransformer

from samp_core.attribution import DirectRun, UnsupportedError
from samp_core.classifiers import Classifier
from samp_core.images import Preprocessing
from samp_core.methods import METHODS, Settings, default_settings, make_method
from tests.test_paths import assert_same_state, state_of

# Those of attention serve transformers alone; see test_attention.py.
DIRECT = [name for name, method in METHODS.items() if not method.has_path and method.family != "Attention"]
CONTROLS = {"random", "edges"}
RANDOM = {"random", "smoothgrad", "gradient-shap", "reveal-ig", "rise", "lime", "kernel-shap"}
ACTIVATION = {"cam", "grad-cam", "grad-cam++", "layer-cam", "score-cam"}
ONLY_LOGITS = {"deeplift", "lrp", "cam"}
TINY = {"samples": 12, "masks": 12, "channels": 6, "segments": 16, "steps": 2, "window": 12, "stride": 10}
TARGET = [1, 3]
every_method = pytest.mark.parametrize("name", DIRECT)


def classifier(network: nn.Module, size: int = 32) -> Classifier:
    count = network.eval()(torch.zeros(1, 3, size, size)).shape[1]
    preprocessing = Preprocessing(size, (size, size), (0.5,) * 3, (0.5,) * 3, "bicubic")
    return Classifier("toy", network, tuple(map(str, range(count))), preprocessing, "")


class Add(nn.Module):
    def __init__(self, inner: nn.Module) -> None:
        super().__init__()
        self.inner = inner

    def forward(self, x):
        return x + self.inner(x)


def conv_net(activation: type[nn.Module] = nn.ReLU, bias: bool = True) -> nn.Module:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return nn.Sequential(
            nn.Conv2d(3, 6, 3, padding=1, stride=2, bias=bias),
            activation(),
            nn.Conv2d(6, 8, 3, padding=1, bias=bias),
            activation(),
            nn.AdaptiveAvgPool2d(1),
            nn.Flatten(),
            nn.Linear(8, 5, bias=bias),
        ).eval()


@pytest.fixture
def toy() -> Classifier:
    return classifier(conv_net())


@pytest.fixture
def images() -> torch.Tensor:
    smooth = torch.randn(2, 3, 8, 8, generator=torch.Generator().manual_seed(5))
    return nn.functional.interpolate(smooth, (32, 32), mode="bilinear")


def tiny(name: str, **changes: Any) -> Settings:
    options = {o.name: TINY.get(o.name, o.default) for o in METHODS[name].options}
    return default_settings(name, options={**options, **changes.pop("options", {})}, **changes)


def start(who: Classifier, name: str, x: torch.Tensor, explained: Any = TARGET, **changes: Any) -> DirectRun:
    run = make_method(who, tiny(name, **changes)).start(x, explained)
    assert isinstance(run, DirectRun)
    return run


def maps(who: Classifier, name: str, x: torch.Tensor, explained: Any = TARGET, **changes: Any) -> torch.Tensor:
    run = start(who, name, x, explained, **changes)
    for _ in run:
        pass
    return run.result().attributions


def test_the_registry_has_them_all():
    assert len(DIRECT) >= 18
    assert {"gradient", "lrp", "cam", "rise", "xrai"} <= set(DIRECT)


@every_method
def test_entry_is_told_in_words(name):
    method = METHODS[name]
    assert method.summary.endswith(".")
    assert method.limits.endswith(".")
    assert method.citation
    assert dict(method.defaults.options) == {o.name: o.default for o in method.options}
    for option in method.options:
        if option.default is None:
            assert option.off, "nothing at all has to be called something"
        elif not isinstance(option.default, str):
            assert option.low <= option.default <= option.high
    assert all(o.default in o.choices for o in method.options if o.choices)
    assert Settings.from_dict(method.defaults.to_dict()) == method.defaults


@every_method
def test_map_is_finite_and_everything_else_as_it_was(name, toy, images):
    before, kept, noise = state_of(toy.network), images.clone(), np.random.get_state()[1].copy()  # noqa: NPY002  # noqa: NPY002
    rng = torch.random.get_rng_state()
    run = start(toy, name, images)
    progress = list(run)
    result = run.result()
    assert result.attributions.shape == images.shape
    assert result.attributions.isfinite().all()
    assert result.attributions.abs().sum() > 0
    assert not result.attributions.requires_grad
    assert result.finished
    assert progress == sorted(progress)
    assert 0 < progress[0] <= progress[-1] <= 1 + 1e-9
    assert_same_state(before, toy.network)
    assert all(not m._forward_pre_hooks and not m._backward_pre_hooks for m in toy.network.modules())
    torch.testing.assert_close(images, kept, rtol=0, atol=0)
    assert not images.requires_grad
    torch.testing.assert_close(torch.random.get_rng_state(), rng, rtol=0, atol=0)
    np.testing.assert_array_equal(np.random.get_state()[1], noise)  # noqa: NPY002  # noqa: NPY002
    used = result.cost.gradients + result.cost.forwards
    assert (used == result.cost.batches == 0) if name in CONTROLS else (used >= 2 and result.cost.batches > 0)


@every_method
def test_cost_is_what_the_network_was_asked(name, toy, images):
    class Counting(nn.Sequential):
        asked = 0

        def forward(self, x):
            Counting.asked += len(x)
            return super().forward(x)

    network = Counting(*toy.network).eval()
    run = start(classifier(network), name, images)
    Counting.asked = 0
    for _ in run:
        pass
    assert run.cost.gradients + run.cost.forwards == Counting.asked


@pytest.mark.parametrize("name", ["grad-cam", "grad-cam++", "layer-cam"])
def test_a_class_activation_map_asks_the_network_once_also_where_its_layer_has_to_be_found(name, toy, images):
    found = make_method(toy, default_settings(name, batch_size=2)).explain(images[:1], 1)
    assert found.settled["layer"]
    assert (found.cost.gradients, found.cost.forwards, found.cost.batches) == (1, 0, 1)
    several = make_method(toy, default_settings(name, batch_size=1)).explain(images[:2], 1)
    assert several.cost.batches == 2
    torch.testing.assert_close(several.attributions[:1], found.attributions)


@pytest.mark.parametrize("name", ["grad-cam", "grad-cam++", "layer-cam"])
def test_gradients_of_a_class_activation_map_go_no_further_than_to_its_layer(name, images):
    class Deaf(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return x.clone()

        @staticmethod
        def backward(ctx, gradient):
            raise AssertionError("the gradient went below the layer")

    class Below(nn.Module):
        def forward(self, x):
            return Deaf.apply(x)

    torch.manual_seed(0)
    network = nn.Sequential(
        Below(),
        nn.Conv2d(3, 4, 3),
        nn.Conv2d(4, 5, 3),
        nn.ReLU(),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(5, 3),
    ).eval()
    found = make_method(classifier(network), default_settings(name)).explain(images[:1], 1)
    assert found.attributions.isfinite().all()
    with pytest.raises(AssertionError, match="below the layer"):
        make_method(classifier(network), default_settings("gradient")).explain(images[:1], 1)


@every_method
def test_same_seed_same_map(name, toy, images):
    first, again, other = (maps(toy, name, images, seed=seed) for seed in (3, 3, 4))
    torch.testing.assert_close(first, again, rtol=0, atol=0)
    assert torch.equal(first, other) == (name not in RANDOM)


@every_method
def test_works_under_no_grad_and_in_training_mode(name, toy, images):
    expected = maps(toy, name, images)
    toy.network.train()
    with torch.no_grad():
        torch.testing.assert_close(maps(toy, name, images), expected)
    assert all(module.training for module in toy.network.modules())


@every_method
def test_stop_gives_an_unfinished_empty_map(name, toy, images):
    before = state_of(toy.network)
    run = start(toy, name, images)
    next(iter(run))
    run.stop()
    assert list(run) == []
    result = run.result()
    assert not result.finished
    assert result.notes
    assert not result.attributions.any()
    assert_same_state(before, toy.network)


@pytest.mark.parametrize("name", METHODS)
def test_unknown_missing_and_impossible_options_are_refused(name, toy):
    def refused(options: dict[str, Any], words: str) -> None:
        with pytest.raises(ValueError, match=words) as caught:
            make_method(toy, default_settings(name, options=options))
        assert str(caught.value).startswith(METHODS[name].title)
        assert str(caught.value).endswith(".")

    known = dict(METHODS[name].defaults.options)
    refused({**known, "nonsense": 1.0}, "has no option nonsense")
    for option in METHODS[name].options:
        rest = {key: value for key, value in known.items() if key != option.name}
        refused(rest, f"missing: {option.name}")
        refused({**rest, f"{option.name}x": option.default}, f"no option {option.name}x")  # misspelt
        if option.has_choices:
            values: list[Any] = ["nonsense", 1, 0.5, *[("nonsense",), ()] * option.is_several]
        elif option.is_text:
            values = [1, None]
        else:
            values = [2 * option.high + 1, option.low - 1, 1e12, math.inf, -math.inf, math.nan, "1", True]
            values += [option.low + 0.5] * option.is_whole
            values += [None] * (not option.off and not option.optional)
        for value in values:
            refused({**rest, option.name: value}, f"{option.name} must be (from|one of|a text)")
        if not option.has_choices and not option.is_text:
            if option.instead_of:
                rest[option.instead_of] = None
            for value in (option.low, option.high):
                make_method(toy, default_settings(name, options={**rest, option.name: value}))
    make_method(toy, default_settings(name))


@pytest.mark.parametrize("size", [(32, 32), (20, 37)])
@every_method
def test_estimate_is_the_cost(name, size, toy):
    """What was estimated is what the network was asked, at any size and with any options."""
    photo = torch.randn(1, 3, *size, generator=torch.Generator().manual_seed(1))
    for options in ({}, {"window": 7, "stride": 3, "samples": 10, "masks": 5, "channels": 3, "segments": 4}):
        known = {o.name for o in METHODS[name].options}
        settings = tiny(name, options={key: value for key, value in options.items() if key in known})
        method = make_method(toy, settings)
        run = method.start(photo, 1)
        for _ in run:
            pass
        estimate = method.estimate(*size)
        assert estimate.gradients == math.ceil(run.cost.gradients + run.cost.forwards / 3 - 1e-9)
        assert estimate.gradient_bound >= estimate.gradients


def test_estimate_of_occlusion_knows_the_photo():
    made = make_method(classifier(conv_net()), default_settings("occlusion", window=1, stride=1, fill="zero"))
    assert made.estimate(224, 224).gradients == math.ceil((1 + 224**2) / 3)
    assert made.estimate(28, 28).gradients == math.ceil((1 + 28**2) / 3)


@every_method
def test_smoke_on_the_bundled_network(name, bundled, cat):
    options = {o.name: 112 for o in METHODS[name].options if o.name in ("window", "stride")}
    result = maps(bundled, name, cat, 282, options=options)
    assert result.shape == cat.shape
    assert result.isfinite().all()
    assert result.abs().sum() > 0


def test_threads_do_not_disturb_each_other(toy, images):
    names = ["guided-backprop", "gradient", "lrp", "deeplift"]
    network = classifier(conv_net(nn.ReLU6))
    expected = {name: maps(network, name, images) for name in names}
    got: dict[str, list[torch.Tensor]] = {name: [] for name in names}

    def work(name: str) -> None:
        for _ in range(8):
            got[name].append(maps(network, name, images))

    threads = [threading.Thread(target=work, args=(name,)) for name in names]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for name in names:
        assert len(got[name]) == 8
        for one in got[name]:
            torch.testing.assert_close(one, expected[name], rtol=0, atol=0)


# The explained score


@pytest.mark.parametrize("name", ["gradient", "input-x-gradient", "smoothgrad", "gradient-shap", "deeplift", "cam",
                                  "occlusion", "rise", "lime", "kernel-shap"])  # fmt: skip
def test_contrast_is_the_difference_of_two_linear_maps(name, toy, images):
    contrast = maps(toy, name, images, 1, target=1, contrast=4)
    difference = maps(toy, name, images, 1) - maps(toy, name, images, 4)
    torch.testing.assert_close(contrast, difference, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("name", sorted(set(DIRECT) - CONTROLS))
def test_every_score_is_explained_or_refused(name, toy, images):
    logit = maps(toy, name, images, 1)
    assert not torch.equal(maps(toy, name, images, 1, target=1, contrast=4), logit)
    if name in ONLY_LOGITS:
        with pytest.raises(UnsupportedError, match="logits"):
            maps(toy, name, images, score="probability")
    else:
        assert not torch.equal(maps(toy, name, images, 1, score="probability"), logit)


@pytest.mark.parametrize("name", ["gradient", "occlusion", "lime", "kernel-shap", "input-x-gradient"])
def test_positive_speaks_for_the_class(name):
    network = nn.Sequential(nn.Flatten(), nn.Linear(3 * 32 * 32, 2))
    with torch.no_grad():
        weight = torch.zeros(2, 3, 32, 32)
        weight[0, :, :, :16] = 1.0
        weight[0, :, :, 16:] = -1.0
        network[1].weight.copy_(weight.flatten(1))
    picture = torch.ones(1, 3, 32, 32) + 0.01 * torch.linspace(0, 1, 32)
    result = maps(classifier(network), name, picture, 0, options=FILLED.get(name, {})).sum(1)[0]
    assert result[:, :12].mean() > 0 > result[:, 20:].mean()


FILLED = {"lime": {"fill": "zero"}, "kernel-shap": {"fill": "zero"}}


# Agreement with the libraries and with theory


def test_gradients_are_captums(toy, images):
    target = torch.tensor(TARGET)
    leaf = images.clone().requires_grad_()
    saliency = captum.attr.Saliency(toy.network).attribute(leaf, target, abs=False)
    torch.testing.assert_close(maps(toy, "gradient", images), saliency)
    product = captum.attr.InputXGradient(toy.network).attribute(leaf, target).detach()
    torch.testing.assert_close(maps(toy, "input-x-gradient", images), product)


@pytest.mark.filterwarnings("ignore:Setting backward hooks on ReLU:UserWarning")
def test_guided_backprop_is_captums(toy, images):
    leaf = images.clone().requires_grad_()
    expected = captum.attr.GuidedBackprop(conv_net()).attribute(leaf, torch.tensor(TARGET))
    torch.testing.assert_close(maps(toy, "guided-backprop", images), expected)
    assert not torch.allclose(expected, maps(toy, "gradient", images))


@pytest.mark.filterwarnings("ignore:Setting forward, backward hooks:UserWarning")
def test_deeplift_is_captums(toy, images):
    leaf = images.clone().requires_grad_()
    expected = captum.attr.DeepLift(conv_net()).attribute(leaf, 0 * images, torch.tensor(TARGET))
    torch.testing.assert_close(maps(toy, "deeplift", images), expected.detach())


def test_deeplift_adds_up_with_shared_and_clipped_activations(images):
    shared = nn.ReLU6()
    with torch.random.fork_rng():
        torch.manual_seed(1)
        network = nn.Sequential(
            nn.Conv2d(3, 6, 3), shared, Add(nn.Sequential(nn.Conv2d(6, 6, 3, padding=1), shared)), Add(shared),
            nn.MaxPool2d(2), nn.Flatten(), nn.Linear(6 * 15 * 15, 5),
        ).eval()  # fmt: skip
    pictures = 8 * images
    result = maps(classifier(network), "deeplift", pictures)
    with torch.no_grad():
        rise = (network(pictures) - network(0 * pictures))[range(2), TARGET]
    torch.testing.assert_close(result.sum((1, 2, 3)), rise, rtol=1e-4, atol=1e-4)


def test_lrp_conserves_the_score_without_biases(images):
    with torch.random.fork_rng():
        torch.manual_seed(1)
        network = nn.Sequential(
            nn.Conv2d(3, 6, 3, bias=False), nn.ReLU(),
            Add(nn.Sequential(nn.Conv2d(6, 6, 3, padding=1, bias=False), nn.ReLU())),
            nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(6, 5, bias=False),
        ).eval()  # fmt: skip
    result = maps(classifier(network), "lrp", images)
    torch.testing.assert_close(result.sum((1, 2, 3)), network(images).detach()[range(2), TARGET], rtol=1e-3, atol=1e-4)


def test_lrp_is_captums_epsilon_rule_on_dense_layers(images):
    with torch.random.fork_rng():
        torch.manual_seed(1)
        layers = nn.Linear(3072, 16, bias=False), nn.ReLU(), nn.Linear(16, 5, bias=False)
    result = maps(classifier(nn.Sequential(nn.Flatten(), *layers)), "lrp", images)
    flat = images.flatten(1).requires_grad_()
    expected = captum.attr.LRP(nn.Sequential(*layers)).attribute(flat, torch.tensor(TARGET)).detach()
    torch.testing.assert_close(result.flatten(1), expected, rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize(
    ("name", "kind"),
    [("grad-cam", "GradCAM"), ("grad-cam++", "GradCAMpp"), ("layer-cam", "LayerCAM")],
)
def test_activation_maps_are_torchcams(name, kind, toy, images):
    with getattr(torchcam.methods, kind)(toy.network, "3") as extractor:
        (small,) = extractor(TARGET, toy.network(images.clone().requires_grad_()), normalized=False)
    expected = nn.functional.interpolate(small.unsqueeze(1), (32, 32), mode="bilinear")
    torch.testing.assert_close(maps(toy, name, images).sum(1, keepdim=True), expected)


def test_cam_is_torchcams(toy, images):
    with torchcam.methods.CAM(toy.network, "3", "6") as extractor, torch.no_grad():
        toy.network(images)
        (small,) = extractor(TARGET, normalized=False)
    expected = nn.functional.interpolate(small.unsqueeze(1), (32, 32), mode="bilinear")
    torch.testing.assert_close(maps(toy, "cam", images).sum(1, keepdim=True), expected)


def test_score_cam_over_all_maps_is_torchcams(toy, images):
    with torchcam.methods.ScoreCAM(toy.network, "3") as extractor, torch.no_grad():
        toy.network(images)
        (small,) = extractor(TARGET, normalized=False)
    expected = nn.functional.interpolate(small.unsqueeze(1), (32, 32), mode="bilinear")
    ours = maps(toy, "score-cam", images, options={"channels": 8})
    torch.testing.assert_close(ours.sum(1, keepdim=True), expected, rtol=1e-4, atol=1e-6)


def test_layer_can_be_chosen(toy, images):
    assert torch.equal(maps(toy, "grad-cam", images, options={"layer": "3"}), maps(toy, "grad-cam", images))
    assert not torch.equal(maps(toy, "layer-cam", images, options={"layer": "1"}), maps(toy, "layer-cam", images))
    with pytest.raises(UnsupportedError, match="no layer 'nonsense'"):
        maps(toy, "grad-cam", images, options={"layer": "nonsense"})
    with pytest.raises(UnsupportedError, match="gives no feature maps"):
        maps(toy, "grad-cam", images, options={"layer": "6"})


@pytest.mark.parametrize(("window", "stride"), [(12, 10), (8, 8), (5, 3)])
def test_occlusion_is_captums(window, stride, toy, images):
    expected = captum.attr.Occlusion(toy.network).attribute(
        images, (3, window, window), strides=(3, stride, stride), target=torch.tensor(TARGET)
    )
    ours = maps(toy, "occlusion", images, options={"window": window, "stride": stride}).sum(1, keepdim=True)
    torch.testing.assert_close(ours, expected[:, :1], rtol=1e-4, atol=1e-6)


def linear_net() -> nn.Module:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return nn.Sequential(nn.Flatten(), nn.Linear(3 * 32 * 32, 5)).eval()


def test_kernel_shap_adds_up_and_is_exact_on_a_linear_network(toy, images):
    options = {"fill": "zero", "samples": 60}
    result = maps(toy, "kernel-shap", images, options=options)
    with torch.no_grad():
        rise = (toy.network(images) - toy.network(0 * images))[range(2), TARGET]
    torch.testing.assert_close(result.sum((1, 2, 3)), rise, rtol=1e-3, atol=1e-5)
    # On a linear network a superpixel's Shapley value is the sum of its pixels' shares.
    network = linear_net()
    result = maps(classifier(network), "kernel-shap", images, options=options).sum(1)
    shares = (images * network[1].weight.detach()[TARGET].view(2, 3, 32, 32)).sum(1)
    for one, share in zip(result, shares, strict=True):
        for value in one.unique():
            region = (one - value).abs() < 1e-7
            torch.testing.assert_close(share[region].sum(), one[region].sum(), rtol=1e-2, atol=1e-4)


def test_expected_gradients_and_occlusion_are_exact_on_a_linear_network(images):
    network = linear_net()
    weight = network[1].weight.detach()[TARGET].view(2, 3, 32, 32)
    occluded = maps(classifier(network), "occlusion", images, options={"window": 1, "stride": 1}).sum(1)
    torch.testing.assert_close(occluded, (images * weight).sum(1), rtol=1e-3, atol=1e-4)
    torch.testing.assert_close(maps(classifier(network), "smoothgrad", images), weight)


def test_rise_finds_the_place_that_matters():
    class Corner(nn.Module):
        def forward(self, x):
            return torch.stack([x[:, :, :10, :10].mean((1, 2, 3)), x.mean((1, 2, 3))], 1)

    picture = torch.ones(1, 3, 32, 32)
    result = maps(classifier(Corner()), "rise", picture, 0, options={"masks": 300, "cells": 4}).sum(1)[0]
    assert result[:10, :10].mean() > 5 * result[16:, 16:].abs().mean()


def test_xrai_ranks_the_region_that_matters_first():
    class Corner(nn.Module):
        def forward(self, x):
            return torch.stack([x[:, :, 8:20, 8:20].mean((1, 2, 3)), x.mean((1, 2, 3))], 1)

    picture = torch.full((1, 3, 32, 32), -0.2)
    picture[:, :, 8:20, 8:20] = 0.9
    result = maps(classifier(Corner()), "xrai", picture, 0, options={"steps": 4}).sum(1)[0]
    assert result[10:18, 10:18].min() > result[26:, 26:].max()


def test_edges_know_nothing_of_the_class_and_random_nothing_of_the_image(toy, images):
    torch.testing.assert_close(maps(toy, "edges", images, 0), maps(toy, "edges", images, 3))
    flat = maps(toy, "edges", 0 * images + 1)
    assert flat.abs().max() < 1e-6
    other = classifier(conv_net(nn.Tanh))
    torch.testing.assert_close(maps(toy, "random", images, 0), maps(other, "random", images, 3), rtol=0, atol=0)
    noise = maps(toy, "random", images).sum(1)
    assert abs(np.corrcoef(noise[0].flatten(), images[0].sum(0).flatten())[0, 1]) < 0.1  # 0.03 is its standard error


# What cannot be served says so


@pytest.mark.parametrize("name", sorted(ACTIVATION))
def test_class_activation_refuses_networks_without_feature_maps(name, images):
    with pytest.raises(UnsupportedError, match="need a convolutional network"):
        maps(classifier(linear_net()), name, images)


class Tokens(nn.Module):
    """A tiny vision transformer."""

    def __init__(self) -> None:
        super().__init__()
        self.patches, self.norm = nn.Conv2d(3, 8, 8, 8), nn.LayerNorm(8)
        self.attention, self.head = nn.MultiheadAttention(8, 2, batch_first=True), nn.Linear(8, 5)

    def forward(self, x):
        tokens = self.norm(self.patches(x).flatten(2).transpose(1, 2))
        return self.head((tokens + self.attention(tokens, tokens, tokens)[0]).mean(1))


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("cam", "built otherwise"),
        ("guided-backprop", "has none"),
        ("deeplift", "no rule for"),
        ("lrp", "no rule for"),
    ],
)
def test_a_transformer_is_refused_in_words(name, words, images):
    with pytest.raises(UnsupportedError, match=words):
        maps(classifier(Tokens()), name, images)


def test_grad_cam_of_a_transformer_by_hand(images):
    network = Tokens().eval()
    run = start(classifier(network), "grad-cam", images, 3)
    found = run.finish()
    assert found.settled["layer"] == "norm"
    for image, expected in zip(images, found.maps, strict=True):
        tokens = network.norm(network.patches(image[None]).flatten(2).transpose(1, 2)).detach().requires_grad_()
        score = network.head((tokens + network.attention(tokens, tokens, tokens)[0]).mean(1))[0, 3]
        (slope,) = torch.autograd.grad(score, tokens)
        weighted = (slope.mean(1, keepdim=True) * tokens).sum(2).relu().view(1, 1, 4, 4)
        enlarged = torch.nn.functional.interpolate(weighted, image.shape[1:], mode="bilinear", align_corners=False)
        torch.testing.assert_close(enlarged[0, 0].detach(), expected)


EARLY = "encoder.layers.encoder_layer_0.ln_1"


def test_where_patches_speak_for_the_score_last(images):
    with torch.random.fork_rng():
        torch.manual_seed(0)
        vit = VisionTransformer(32, 8, num_layers=3, num_heads=2, hidden_dim=16, mlp_dim=32, num_classes=5)
        nn.init.normal_(vit.heads.head.weight)
    # Behind the last attention only the class token is looked at.
    found = start(classifier(vit.eval()), "layer-cam", images, 3).finish()
    assert found.settled["layer"] == "encoder.layers.encoder_layer_2.ln_1"
    assert found.maps.sum() > 0
    named = start(classifier(vit.eval()), "grad-cam", images, 3, options={"layer": EARLY}).finish()
    assert named.settled["layer"] == EARLY
    assert named.maps.shape == found.maps.shape


@pytest.mark.parametrize("name", ["grad-cam", "grad-cam++", "layer-cam"])
def test_tokens_of_which_only_the_class_s_speaks_are_refused(name, images):
    class TokensFirst(nn.Module):
        """A transformer whose layers see (T, N, C): of its normalisations only the last has the batch first."""

        def __init__(self) -> None:
            super().__init__()
            torch.manual_seed(0)
            self.patches, self.token = nn.Conv2d(3, 8, 8, 8), nn.Parameter(torch.randn(1, 1, 8))
            layer = nn.TransformerEncoderLayer(8, 2, 16, norm_first=True)
            self.layers = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)
            self.last, self.head = nn.LayerNorm(8), nn.Linear(8, 5)

        def forward(self, x):
            patches = self.patches(x).flatten(2).transpose(1, 2)
            tokens = torch.cat([self.token.expand(len(x), -1, -1), patches], 1)
            return self.head(self.last(self.layers(tokens.transpose(0, 1)).transpose(0, 1))[:, 0])

    with pytest.raises(UnsupportedError, match="tokens of another kind"):
        maps(classifier(TokensFirst().eval()), name, images)


def test_guided_backprop_says_which_part_of_a_network_it_guides(images):
    class Mixed(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            torch.manual_seed(0)
            self.first, self.second, self.head = nn.Conv2d(3, 4, 3), nn.Conv2d(4, 4, 3), nn.Linear(4, 5)
            self.relu = nn.ReLU()

        def forward(self, x):
            return self.head(torch.nn.functional.relu(self.second(self.relu(self.first(x)))).mean((2, 3)))

    for batch_size in (1, 16):
        run = start(classifier(Mixed().eval()), "guided-backprop", images, 3, batch_size=batch_size)
        (note,) = run.finish().notes
        assert note.startswith("1 of 2 rectifications"), note
    whole = start(classifier(conv_net()), "guided-backprop", images, 3).finish()
    assert whole.notes == ()


class ChannelsLast(nn.Module):
    """A network that gives its last feature maps as (N, H, W, C), as Swin transformers do."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.norm, self.head = nn.Conv2d(3, 8, 4, 4), nn.LayerNorm(8), nn.Linear(8, 5)

    def forward(self, x):
        return self.head(self.norm(self.conv(x).permute(0, 2, 3, 1)).mean((1, 2)))


def test_maps_whose_channels_come_last_are_turned(images):
    network = ChannelsLast().eval()
    run = start(classifier(network), "grad-cam", images, 3)
    found = run.finish()
    assert found.settled["layer"] == "norm"
    features = network.norm(network.conv(images).permute(0, 2, 3, 1)).permute(0, 3, 1, 2)
    weighted = (network.head.weight[3].view(1, -1, 1, 1) * features).sum(1, keepdim=True).relu() / features[
        0, 0
    ].numel()
    enlarged = torch.nn.functional.interpolate(weighted, images.shape[2:], mode="bilinear", align_corners=False)
    torch.testing.assert_close(enlarged[:, 0].detach(), found.maps)


@pytest.mark.parametrize(
    "name", sorted({"gradient", "occlusion", "rise", "lime", "smoothgrad", "xrai", *ACTIVATION} - {"cam"})
)
def test_a_transformer_is_served_by_the_others(name, images):
    assert maps(classifier(Tokens()), name, images).abs().sum() > 0


def test_cam_refuses_a_network_with_two_dense_layers(images):
    network = nn.Sequential(*list(conv_net())[:-1], nn.Linear(8, 8), nn.ReLU(), nn.Linear(8, 5))
    with pytest.raises(UnsupportedError, match="one dense layer"):
        maps(classifier(network), "cam", images)


def test_lrp_refuses_gates_and_loose_batch_norms(images):
    class Gate(nn.Module):
        def forward(self, x):
            return x * torch.sigmoid(x)

    for extra, words in ((Gate(), "gate"), (nn.BatchNorm2d(6), "batch norms")):
        layers = list(conv_net())
        with pytest.raises(UnsupportedError, match=words):
            maps(classifier(nn.Sequential(*layers[:2], extra, *layers[2:])), "lrp", images)

"""What the maps of methods without a path promise to add up to, and whether they do."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import replace

import captum.attr
import pytest
import torch
import torch.nn.functional as F
from torch import nn
from zennit.composites import EpsilonPlus

from samp_core.attribution import Explanation, UnsupportedError
from samp_core.classifiers import Classifier
from samp_core.images import Preprocessing
from samp_core.methods import METHODS, make_method
from tests.test_library_methods import Add, tiny

TARGET = [1, 3]
PROMISING = {"reveal-ig", "deeplift", "lrp", "gradient-shap", "kernel-shap"}


@pytest.fixture
def images() -> torch.Tensor:
    return torch.randn(2, 3, 17, 17, generator=torch.Generator().manual_seed(5), dtype=torch.float64)


def around(network: nn.Module) -> Classifier:
    return Classifier(
        "toy", network, tuple("01234"), Preprocessing(17, (17, 17), (0.5,) * 3, (0.5,) * 3, "bicubic"), ""
    )


def explain(network: nn.Module, name: str, images: torch.Tensor, **changes) -> Explanation:
    run = make_method(around(network.double()), tiny(name, **changes)).start(images, changes.get("target", TARGET))
    for _ in run:
        pass
    return run.result()


def built(make: Callable[[], nn.Module]) -> nn.Module:
    with torch.random.fork_rng():
        torch.manual_seed(3)
        return make().double().eval()


class Functional(nn.Module):
    """Activations and pools that are no modules, in place, reused, and called for what they write."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second, self.head = nn.Conv2d(3, 6, 3), nn.Conv2d(6, 6, 3, padding=1), nn.Linear(6 * 49, 5)
        self.register_buffer("gain", torch.tensor(0.7))

    def forward(self, x):
        x = F.relu(self.first(x), inplace=True)
        skip = x
        x = torch.tanh(self.second(x))
        x += skip
        x.sigmoid_()
        x = F.max_pool2d(x, 3, 2)
        x = F.relu(x - 0.55) * self.gain + self.gain * x.clamp(0.4, 0.6)
        return self.head(torch.cat([x, x], 1)[:, :6].flatten(1))


class Rectified(nn.Module):
    """What LRP conserves: rectified features, a residual, a mean, overlapping pools, dropout, no biases."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Conv2d(3, 6, 3, bias=False), nn.Conv2d(6, 6, 3, padding=1, bias=False)
        self.pool, self.drop, self.relu = nn.MaxPool2d(3, 2), nn.Dropout(0.5), nn.ReLU(inplace=True)
        self.head = nn.Linear(6, 5, bias=False)

    def forward(self, x):
        x = self.pool(self.relu(self.first(x)))
        y = self.second(x)
        y += x
        return self.head(self.drop(self.relu(y)).mean((2, 3)))


shared = nn.ReLU6()
reused = Add(nn.Sequential(nn.Conv2d(6, 6, 3, padding=1), nn.ReLU()))
NETWORKS: dict[str, Callable[[], nn.Module]] = {
    "overlapping": lambda: nn.Sequential(
        nn.Conv2d(3, 6, 3), nn.ReLU(), nn.MaxPool2d(3, 2), nn.Flatten(), nn.Linear(6 * 49, 5)
    ),
    "overlapping, padded": lambda: nn.Sequential(
        nn.Conv2d(3, 6, 3), nn.Tanh(), nn.MaxPool2d(3, 1, padding=1, ceil_mode=True), nn.MaxPool2d(3, 2, padding=1),
        nn.Conv2d(6, 4, 3), nn.ELU(), nn.AdaptiveMaxPool2d(4), nn.Flatten(), nn.Linear(64, 5),
    ),
    "dilated": lambda: nn.Sequential(nn.MaxPool2d(3, 2, dilation=2), nn.Flatten(), nn.Linear(3 * 49, 5), nn.GELU()),
    "residual, dropout, batch norm": lambda: nn.Sequential(
        nn.Conv2d(3, 6, 3), nn.BatchNorm2d(6), shared, Add(nn.Sequential(nn.Conv2d(6, 6, 3, padding=1), shared)),
        Add(shared), nn.Dropout(0.5), nn.AvgPool2d(3, 2), nn.Flatten(), nn.Linear(6 * 49, 5),
    ),
    "a block used twice": lambda: nn.Sequential(
        nn.Conv2d(3, 6, 3), reused, reused, nn.MaxPool2d(3, 2), nn.Flatten(), nn.Linear(6 * 49, 5), nn.Softplus(),
    ),
    "functional": Functional,
    "rectified": Rectified,
}  # fmt: skip
every_network = pytest.mark.parametrize("kind", NETWORKS)


def test_those_that_promise_a_sum_say_so(images):
    for name, method in METHODS.items():
        if not method.has_path:
            own = name == "cam" or method.family == "Attention"  # which need networks of their own
            made = None if own else explain(built(NETWORKS["rectified"]), name, images)
            promised = made is not None and made.promises == ("map",)
            assert promised == (name in PROMISING), name
            if made is not None:
                assert made.completeness.sums.shape == made.completeness.targets.shape == (int(promised), 2)
                torch.testing.assert_close(
                    made.completeness.sums, made.attributions.sum((1, 2, 3)).expand(int(promised), -1)
                )


@every_network
@pytest.mark.parametrize("fill", ["zero", "mean", "noise"])
def test_deeplift_adds_up_exactly(kind, fill, images):
    network = built(NETWORKS[kind])
    made = explain(network, "deeplift", 3 * images, options={"fill": fill})
    assert made.completeness.targets.abs().min() > 1e-3
    torch.testing.assert_close(made.completeness.sums, made.completeness.targets, rtol=1e-7, atol=1e-9)
    if fill == "zero":
        with torch.no_grad():
            rise = (network(3 * images) - network(0 * images))[range(2), TARGET]
        torch.testing.assert_close(made.completeness.targets[0], rise)
    contrast = explain(network, "deeplift", 3 * images, options={"fill": fill}, target=1, contrast=4)
    assert contrast.completeness.gap.abs().max() < 1e-7


@pytest.mark.filterwarnings("ignore:Setting forward, backward hooks:UserWarning")
@pytest.mark.parametrize(
    "layers",
    [
        lambda: [nn.Conv2d(3, 6, 3), nn.ReLU(), nn.MaxPool2d(3, 2), nn.Flatten(), nn.Linear(6 * 49, 5)],
        # captum is right where windows do not overlap and no activation is next to the pool
        lambda: [nn.Conv2d(3, 6, 3), nn.MaxPool2d(3, 3), nn.Conv2d(6, 6, 3), nn.Tanh(), nn.Flatten(), nn.Linear(54, 5)],
        lambda: [nn.Conv2d(3, 6, 3), nn.LeakyReLU(), nn.BatchNorm2d(6), nn.ELU(), nn.Flatten(), nn.Linear(1350, 5)],
    ],
)
def test_deeplift_and_captums(layers, images):
    network = built(lambda: nn.Sequential(*layers()))
    ours = explain(network, "deeplift", images)
    theirs = captum.attr.DeepLift(network).attribute(
        images.clone().requires_grad_(), 0 * images, torch.tensor(TARGET)
    ).detach()  # fmt: skip
    torch.testing.assert_close(ours.completeness.sums[0], theirs.sum((1, 2, 3)))
    if not isinstance(network[1], nn.ReLU):  # there captum's pool has the gradient, and is right by the zero baseline
        torch.testing.assert_close(ours.attributions, theirs)


def test_deeplift_with_one_reference_for_all_needs_no_batch(images):
    network = built(NETWORKS["functional"])
    together = explain(network, "deeplift", images).attributions
    for n in range(2):
        alone = explain(network, "deeplift", images[n : n + 1], target=TARGET[n]).attributions
        torch.testing.assert_close(alone[0], together[n])


def test_deeplift_refuses_what_it_has_no_rule_for(images):
    class Head(nn.Module):
        def __init__(self, function):
            super().__init__()
            self.function, self.dense = function, nn.Linear(3 * 17 * 17, 5)

        def forward(self, x):
            return self.dense(self.function(x).flatten(1))

    for function, words in (
        (lambda x: x * x.sigmoid(), "mul"),
        (lambda x: torch.div(torch.ones(()), x + 9), "div"),
        (lambda x: x.softmax(1), "softmax"),
        (lambda x: x / x.amax((2, 3), keepdim=True), "amax"),
        (lambda x: F.batch_norm(x, None, None, training=True), "statistics"),
        (lambda x: x.flatten(1).t().relu().t().view_as(x), "mixes the images"),
    ):
        with pytest.raises(UnsupportedError, match=words):
            explain(Head(function), "deeplift", images)


def test_lrp_conserves_the_score(images):
    network = built(Rectified)
    made = explain(network, "lrp", images)
    with torch.no_grad():
        torch.testing.assert_close(made.completeness.targets[0], network(images)[range(2), TARGET])
    assert made.completeness.relative.max() < 1e-3  # zennit's stabilisers


@pytest.mark.parametrize("kind", ["overlapping", "dilated"])
def test_lrp_is_zennits(kind, images):
    network = built(NETWORKS[kind])[:-1] if kind == "dilated" else built(NETWORKS[kind])
    ours = explain(network, "lrp", images)
    theirs = copy.deepcopy(network)
    leaf = images.clone().requires_grad_()
    with EpsilonPlus(zero_params=["bias"]).context(theirs):
        logits = theirs(leaf)
        wanted = F.one_hot(torch.tensor(TARGET), 5) * logits.detach()
        (expected,) = torch.autograd.grad(logits, leaf, wanted)
    torch.testing.assert_close(ours.attributions, expected)


def test_lrp_shows_where_it_does_not_conserve(images):
    """Tanh hands negative activations on, and z+ has nothing to give them to."""
    network = built(
        lambda: nn.Sequential(nn.Conv2d(3, 6, 3), nn.Tanh(), nn.Conv2d(6, 6, 3), nn.Flatten(), nn.Linear(1014, 5))
    )
    with torch.no_grad():
        network[2].weight.copy_(-network[2].weight.abs())
        network[0].weight.copy_(network[0].weight.abs())
    relative = explain(network, "lrp", images.abs()).completeness.relative
    assert relative.min() > 0.01


def test_gradient_shap_promises_the_mean_rise_over_its_own_draws(images):
    linear = built(lambda: nn.Sequential(nn.Flatten(), nn.Linear(3 * 17 * 17, 5)))
    made = explain(linear, "gradient-shap", images)
    torch.testing.assert_close(made.completeness.sums, made.completeness.targets)
    seen: list[torch.Tensor] = []

    class Seeing(nn.Module):
        def forward(self, x):
            if not x.requires_grad:
                seen.append(x.clone())
            return linear(x)

    made = explain(Seeing(), "gradient-shap", images, options={"samples": 4})  # zero, blur, noise, zero
    whole, zero, blurred, noise = (linear(x)[range(2), TARGET].detach() for x in seen)
    torch.testing.assert_close(made.completeness.targets[0], whole - (2 * zero + blurred + noise) / 4)
    few, many = (
        explain(built(Rectified), "gradient-shap", images, options={"samples": n}).completeness.gap.abs().mean()
        for n in (6, 300)
    )
    assert many < few


def test_kernel_shap_adds_up(images):
    made = explain(built(Rectified), "kernel-shap", images)
    assert made.completeness.gap.abs().max() < 1e-9


def test_a_stopped_method_promises_nothing(images):
    run = make_method(around(built(Rectified)), tiny("gradient-shap")).start(images, TARGET)
    next(iter(run))
    run.stop()
    list(run)
    assert run.result().promises == ()


# Draws


RANDOM = ["random", "smoothgrad", "gradient-shap", "rise", "lime", "kernel-shap"]


@pytest.mark.parametrize("name", RANDOM)
def test_a_photos_draws_are_its_own(name, images):
    photos = torch.cat([images, images.flip(3), images[:1]])
    target = torch.tensor([1, 3, 0, 2, 1])
    network = built(NETWORKS["overlapping"])

    def maps(which: list[int], batch: int = 16) -> torch.Tensor:
        settings = replace(tiny(name), batch_size=batch)
        run = make_method(around(network), settings).start(photos[which], target[which])
        for _ in run:
            pass
        return run.result().attributions

    together = maps([0, 1, 2, 3, 4])
    torch.testing.assert_close(together[4], together[0])  # the same photo
    assert not torch.allclose(together[0], together[1])
    for n in range(4):
        torch.testing.assert_close(maps([n])[0], together[n])
    torch.testing.assert_close(maps([3, 1]), together[[3, 1]])
    torch.testing.assert_close(maps([0, 1, 2, 3, 4], batch=2), together)


@pytest.mark.parametrize("name", RANDOM)
def test_precision_changes_no_draw(name, images):
    network = built(NETWORKS["overlapping"])
    photos = images.float().double()  # what single precision can hold
    double = explain(network, name, photos).attributions
    run = make_method(around(copy.deepcopy(network).float()), tiny(name)).start(photos.float(), TARGET)
    for _ in run:
        pass
    torch.testing.assert_close(run.result().attributions.double(), double, rtol=1e-2, atol=1e-4)

"""Networks that do not behave: every method gives a finite map or refuses in words, and leaves everything as it was."""

from __future__ import annotations

import copy
import math
import threading
import warnings
from contextlib import suppress
from typing import Any

import pytest
import torch
from torch import nn

from samp_core.attribution import Explanation, UnsupportedError
from samp_core.classifiers import Classifier, ClassifierError, ask, load_classifier, preserved
from samp_core.faces import SAMP
from samp_core.images import Preprocessing
from samp_core.methods import METHODS, Settings, default_settings, make_method
from samp_core.metrics import METRICS, Subject
from samp_core.scores import PathError
from tests.test_library_methods import TINY
from tests.test_paths import assert_same_state, state_of

SIDE, CLASSES = 16, 4
PHOTO = Preprocessing(SIDE, (SIDE, SIDE), (0.5,) * 3, (0.5,) * 3, "bicubic")
NEEDS_GRADIENT = {
    *(name for name, method in METHODS.items() if method.has_path),
    *(
        "gradient",
        "input-x-gradient",
        "smoothgrad",
        "gradient-shap",
        "reveal-ig",
        "guided-backprop",
        "deeplift",
        "lrp",
        "xrai",
    ),
    *("grad-cam", "grad-cam++", "layer-cam"),
}
INTO_COPIES = {"ig2", "guided-backprop", "deeplift", "lrp", "cam", "grad-cam", "grad-cam++", "layer-cam", "score-cam"}
BLIND = {"random", "edges"}  # never ask the network
OF_ATTENTION = {name for name, method in METHODS.items() if method.family == "Attention"}  # refuse all networks here


def plain() -> nn.Sequential:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return nn.Sequential(
            nn.Conv2d(3, 5, 3, padding=1), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(5, CLASSES)
        ).eval()  # fmt: skip


class Wrapped(nn.Module):
    """A well-behaved network in a bad one's hands."""

    def __init__(self) -> None:
        super().__init__()
        self.inner = plain()


class Detached(Wrapped):
    def forward(self, x):
        return self.inner(x.detach())


class WithoutGrad(Wrapped):
    def forward(self, x):
        with torch.no_grad():
            return self.inner(x)


class InInferenceMode(Wrapped):
    def forward(self, x):
        with torch.inference_mode():
            return self.inner(x)


class FeaturesInInferenceMode(Wrapped):
    def forward(self, x):
        with torch.inference_mode():
            features = self.inner[:2](x)
        return self.inner[2:](features)


class FeaturesDetached(Wrapped):
    def forward(self, x):
        return self.inner[2:](self.inner[:2](x).detach())


class WritesIntoItsInput(Wrapped):
    def forward(self, x):
        x.mul_(2).sub_(0.5)
        return self.inner(x)


class Overwrites(Wrapped):
    """Changes a value in place that autograd kept."""

    def forward(self, x):
        features = self.inner[:2](x).sigmoid()
        features.mul_(2)
        return self.inner[2:](features)


class NotANumber(Wrapped):
    def forward(self, x):
        return self.inner(x) * math.nan


class SteepAtZero(Wrapped):
    """Its gradient is infinite where a feature is 0."""

    def forward(self, x):
        return self.inner[2:](self.inner[:2](x).sqrt())


class Pair(Wrapped):
    def forward(self, x):
        return self.inner(x), x


class Remembers(Wrapped):
    """Keeps a tensor that belongs to a graph, so that it cannot be copied."""

    def forward(self, x):
        self.last = self.inner[:2](x)
        return self.inner[2:](self.last)


def half() -> nn.Module:
    network = plain()
    nn.init.constant_(network[0].weight, 3e4)  # overflows
    return network.half()


def training() -> nn.Module:
    return nn.Sequential(nn.Conv2d(3, 5, 3), nn.BatchNorm2d(5), nn.Dropout(0.5), *plain()[1:]).train()


def loaded_in_inference_mode() -> nn.Module:
    with torch.inference_mode():
        return plain()


def scripted() -> nn.Module:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # TorchScript is on its way out, and still in use
        return torch.jit.trace(plain(), torch.zeros(2, 3, SIDE, SIDE))


HOSTILE: dict[str, Any] = {
    **{
        kind.__name__: kind
        for kind in (
            Detached, WithoutGrad, InInferenceMode, FeaturesInInferenceMode, FeaturesDetached, WritesIntoItsInput,
            Overwrites, NotANumber, SteepAtZero, Pair, Remembers,
        )
    },
    "in place from the start": lambda: nn.Sequential(nn.ReLU(inplace=True), *plain()).eval(),
    "half": half,
    "training": training,
    "loaded in inference mode": loaded_in_inference_mode,
    "scripted": scripted,
}  # fmt: skip
REFUSED = {
    **dict.fromkeys(
        ["Detached", "WithoutGrad", "InInferenceMode", "FeaturesInInferenceMode", "FeaturesDetached"], NEEDS_GRADIENT
    ),
    "loaded in inference mode": set(),
    "scripted": INTO_COPIES,
    "Pair": set(METHODS) - BLIND,
    "NotANumber": set(METHODS) - BLIND,
}


class ByKeyword(nn.Module):
    """Calls its layers by keyword."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.convolution, self.relu, self.head = nn.Conv2d(3, 5, 3), nn.ReLU(), nn.Linear(5, CLASSES)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Return logits."""
        return self.head(input=self.relu(input=self.convolution(input=images)).mean((2, 3)))


def test_layers_may_be_called_by_keyword(images):
    network = ByKeyword().eval()
    before = state_of(network)
    plain = nn.Sequential(network.convolution, nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), network.head)
    for name in ("lrp", "guided-backprop", "deeplift", "cam", "grad-cam", "ig2"):
        found = explain(network, name, images).attributions
        torch.testing.assert_close(found, explain(plain, name, images).attributions)
    assert_same_state(before, network)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16], ids=str)
def test_cam_takes_networks_whose_logits_are_wider_than_their_layers(dtype, images):
    class Wider(ByKeyword):
        def forward(self, images: torch.Tensor) -> torch.Tensor:
            return super().forward(images.to(dtype)).float()

    found = explain(Wider().to(dtype), "cam", images).attributions
    wanted = explain(ByKeyword(), "cam", images).attributions
    torch.testing.assert_close(found, wanted, rtol=0.05, atol=0.05 * wanted.abs().max().item())


def test_every_method_serves_or_refuses_bfloat16(images):
    for name in METHODS:
        with suppress(UnsupportedError, PathError):
            assert explain(ByKeyword().bfloat16(), name, images.bfloat16()).attributions.isfinite().all(), name


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_all_that_look_into_copies_refuse_torchscript_alike(images):
    for name in ("ig2", "grad-cam"):
        with pytest.raises(UnsupportedError, match=r"looks into a copy.*TorchScript.*SAMP or Occlusion"):
            explain(scripted(), name, images)


def test_the_default_precision_of_torch_draws_no_other_numbers(images):
    network = ByKeyword().eval()
    for name in ("rise", "samp-refined", "samp-clear", "gradient-shap", "lime"):
        found = explain(network, name, images).attributions
        try:
            torch.set_default_dtype(torch.float64)
            again = explain(network, name, images).attributions
        finally:
            torch.set_default_dtype(torch.float32)
        assert torch.equal(found, again), name


def classifier(network: nn.Module) -> Classifier:
    return Classifier("hostile", network, tuple(map(str, range(CLASSES))), PHOTO, "")


def settings(name: str, **changes: Any) -> Settings:
    method = METHODS[name]
    if method.has_path:
        changes = {"steps": 3, **changes} | ({"ic_tolerance": 0.5} if method.option("ic_tolerance") else {})
    return default_settings(name, options={o.name: TINY.get(o.name, o.default) for o in method.options}, **changes)


def explain(network: nn.Module, name: str, images: torch.Tensor, **changes: Any) -> Explanation:
    run = make_method(classifier(network), settings(name, **changes)).start(images, 1)
    for _ in run:
        pass
    return run.result()


@pytest.fixture
def images() -> torch.Tensor:
    return torch.randn(2, 3, SIDE, SIDE, generator=torch.Generator().manual_seed(5))


def same_state(network: nn.Module, before: Any) -> bool:
    if isinstance(network, torch.jit.ScriptModule):
        return True
    assert_same_state(before, network)
    return True


@pytest.mark.parametrize("kind", HOSTILE)
def test_every_method_serves_or_refuses_in_words(kind, images):
    network = HOSTILE[kind]()
    if kind == "half":
        images = images.half()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if kind == "Remembers":
            network(images)
        before = None if kind in ("scripted", "Remembers") else state_of(network)
    kept, refused, raw = images.clone(), set(), {}
    for name in METHODS:
        try:
            assert explain(network, name, images).attributions.isfinite().all()
        except (UnsupportedError, PathError, ValueError) as error:
            refused.add(name)
            if not (len(str(error)) > 60 and str(error).endswith(".") and "\n" not in str(error)):
                raw[name] = error
        except Exception as error:
            raw[name] = error
        assert torch.equal(images, kept), name
        assert not images.requires_grad
        if before is not None:
            assert_same_state(before, network)
    assert not raw
    if kind in REFUSED:
        assert refused >= REFUSED[kind]
    if kind in ("WritesIntoItsInput", "in place from the start"):
        assert refused == OF_ATTENTION


def test_writing_into_the_input_changes_no_map(images):
    class Polite(Wrapped):
        def forward(self, x):
            return self.inner(x * 2 - 0.5)

    for name in set(METHODS) - OF_ATTENTION:
        rude, polite = (explain(kind(), name, images).attributions for kind in (WritesIntoItsInput, Polite))
        torch.testing.assert_close(rude, polite, rtol=1e-4, atol=1e-5, msg=name)


@pytest.mark.parametrize("name", METHODS)
def test_failure_and_cancel_leave_a_training_network_as_it_was(name, images):
    class Failing(nn.Sequential):
        left = 10**9

        def forward(self, x):
            Failing.left -= 1
            if Failing.left < 0:
                raise RuntimeError("it broke, say")
            return super().forward(x)

    network = Failing(*training())
    before, kept = state_of(network), images.clone()
    made = make_method(classifier(network), settings(name, batch_size=1))
    run = made.start(images, 1)
    with suppress(UnsupportedError):  # LRP has no rule for loose batch norms
        next(iter(run), None)
    run.stop()
    list(run)
    run.result()
    assert_same_state(before, network)
    for calls in (0, 1):
        Failing.left = calls
        failing = made.start(images, 1)
        asks = name not in BLIND | OF_ATTENTION | {"lrp"}
        with pytest.raises(RuntimeError, match="it broke") if asks else suppress(UnsupportedError):
            for _ in failing:
                pass
            failing.result()
        assert_same_state(before, network)
    assert torch.equal(images, kept)


@pytest.mark.parametrize("name", METRICS)
def test_metrics_leave_a_training_network_as_it_was(name, images):
    network = training()
    before, kept = state_of(network), images.clone()
    attributions = explain(network, "gradient", images).attributions
    more = {
        "explain": lambda other, photos: explain(other, "gradient", photos).attributions,
        "box": (0.2, 0.2, 0.9, 0.9),
        "gap": torch.tensor([0.1, 0.2]),
    }
    METRICS[name].compute(Subject(network, images, torch.tensor([1, 1]), attributions, **more))
    assert_same_state(before, network)
    assert torch.equal(images, kept)
    rude, polite = WritesIntoItsInput(), classifier(plain())
    METRICS[name].compute(Subject(rude, images, torch.tensor([1, 1]), attributions, **more))
    assert torch.equal(images, kept)
    assert polite.predict(images[:1])  # a sound network is asked as ever


def test_maps_that_are_not_finite_are_not_handed_over(images):
    class Steep(nn.Module):
        def forward(self, x):
            return (x.flatten(1).abs() + 1).log().sum(1, keepdim=True) * torch.tensor([[1e30, 1e36]])

    with pytest.raises(PathError, match=r"not a? ?finite.*float32"):
        SAMP(Steep(), 64, insertion_baseline=lambda x: x * 1e4).attribute(images * 1e4, 1)


def test_a_caller_may_be_in_inference_mode(images):
    network = plain()
    for name in set(METHODS) - OF_ATTENTION:
        expected = explain(network, name, images).attributions
        with torch.inference_mode():
            found = explain(network, name, images * 1).attributions
        torch.testing.assert_close(found, expected)


def test_torchscript_cannot_be_prepared_and_says_so():
    network = scripted()
    with pytest.raises(ClassifierError, match=r"TorchScript.*compiled from"):
        load_classifier(network, preprocessing=PHOTO).prepare()


def test_asking_leaves_images_alone(images):
    kept = images.clone()
    who = load_classifier(WritesIntoItsInput().eval(), preprocessing=PHOTO)
    assert torch.equal(who(images), who(images))
    first, second = who.predict(images[:1]), who.prepare().predict(images[:1])
    assert [p.index for p in first] == [p.index for p in second]
    # What is laid out otherwise in memory may be rounded otherwise.
    assert [p.logit for p in first] == pytest.approx([p.logit for p in second], rel=1e-5, abs=1e-6)
    assert torch.equal(images, kept)


def test_threads_share_the_evaluation_mode():
    """The first to leave must not switch another's evaluation back to training."""
    network, inside, left, modes = training(), threading.Event(), threading.Event(), []

    def long() -> None:
        with preserved(network):
            inside.set()
            left.wait(10)
            modes.append(any(m.training for m in network.modules()))

    with preserved(network):
        thread = threading.Thread(target=long)
        thread.start()
        inside.wait(10)
    left.set()
    thread.join()
    assert modes == [False]
    assert all(m.training for m in network.modules())
    statistics = copy.deepcopy(network[1].state_dict())
    ask(network, torch.ones(2, 3, SIDE, SIDE))
    torch.testing.assert_close(network[1].state_dict(), statistics, rtol=0, atol=0)

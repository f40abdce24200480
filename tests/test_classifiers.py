"""Loading, asking and preparing classifiers; nothing here touches a network."""

from __future__ import annotations

import copy
import socket
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from urllib.error import URLError

import pytest
import torch
import torchvision
from torch import Tensor, nn

from samp_core.bundled import BUNDLED
from samp_core.classifiers import (
    AVAILABLE,
    Classifier,
    ClassifierError,
    is_on_disk,
    load_classifier,
    preserved,
)
from samp_core.images import Preprocessing, load_sample
from samp_core.networks import duplicate

SMALL = Preprocessing(resize=None, crop=(16, 16), mean=(0.5,) * 3, std=(0.5,) * 3, interpolation="bilinear")
CATS = {"tabby", "tiger cat", "Egyptian cat", "Persian cat", "Siamese cat", "lynx"}
FILE = "mobilenet_v3_small-047dcff4.pth"


@pytest.fixture(scope="session")
def original() -> Classifier:
    return load_classifier()


@pytest.fixture(scope="session")
def prepared(original: Classifier) -> Classifier:
    return original.prepare()


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setattr(torch.hub, "_hub_dir", None)
    monkeypatch.setattr(socket.socket, "connect", lambda *_: pytest.fail("something opened a connection"))
    checkpoints = tmp_path / "hub" / "checkpoints"
    checkpoints.mkdir(parents=True)
    return checkpoints


class Toy(nn.Module):
    """Convolutions and batch norms in a forward that the test gives."""

    def __init__(self, forward: Callable[[Toy, Tensor], Tensor], classes: int = 4) -> None:
        super().__init__()
        self.conv, self.conv2 = nn.Conv2d(3, 3, 3, padding=1), nn.Conv2d(3, 3, 3, padding=1, bias=False)
        self.norm, self.norm2 = nn.BatchNorm2d(3), nn.BatchNorm2d(3)
        self.relu = nn.ReLU(inplace=True)
        self.head = nn.Linear(3, classes)
        self.body = forward
        for norm in (self.norm, self.norm2):
            for tensor in (norm.running_mean, norm.weight, norm.bias):
                nn.init.normal_(tensor)
            nn.init.uniform_(norm.running_var, 0.5, 2)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.body(self, x).mean((2, 3)))


def chain(net: Toy, x: Tensor) -> Tensor:
    return net.relu(net.norm2(net.conv2(net.relu(net.norm(net.conv(x))))))


def conv_called_twice(net: Toy, x: Tensor) -> Tensor:
    return net.norm2(net.conv2(net.norm(net.conv(net.conv(x)))))


def norm_called_twice(net: Toy, x: Tensor) -> Tensor:
    return net.norm2(net.conv2(net.norm(net.conv(x)) + net.norm(x)))


def output_used_twice(net: Toy, x: Tensor) -> Tensor:
    y = net.conv(x)
    return net.norm2(net.conv2(y + net.norm(y)))


def data_dependent(net: Toy, x: Tensor) -> Tensor:
    y = net.norm(net.conv(x))
    return y if y.sum() > 0 else -y


def weights_read(net: Toy, x: Tensor) -> Tensor:
    """Traces, but the folded network would lack the norm's weight."""
    return net.norm(net.conv(x)) * net.norm.weight.mean()


def conv_read(net: Toy, x: Tensor) -> Tensor:
    """Traces and runs when folded, with other logits."""
    return net.norm(net.conv(x)) + net.conv.weight.sum()


def viewed(net: Toy, x: Tensor) -> Tensor:
    """Cannot work on channels-last feature maps."""
    return net.norm(net.conv(x)).view(x.shape[0], -1)[:, :3, None, None]


def toy(forward: Callable[[Toy, Tensor], Tensor], seed: int = 0) -> Classifier:
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return load_classifier(Toy(forward), preprocessing=SMALL)


def noise(n: int = 2, size: int = 16, seed: int = 1) -> Tensor:
    return torch.randn(n, 3, size, size, generator=torch.Generator().manual_seed(seed))


def gradient(classifier: Classifier, x: Tensor) -> Tensor:
    x = x.clone().requires_grad_()
    return torch.autograd.grad(classifier(x)[:, 1].sum(), x)[0]


def norms(classifier: Classifier) -> int:
    return sum(isinstance(m, nn.BatchNorm2d) for m in classifier.network.modules())


def assert_same_function(a: Classifier, b: Classifier, x: Tensor, gradients: float = 1e-4) -> None:
    """``gradients`` is how far they may differ, as a share of their length."""
    torch.testing.assert_close(b(x), a(x), rtol=0, atol=1e-4)
    expected = gradient(a, x)
    assert (gradient(b, x) - expected).norm() <= gradients * expected.norm()


def test_bundled_network_sees_what_is_in_the_samples(original: Classifier) -> None:
    cat = original.predict(original.preprocessing(load_sample("chelsea")))
    assert cat[0].label in CATS
    assert [p.probability for p in cat] == sorted((p.probability for p in cat), reverse=True)
    assert len(cat) == 5
    assert original.labels[cat[0].index] == cat[0].label
    assert original.predict(original.preprocessing(load_sample("coffee")), k=1)[0].label == "espresso"


def test_prediction_is_softmax_of_logit() -> None:
    classifier, x = toy(chain), noise(1)
    every = classifier.predict(x, k=100)
    logits = torch.tensor([p.logit for p in every])
    torch.testing.assert_close(torch.tensor([p.probability for p in every]), logits.softmax(0))
    torch.testing.assert_close(logits, classifier(x).detach()[0, [p.index for p in every]])
    assert sorted(p.label for p in every) == ["class 0", "class 1", "class 2", "class 3"]


def test_predict_takes_one_image() -> None:
    with pytest.raises(ClassifierError, match=r"one image of shape .*not \(2, 3, 16, 16\)"):
        toy(chain).predict(noise(2))


def test_prepared_network_is_the_same_function(original: Classifier, prepared: Classifier) -> None:
    x = torch.cat([original.preprocessing(load_sample(name)) for name in ("chelsea", "coffee")])
    # Rounding moves a few of the many activations across the kinks of ReLU6.
    assert_same_function(original, prepared, x, gradients=0.02)
    assert norms(original) > 40
    assert norms(prepared) == 0
    assert prepared.fingerprint == original.fingerprint
    before = {name for name, _ in original.network.named_modules()}
    assert before == {name for name, _ in prepared.network.named_modules()}
    assert not any(m.training for m in prepared.network.modules())
    assert not any(p.requires_grad for p in prepared.network.parameters())


def test_prepared_gradients_are_exact_but_for_rounding(original: Classifier) -> None:
    precise = replace(original, network=copy.deepcopy(original.network).double())
    x = original.preprocessing(load_sample("chelsea")).double()
    prepared = precise.prepare()
    assert norms(prepared) == 0
    assert_same_function(precise, prepared, x, gradients=1e-10)


def test_preparing_leaves_the_original_alone() -> None:
    network = Toy(chain).train()
    network.norm.eval()
    network.conv2.weight.requires_grad_(False)
    network.head.register_forward_hook(lambda *_: None)
    classifier = load_classifier(network, preprocessing=SMALL)

    def state() -> tuple[object, ...]:
        return (
            {name: value.numpy(force=True).tobytes() for name, value in network.state_dict().items()},
            [(name, id(m), m.training, len(m._forward_hooks)) for name, m in network.named_modules()],
            [(p.requires_grad, p.stride()) for p in network.parameters()],
            network.relu.inplace,
            torch.get_rng_state().tolist(),
        )

    before = state()
    prepared = classifier.prepare()
    assert state() == before
    assert norms(prepared) == 0
    assert len(prepared.network.head._forward_hooks) == 1


def test_preparing_twice_is_fine(prepared: Classifier) -> None:
    x = noise(1, 224)
    torch.testing.assert_close(prepared.prepare()(x), prepared(x))


@pytest.mark.parametrize(
    ("forward", "left"),
    [
        (chain, 0),
        (conv_called_twice, 1),
        (norm_called_twice, 1),
        (output_used_twice, 1),
        (data_dependent, 2),
        (weights_read, 2),
        (conv_read, 2),
        (viewed, 1),  # folded, though not channels last; the other norm is never called
    ],
    ids=lambda value: getattr(value, "__name__", str(value)),
)
def test_only_safe_pairs_are_folded(forward: Callable[[Toy, Tensor], Tensor], left: int) -> None:
    classifier = toy(forward)
    prepared = classifier.prepare()
    assert norms(prepared) == left
    assert_same_function(classifier, prepared, noise())


def test_a_layer_with_a_hook_is_not_folded() -> None:
    classifier = toy(chain)
    classifier.network.conv.register_forward_hook(lambda _module, _args, output: 2 * output)
    prepared = classifier.prepare()
    assert isinstance(prepared.network.norm, nn.BatchNorm2d)
    assert isinstance(prepared.network.norm2, nn.Identity)
    assert_same_function(classifier, prepared, noise())


def test_a_norm_without_running_statistics_is_not_folded() -> None:
    classifier = toy(chain)
    classifier.network.norm = nn.BatchNorm2d(3, track_running_stats=False)
    prepared = classifier.prepare()
    assert isinstance(prepared.network.norm, nn.BatchNorm2d)
    assert isinstance(prepared.network.norm2, nn.Identity)
    assert_same_function(classifier, prepared, noise())


def test_kept_layer_outputs_survive_and_gradients_repeat() -> None:
    prepared, x = toy(chain).prepare(), noise().requires_grad_()
    kept = []
    prepared.network.conv.register_forward_hook(lambda _m, _a, output: kept.append((output, output.clone())))
    score = prepared(x)[:, 1].sum()
    first = torch.autograd.grad(score, x, retain_graph=True)[0]
    torch.testing.assert_close(torch.autograd.grad(score, x)[0], first)
    output, at_the_time = kept[0]
    torch.testing.assert_close(output, at_the_time)


def test_preparing_does_not_disturb_other_threads() -> None:
    x, results = noise(), []
    other = toy(chain)

    def evaluate() -> None:
        try:
            results.append(other(x))
        except Exception as error:
            results.append(error)

    def forward(net: Toy, x: Tensor) -> Tensor:
        if not isinstance(x, Tensor):  # being traced
            thread = threading.Thread(target=evaluate)
            thread.start()
            thread.join()
        return chain(net, x)

    assert norms(toy(forward).prepare()) == 0
    assert len(results) == 1
    torch.testing.assert_close(results[0], other(x))


def test_a_network_that_cannot_be_copied_is_named() -> None:
    classifier = toy(chain)
    classifier.network.kept = noise().requires_grad_() * 2
    with pytest.raises(ClassifierError, match=r"Toy cannot be copied: .*keeps activations"):
        classifier.prepare()


def test_a_copy_without_weights_of_its_own_holds_the_same_values_and_nothing_else() -> None:
    network = nn.Sequential(nn.Conv2d(3, 3, 3), nn.BatchNorm2d(3), nn.Conv2d(3, 3, 3))
    network[2].weight = network[0].weight  # weights that two layers share
    copied = duplicate(network, weights=False)
    pairs = list(zip(network.parameters(), copied.parameters(), strict=True))
    assert [mine.data_ptr() for mine, _ in pairs] == [theirs.data_ptr() for _, theirs in pairs]
    assert copied[2].weight is copied[0].weight
    x = torch.rand(2, 3, 9, 9)
    copied(x).sum().backward()
    copied.requires_grad_(False).eval()
    assert all(mine.grad is None and mine.requires_grad for mine, _ in pairs)
    assert network.training
    assert network[1].num_batches_tracked == 0  # statistics are its own
    assert duplicate(network)[0].weight.data_ptr() != network[0].weight.data_ptr()


def test_torchvision_weights_are_read_from_disk(hub: Path) -> None:
    assert not is_on_disk("mobilenet_v3_small")
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = torchvision.models.mobilenet_v3_small()
    torch.save(network.state_dict(), hub / FILE)
    assert is_on_disk("mobilenet_v3_small")
    classifier = load_classifier("mobilenet_v3_small")
    assert classifier.preprocessing == Preprocessing(
        256, (224, 224), (0.485, 0.456, 0.406), (0.229, 0.224, 0.225), "bilinear"
    )
    assert (len(classifier.labels), classifier.labels[281]) == (1000, "tabby")
    x = noise(1, 224)
    torch.testing.assert_close(classifier(x), network.eval()(x))
    assert norms(classifier.prepare()) == 0


def test_absent_weights_are_not_fetched(hub: Path) -> None:
    with pytest.raises(ClassifierError, match=r"resnet50 \(98 MB\).*load_classifier\('resnet50', download=True\)"):
        load_classifier("resnet50")


def test_download_that_was_asked_for(hub: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def fetch(url: str, dst: str, hash_prefix: str, progress: bool) -> None:
        asked.append((url.rsplit("/", 1)[1], hash_prefix))
        torch.save(torchvision.models.mobilenet_v3_small().state_dict(), dst)

    monkeypatch.setattr(torch.hub, "download_url_to_file", fetch)
    first = load_classifier("mobilenet_v3_small", download=True)
    assert asked == [(FILE, "047dcff4")]
    assert load_classifier("mobilenet_v3_small", download=True).fingerprint == first.fingerprint
    assert len(asked) == 1


def test_failed_download_is_explained_and_leaves_nothing(hub: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(url: str, dst: str, *args: object, **kwargs: object) -> None:
        Path(dst).write_bytes(b"half")
        raise URLError("no route to host")

    monkeypatch.setattr(torch.hub, "download_url_to_file", fail)
    with pytest.raises(ClassifierError, match=r"could not be downloaded from http.*no route.*connection"):
        load_classifier("mobilenet_v3_small", download=True)
    assert list(hub.iterdir()) == []


def test_damaged_weights_are_explained_and_kept(hub: Path) -> None:
    (hub / FILE).write_bytes(b"not weights")
    with pytest.raises(ClassifierError, match=r"cannot be read.*Delete it"):
        load_classifier("mobilenet_v3_small", download=True)
    assert (hub / FILE).exists()


@pytest.mark.parametrize("ask", [load_classifier, is_on_disk])
def test_unknown_name_lists_close_ones(ask: Callable[[str], object]) -> None:
    with pytest.raises(ClassifierError, match=r"'resnet5O'.*resnet50"):
        ask("resnet5O")


def test_available_networks_exist(hub: Path) -> None:
    assert [info.name for info in AVAILABLE if not info.file] == list(BUNDLED)
    assert [info.name for info in AVAILABLE if is_on_disk(info.name)] == list(BUNDLED)
    assert all(10 < info.megabytes < 600 for info in AVAILABLE)


def test_own_module_is_kept_as_it_is() -> None:
    network = Toy(chain).train()
    classifier = load_classifier(network, preprocessing=SMALL, labels=["a", "b", "c", "d"])
    statistics = network.norm.running_mean.clone()
    classifier.predict(noise(1))
    assert classifier.network is network
    assert network.training
    assert classifier.labels == ("a", "b", "c", "d")
    torch.testing.assert_close(network.norm.running_mean, statistics, rtol=0, atol=0)


def test_own_module_needs_preprocessing() -> None:
    with pytest.raises(ClassifierError, match="preprocessing is missing"):
        load_classifier(Toy(chain))


class Returns(nn.Module):
    def __init__(self, output: Callable[[Tensor], object]) -> None:
        super().__init__()
        self.output = output

    def forward(self, x: Tensor) -> object:
        return self.output(x)


@pytest.mark.parametrize(
    ("output", "message"),
    [
        (lambda x: x, r"shape \(2, 3, 16, 16\) for 2 images"),
        (lambda x: x.new_zeros(1, 7), r"shape \(1, 7\) for 2 images"),
        (lambda x: (x,), "a tuple with 0 .* cannot be told"),
        (lambda x: x.new_full((2, 7), float("nan")), "NaN or infinity"),
        (lambda x: x.view(2, 5), r"fails on images of shape \(2, 3, 16, 16\)"),
    ],
)
def test_output_that_is_no_logits_is_refused(output: Callable[[Tensor], object], message: str) -> None:
    with pytest.raises(ClassifierError, match=message):
        load_classifier(Returns(output), preprocessing=SMALL)


def test_number_of_labels_is_checked() -> None:
    with pytest.raises(ClassifierError, match="4 classes but 2 labels"):
        load_classifier(Toy(chain), preprocessing=SMALL, labels=["a", "b"])


@pytest.mark.parametrize(
    ("asked", "found"), [(281, 281), ("281", 281), ("tabby", 281), ("EGYPTIAN CAT", 285), ("egyptian", 285)]
)
def test_label_is_found(original: Classifier, asked: str | int, found: int) -> None:
    assert original.find_label(asked) == found


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ("fox", r"fits 7 classes .*277 \(red fox\), 278 \(kit fox\), .*…\. Give the number"),
        ("egyptain cat", r"Close labels: 285 \(Egyptian cat\)"),
        ("qqqqqqqq", "None is close"),
        ("", "no class ''"),
        (1000, "numbered from 0 to 999"),
        (-1, "numbered from 0 to 999"),
        ("1000", "no class '1000'"),
    ],
)
def test_label_that_is_not_found(original: Classifier, asked: str | int, message: str) -> None:
    with pytest.raises(ClassifierError, match=message):
        original.find_label(asked)


def test_label_is_matched_by_number_then_whole_then_part() -> None:
    classifier = load_classifier(Toy(chain), preprocessing=SMALL, labels=["Crane", "crane", "crane bird", "7"])
    found = [classifier.find_label(text) for text in ("crane", "Crane", "bird", "3", "7")]
    assert found == [1, 0, 2, 3, 3]
    with pytest.raises(ClassifierError, match=r"fits 2 classes of Toy: 0 \(Crane\), 1 \(crane\)\."):
        classifier.find_label("CRANE")


def test_label_out_of_range(original: Classifier) -> None:
    assert original.label(999) == "toilet tissue"
    with pytest.raises(ClassifierError, match="has no class -1"):
        original.label(-1)


def test_fingerprint_follows_the_weights() -> None:
    one, same, other = toy(chain), toy(chain), toy(chain, seed=1)
    assert one.fingerprint == same.fingerprint != other.fingerprint
    assert one.prepare().fingerprint == one.fingerprint
    with torch.no_grad():
        same.network.conv.weight.view(-1)[0].add_(1e-6)
    assert load_classifier(same.network, preprocessing=SMALL).fingerprint != one.fingerprint
    one.network.to(memory_format=torch.channels_last)
    assert load_classifier(one.network, preprocessing=SMALL).fingerprint == one.fingerprint


def test_preserved_restores_mixed_modes_after_an_exception() -> None:
    network = Toy(chain).train()
    network.norm.eval()
    network.conv2.eval()
    before, inside = [m.training for m in network.modules()], []

    def evaluate() -> None:
        with preserved(network):
            inside.extend(m.training for m in network.modules())
            raise KeyError

    with pytest.raises(KeyError):
        evaluate()
    assert inside == [False] * len(before)
    assert [m.training for m in network.modules()] == before


def test_preserved_writes_nothing_in_eval_mode(monkeypatch: pytest.MonkeyPatch) -> None:
    network = Toy(chain).eval()
    monkeypatch.setattr(nn.Module, "__setattr__", lambda *_: pytest.fail("a module was written to"))
    with preserved(network):
        pass


def test_preserved_takes_any_callable() -> None:
    with preserved(len):
        assert len("ab") == 2


@pytest.mark.parametrize("name", BUNDLED)
def test_padding_moved_into_the_convolutions_changes_no_logit(name: str) -> None:
    from efficientnet_lite_pytorch import EfficientNet

    classifier = load_classifier(name)
    plain = EfficientNet.from_name(name.replace("_", "-")).eval()
    plain.load_state_dict(torch.load(BUNDLED[name].file, weights_only=True))
    inputs = classifier.preprocessing(load_sample("coffee"))
    assert inputs.shape[2:] == (BUNDLED[name].side,) * 2
    with torch.no_grad():
        assert torch.equal(classifier.network(inputs), plain(inputs))


@pytest.mark.parametrize("name", BUNDLED)
def test_bundled_networks_know_a_cup_and_a_cat(name: str) -> None:
    classifier = load_classifier(name).prepare()
    cup = classifier.predict(classifier.preprocessing(load_sample("coffee")), 2)
    assert {found.label for found in cup} <= {"cup", "espresso", "coffee mug"}
    assert classifier.predict(classifier.preprocessing(load_sample("chelsea")), 1)[0].label in CATS


def test_what_is_said_of_networks_and_labels_is_what_torchvision_says():
    """These facts are written down because asking torchvision takes two seconds at every start."""
    import torchvision.models

    assert list(load_classifier().labels) == torchvision.models.ResNet50_Weights.DEFAULT.meta["categories"]
    for info in (info for info in AVAILABLE if info.file):
        weights = torchvision.models.get_model_weights(info.name).DEFAULT
        assert info.megabytes == weights.meta["_file_size"]
        assert weights.url.endswith(f"/{info.file}")

"""Networks that give their class scores in a dictionary, a tuple, a dataclass, or as one logit."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import pytest
import torch
from PIL import Image
from torch import Tensor, nn

from samp_core.attribution import UnsupportedError
from samp_core.classifiers import Classifier, ClassifierError, load_classifier
from samp_core.images import Preprocessing
from samp_core.methods import METHODS, default_settings, make_method

SMALL = Preprocessing(None, (16, 12), (0.5,) * 3, (0.5,) * 3, "bilinear")


@dataclass
class Answer:
    features: Tensor
    logits: Tensor


class Pair(NamedTuple):
    scores: Tensor
    attentions: tuple[Tensor, ...]


class Output(OrderedDict[str, Any]):
    """A dictionary whose entries are attributes, too."""


class Net(nn.Module):
    """A small network that gives what it is told to."""

    def __init__(self, give: Callable[[Tensor, Tensor], Any], classes: int = 4) -> None:
        super().__init__()
        torch.manual_seed(3)
        self.body = nn.Sequential(nn.Conv2d(3, 6, 3, padding=1), nn.BatchNorm2d(6), nn.ReLU())
        self.last = nn.Linear(6, classes)
        self.give = give

    def forward(self, x: Tensor) -> Any:
        seen = self.body(x)
        return self.give(self.last(seen.mean((2, 3))), seen)


FORMS: dict[str, Callable[[Tensor, Tensor], Any]] = {
    "dictionary": lambda logits, seen: {"loss": None, "logits": logits, "features": seen.mean((2, 3))},
    "dictionary of one": lambda logits, seen: {"classification": logits},
    "ordered": lambda logits, seen: Output(hidden_states=(seen, seen), out=logits),
    "named tuple": lambda logits, seen: Pair(logits, (seen,)),
    "tuple": lambda logits, seen: (logits, seen.mean((2, 3))),
    "list": lambda logits, seen: [logits],
    "dataclass": lambda logits, seen: Answer(seen.mean((2, 3)), logits),
    "nested": lambda logits, seen: {"result": {"logits": logits}, "images": seen},
    "pixels": lambda logits, seen: logits[:, :, None, None],
    "dictionary of pixels": lambda logits, seen: {"logits": logits[:, :, None, None], "map": seen},
}


def plain(classes: int = 4) -> Net:
    return Net(lambda logits, seen: logits, classes).eval()


@pytest.mark.parametrize("form", FORMS)
def test_class_scores_are_found_in_whatever_a_network_gives(form):
    network = Net(FORMS[form]).eval()
    images = torch.randn(2, 3, 16, 12)
    found, bare = load_classifier(network, preprocessing=SMALL), load_classifier(plain(), preprocessing=SMALL)
    assert len(found.labels) == 4
    assert torch.equal(found(images), bare(images))
    assert torch.allclose(found.prepare()(images), bare(images), atol=1e-5)
    settings = default_settings("samp", steps=4)
    one, other = (make_method(each, settings).attribute(images[:1], 2) for each in (found, bare))
    assert torch.equal(one, other)


def every_method(classifier: Classifier) -> dict[str, str]:
    """Explain noise by every method there is; returns the refusals."""
    images, refused = torch.randn(1, 3, 16, 12, generator=torch.Generator().manual_seed(0)), {}
    for name in METHODS:
        cheap = {
            option.name: option.low
            for option in METHODS[name].options
            if option.name in ("steps", "samples", "masks") and option.low is not None
        }
        try:
            map_ = make_method(classifier, default_settings(name, **cheap)).attribute(images, 1)
        except (UnsupportedError, ValueError) as error:
            refused[name] = str(error)
        else:
            assert map_.isfinite().all(), name
            assert map_.shape[-2:] == (16, 12), name
    return refused


def test_every_method_serves_a_wrapped_network_as_it_serves_the_bare_one():
    wrapped = load_classifier(Net(FORMS["dictionary"]).eval(), preprocessing=SMALL)
    assert every_method(wrapped).keys() == every_method(load_classifier(plain(), preprocessing=SMALL)).keys()


@pytest.mark.parametrize("shape", ["column", "row", "dictionary"])
def test_one_logit_is_two_classes_with_the_probabilities_of_its_sigmoid(shape):
    forms: dict[str, Callable[[Tensor, Tensor], Any]] = {
        "column": lambda logits, seen: logits,
        "row": lambda logits, seen: logits.squeeze(1),
        "dictionary": lambda logits, seen: {"logits": logits},
    }
    images = torch.randn(3, 3, 16, 12)
    with torch.no_grad():
        single = plain(1)(images).squeeze(1)
    found = load_classifier(Net(forms[shape], 1).eval(), preprocessing=SMALL, labels=["pneumonia"])
    assert found.labels == ("not pneumonia", "pneumonia")
    logits = found(images)
    assert torch.allclose(logits.softmax(1)[:, 1], single.sigmoid())
    assert torch.allclose(logits[:, 1] - logits[:, 0], single)
    top = found.predict(images[:1])
    assert sorted(p.label for p in top) == ["not pneumonia", "pneumonia"]
    for target, sign in ((1, 1), (0, -1)):
        gradient = make_method(found, default_settings("gradient")).attribute(images[:1], target)
        leaf = images[:1].clone().requires_grad_()
        plain(1)(leaf).sum().backward()
        assert leaf.grad is not None
        assert torch.allclose(gradient, sign * leaf.grad / 2, atol=1e-6)
    assert load_classifier(Net(forms[shape], 1).eval(), preprocessing=SMALL).labels == ("class 0", "class 1")
    two = load_classifier(Net(forms[shape], 1).eval(), preprocessing=SMALL, labels=["no", "yes"])
    assert two.labels == ("no", "yes")


def test_any_function_from_images_to_scores_is_a_network():
    network = plain()

    def colours(x: Tensor) -> Tensor:
        return network(x)  # type: ignore[no-any-return]

    found = load_classifier(colours, preprocessing=SMALL)
    assert found.name == "colours"
    images = torch.randn(2, 3, 16, 12)
    assert torch.equal(found(images), network(images))
    assert torch.equal(found.prepare()(images), network(images))
    refused = every_method(found)
    assert "grad-cam" in refused
    assert not {"samp", "samp++", "ig", "occlusion", "gradient"} & set(refused)
    assert all(parameter.grad is None for parameter in network.parameters())


@pytest.mark.parametrize(
    ("give", "says"),
    [
        (lambda logits, seen: {"animal": logits, "colour": logits}, r"animal \(2, 4\), colour \(2, 4\)"),
        (lambda logits, seen: {"features": logits}, "cannot be told"),
        (lambda logits, seen: "cat", "no tensors"),
        (lambda logits, seen: seen, "not logits"),
        (lambda logits, seen: logits.sum(), "not logits"),
        (lambda logits, seen: {"logits": logits * torch.nan}, "NaN"),
        (lambda logits, seen: {}["logits"], "fails on images"),
    ],
)
def test_what_holds_no_class_scores_is_refused_in_a_sentence(give, says):
    with pytest.raises(ClassifierError, match=says):
        load_classifier(Net(give).eval(), preprocessing=SMALL)


@pytest.mark.parametrize("half", [torch.float16, torch.bfloat16])
def test_a_network_of_half_precision_is_explained_in_float32(half):
    photo = Image.effect_noise((20, 20), 60).convert("RGB")
    found = load_classifier(plain().to(half), preprocessing=SMALL)
    whole = load_classifier(plain(), preprocessing=SMALL)
    inputs = found.inputs(photo)
    assert inputs.dtype == torch.float32
    for classifier in (found, found.prepare()):
        torch.testing.assert_close(classifier(inputs), whole(inputs), rtol=0.05, atol=0.02)
        map_ = make_method(classifier, default_settings("ig")).attribute(inputs, 1)
        assert map_.dtype == torch.float32
        wanted = make_method(whole, default_settings("ig")).attribute(inputs, 1)
        assert torch.corrcoef(torch.stack([map_.flatten(), wanted.flatten()]))[0, 1] > 0.99
    assert next(found.network.parameters()).dtype == half


def test_a_network_of_double_precision_gets_what_it_takes():
    found = load_classifier(plain().double(), preprocessing=SMALL)
    inputs = found.inputs(Image.new("RGB", (20, 20), "teal"))
    assert inputs.dtype == torch.float64
    assert found(inputs).dtype == torch.float64


def test_modes_and_gradients_of_the_network_stay_as_they_were():
    network = Net(FORMS["dictionary"]).train()
    network.body[1].eval()
    modes = [module.training for module in network.modules()]
    found = load_classifier(network, preprocessing=SMALL)
    make_method(found, default_settings("samp", steps=4)).attribute(torch.randn(1, 3, 16, 12), 0)
    assert [module.training for module in network.modules()] == modes
    assert found.network.training
    assert all(parameter.grad is None and parameter.requires_grad for parameter in network.parameters())

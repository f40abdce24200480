"""Networks whose classes do not exclude each other: predictions, scores, measures and methods by the sigmoid."""

from __future__ import annotations

import json
import math

import pytest
import torch
from torch import Tensor, nn

from samp_core.archive import ArchiveError, pack, unpack
from samp_core.attribution import UnsupportedError
from samp_core.catalogue import METHODS, SCORES
from samp_core.classifiers import load_classifier
from samp_core.cli import main
from samp_core.compare import Entry
from samp_core.images import Preprocessing, load_sample
from samp_core.library import Recipe
from samp_core.methods import default_settings, make_method
from samp_core.metrics import METRICS, deletion, diffid
from samp_core.metrics.base import Protocol, Subject
from samp_core.scores import Probability, ScoreFunction, Sigmoid, scores_for

SMALL = Preprocessing(None, (16, 12), (0.5,) * 3, (0.5,) * 3, "bilinear")


class Brightness(nn.Module):
    """Sees up to three things: red, green and blue, each by itself; a logit is 40 times the mean value."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.tensor(40.0))

    def forward(self, x: Tensor) -> Tensor:
        return self.scale * x.mean((2, 3))


def brightness(multi_label: bool = True):
    labels = ["red", "green", "blue"]
    return load_classifier(Brightness().eval(), preprocessing=SMALL, labels=labels, multi_label=multi_label)


@pytest.fixture
def yellow() -> Tensor:
    """A picture that is red and a little less green, and not blue: both logits are above 0, (1, 3, 16, 12)."""
    picture = torch.full((1, 3, 16, 12), -0.1)
    picture[0, 0, 4:12, 3:9], picture[0, 1, 4:12, 3:9] = 1.0, 0.9
    return picture


def test_probabilities_are_each_class_s_own(yellow):
    several, one = brightness(), brightness(False)
    found = several.predict(yellow)
    assert [p.label for p in found] == ["red", "green", "blue"]
    for p in found:
        assert p.probability == pytest.approx(1 / (1 + math.exp(-p.logit)))
    assert found[0].probability > 0.99
    assert found[1].probability > 0.99
    assert found[2].probability == pytest.approx(1 / (1 + math.exp(4)), abs=1e-4)
    assert sum(p.probability for p in one.predict(yellow)) == pytest.approx(1)
    assert several.prepare().predict(yellow) == found
    assert several.prepare().to("cpu").multi_label


def test_it_is_another_network_than_the_same_weights_with_a_softmax():
    several, one = brightness(), brightness(False)
    assert several.fingerprint != one.fingerprint
    assert one.fingerprint == load_classifier(Brightness().eval(), preprocessing=SMALL).fingerprint


def test_the_scores_offered_are_the_right_ones(yellow):
    assert scores_for(False) == ["logit", "probability", "log-probability"]
    assert scores_for(True) == ["logit", "sigmoid"]
    assert set(SCORES) == {*scores_for(False), *scores_for(True)}
    several, one = brightness(), brightness(False)
    for classifier, wrong, words in (
        (several, "probability", "is multi-label: its classes do not exclude each other.*logit, sigmoid"),
        (several, "log-probability", "is multi-label"),
        (one, "sigmoid", "classes exclude each other; if they do not, load it as multi-label.*log-probability"),
    ):
        with pytest.raises(ValueError, match=words):
            make_method(classifier, default_settings("samp", score=wrong))
    # The sigmoid is complete as every other score is, and its gradient is the logit's times s (1 - s).
    found = make_method(several, default_settings("ig", score="sigmoid", steps=200)).explain(yellow, 1)
    logits = several(torch.cat([torch.zeros_like(yellow), yellow]))[:, 1]
    assert found.maps.sum().item() == pytest.approx((logits[1].sigmoid() - logits[0].sigmoid()).item(), abs=1e-3)


def test_the_sigmoid_by_hand():
    logits, target = torch.tensor([[0.0, math.log(3)], [-math.log(4), 9.0]]), torch.tensor([1, 0])
    torch.testing.assert_close(Sigmoid()(logits, target), torch.tensor([0.75, 0.2]))
    assert Sigmoid().describe(["bird", "tabby"].__getitem__, 1) == "probability of tabby (sigmoid)"
    function = ScoreFunction(lambda x: x.flatten(1)[:, :2], torch.tensor([1]), Sigmoid(), (), 1)
    _, gradient = function.gradients(torch.tensor([0.3, 1.2]).view(1, 2, 1, 1), torch.tensor([0]))
    s = 1 / (1 + math.exp(-1.2))
    torch.testing.assert_close(gradient.flatten(), torch.tensor([0.0, s * (1 - s)]))


@pytest.mark.parametrize("name", METHODS)
def test_every_method_explains_one_or_says_why_not(name, yellow):
    settings = default_settings(name)
    options = {o.name: v for o, v in ((o, {"steps": 3, "samples": 10}.get(o.name)) for o in METHODS[name].options) if v}
    settings = settings.changed(**options)
    if METHODS[name].exclusive:
        with pytest.raises(UnsupportedError, match="multi-label network do not"):
            make_method(brightness(), settings)
        return
    try:
        found = make_method(brightness(), settings).explain(yellow, 1)
    except UnsupportedError:
        with pytest.raises(UnsupportedError):  # for reasons that have nothing to do with its head
            make_method(brightness(False), settings).explain(yellow, 1)
        return
    assert bool(found.maps.isfinite().all())


def test_a_method_for_logits_refuses_the_sigmoid(yellow):
    classifier = load_classifier(
        nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 3)).eval(),
        preprocessing=SMALL,
        multi_label=True,
    )
    with pytest.raises(UnsupportedError, match="logits and differences of logits only"):
        make_method(classifier, default_settings("lrp", score="sigmoid")).explain(yellow, 1)


def subject(classifier, inputs, target, maps) -> Subject:
    return Subject(classifier.network, inputs, torch.tensor([target]), maps, multi_label=classifier.multi_label)


def test_measures_ask_whether_a_class_is_seen_and_not_whether_it_comes_first(yellow):
    green = 1  # which never comes first, for red is always ahead of it
    maps = torch.zeros(1, 3, 16, 12)
    maps[:, :, 4:12, 3:9] = 1.0
    several, one = brightness(), brightness(False)
    found = {m.name: m for m in METRICS["diffid"].compute(subject(several, yellow, green, maps))}["diffid"]
    assert found.values.item() == pytest.approx(8 / 9)  # kept it is seen 9 times; removed, only with a tenth
    assert found.protocol.score == "explained class is seen, its logit above 0"
    assert found.protocol.definition.startswith("hits with")
    first = METRICS["diffid"].compute(subject(one, yellow, green, maps))[0]
    assert first.values.item() == 0
    assert first.protocol.score == "explained class comes first"
    assert first.protocol.definition.startswith("top-1 hits")
    assert diffid(several.network, yellow, maps, green, multi_label=True)[0].item() == found.values.item()


def test_probabilities_of_measures_are_the_network_s(yellow):
    maps = torch.rand(1, 3, 16, 12, generator=torch.Generator().manual_seed(1))
    several, one = brightness(), brightness(False)
    for name, column in (("road", "road"), ("rise-curves", "rise-deletion")):
        of_several = {m.name: m for m in METRICS[name].compute(subject(several, yellow, 2, maps))}
        of_one = {m.name: m for m in METRICS[name].compute(subject(one, yellow, 2, maps))}
        assert of_several[column].protocol.score == "Sigmoid"
        assert of_one[column].protocol.score == "Probability"
    curve = deletion(several.network, yellow, maps, 2, protocol="rise", score=Sigmoid(), pixels_per_step=64)
    with torch.no_grad():
        whole = several(yellow)[0, 2].sigmoid().item()
    assert curve.raw[0, 0].item() == pytest.approx(whole)
    assert Probability() != Sigmoid()
    with pytest.raises(ValueError, match=r"give Sigmoid\(\) for a multi-label"):
        deletion(several.network, yellow, maps, 2, protocol="rise", score=SCORES["logit"].make())
    assert isinstance(of_one["rise-deletion"].protocol, Protocol)


def test_a_file_of_runs_knows_which_kind_its_network_was(yellow):
    photo = load_sample("coffee")
    several, one = brightness(), brightness(False)
    settings = default_settings("ig", steps=3, target=0)
    entry = Entry(settings, make_method(several, settings).explain(several.inputs(photo), 0))
    archive = unpack(pack(several, photo, "cup.png", [entry], with_photo=False))
    archive.check(several, photo)
    with pytest.raises(ArchiveError, match=r"do not exclude each other\. Load it with multi_label"):
        archive.check(one, photo)
    other = unpack(pack(one, photo, "cup.png", [entry], with_photo=False))
    with pytest.raises(ArchiveError, match=r"whose classes exclude each other\. Load it without multi_label"):
        other.check(several, photo)


def test_the_command_line_takes_one(tmp_path, capsys, monkeypatch):
    load_sample("coffee").save(tmp_path / "cup.png")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "colours.py").write_text(
        "from tests.test_multi_label import Brightness, brightness\n"
        "def bare():\n    return Brightness().eval()\n"
        "def whole():\n    return brightness()\n"
    )
    (tmp_path / "how.json").write_text('{"crop": 16, "mean": [0.5, 0.5, 0.5], "std": [0.5, 0.5, 0.5]}')
    asked = ["explain", "cup.png", "--method", "samp", "--steps", "3", "--quiet", "--device", "cpu"]
    own = ["--module", "colours:bare", "--preprocess", "how.json", "--multi-label"]
    assert main([*asked, *own, "--score", "sigmoid", "--out", "found"]) == 0
    record = json.loads((tmp_path / "found/run.json").read_text())
    assert record["network"]["multi_label"] is True
    assert record["explained_score"].endswith("(sigmoid)")
    assert main([*asked, *own, "--score", "probability", "--out", "none"]) != 0
    assert "is multi-label" in capsys.readouterr().err
    assert main([*asked, "--module", "colours:whole", "--multi-label", "--out", "none"]) != 0
    assert "returns a whole classifier" in capsys.readouterr().err
    assert not (tmp_path / "none").exists()


def test_a_recipe_makes_it_again(tmp_path):
    torchvision = pytest.importorskip("torchvision")
    state = torchvision.models.squeezenet1_1(weights=None, num_classes=5).state_dict()
    made = [Recipe("squeezenet1_1", None, None, False, several).make(state) for several in (False, True)]
    assert [classifier.multi_label for classifier in made] == [False, True]

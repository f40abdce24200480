"""Networks of one's own from files: what fits is found out, what does not is said, and nothing is executed."""

from __future__ import annotations

import io
import json
import os
import pickle
import random
import warnings
import zipfile

import numpy as np
import pytest
import torch
import torchvision
from safetensors.torch import save
from torch import nn

from samp_core import cli as command_line
from samp_core import load_classifier, zoo
from samp_core.archive import open_archive
from samp_core.classifiers import ClassifierError, published_preprocessing
from samp_core.images import Preprocessing, load_sample
from samp_core.library import Recipe
from samp_core.methods import default_settings, make_method
from samp_core.own import from_code, read_intake, read_labels, read_weights

SMALL = {"resize": 40, "crop": 32, "mean": [0.5, 0.5, 0.5], "std": [0.5, 0.5, 0.5]}


def saved(value: object, **how: bool) -> bytes:
    buffer = io.BytesIO()
    torch.save(value, buffer, **how)
    return buffer.getvalue()


def network(name: str = "resnet18", classes: int = 37) -> nn.Module:
    torch.manual_seed(3)
    more = {"init_weights": False, "aux_logits": False} if name == "googlenet" else {}
    return torchvision.models.get_model(name, weights=None, num_classes=classes, **more).eval()


@pytest.fixture(scope="module")
def birds() -> nn.Module:
    return network()


@pytest.mark.parametrize(
    "name",
    [
        "resnet18",
        "alexnet",
        "densenet121",
        "mobilenet_v3_small",
        "squeezenet1_0",
        "shufflenet_v2_x0_5",
        "regnet_x_400mf",
    ],
)
def test_the_last_layer_and_its_classes_are_found(name):
    theirs = network(name, 5)
    found = load_classifier(name, weights=theirs.state_dict())
    assert found.name == f"{name} with own weights"
    assert found.labels == ("class 0", "class 1", "class 2", "class 3", "class 4")
    assert found.preprocessing.crop == (224, 224)
    images = torch.randn(2, 3, 224, 224)
    with torch.no_grad():
        assert torch.equal(found(images), theirs(images))


@pytest.mark.parametrize("aux", [True, False])
def test_heads_for_training_may_be_there_or_not(aux):
    theirs = torchvision.models.googlenet(weights=None, num_classes=4, aux_logits=aux, init_weights=False).eval()
    found = load_classifier("googlenet", weights=theirs.state_dict())
    assert len(found.labels) == 4


def test_files_of_every_usual_kind_are_read(birds, tmp_path):
    state = birds.state_dict()
    parallel = {f"module.{name}": value for name, value in state.items()}
    kinds = {
        "safe.safetensors": save(state),
        "plain.pth": saved(state),
        "checkpoint.pt": saved({"epoch": 3, "state_dict": parallel, "optimizer": {"lr": 0.1}}),
        "legacy.pt": saved(state, _use_new_zipfile_serialization=False),
    }
    images = torch.randn(1, 3, 224, 224)
    with torch.no_grad():
        expected = birds(images)
    for name, content in kinds.items():
        (tmp_path / name).write_bytes(content)
        found = load_classifier("resnet18", weights=tmp_path / name)
        assert torch.equal(found(images), expected), name


def test_a_last_layer_in_a_sequence_of_its_own_is_understood(birds):
    theirs = network()
    theirs.fc = nn.Sequential(nn.Dropout(0.5), nn.Linear(512, 6))
    found = load_classifier("resnet18", weights=theirs.eval().state_dict())
    images = torch.randn(1, 3, 224, 224)
    with torch.no_grad():
        assert torch.equal(found(images), theirs(images))
    theirs.fc = nn.Sequential(nn.Linear(512, 64), nn.ReLU(), nn.Linear(64, 6))
    with pytest.raises(ClassifierError, match=r"replaced by 2 layers .* what\s+stands between"):
        load_classifier("resnet18", weights=theirs.state_dict())


def test_weights_of_something_else_are_refused(birds):
    state = birds.state_dict()
    half = {name: value for name, value in state.items() if not name.startswith("layer3")}
    for weights, words in (
        (network("resnet34").state_dict(), "belong nowhere"),
        (network("resnet50", 10).state_dict(), "size mismatch|no weights of resnet18"),
        (half, r"are missing \(layer3"),
        ({"a": torch.zeros(3)}, "its last layer, fc, is not among them"),
    ):
        with pytest.raises(ClassifierError, match=words):
            load_classifier("resnet18", weights=weights)
    with pytest.raises(ClassifierError, match="There is no network"):
        load_classifier("resnet19", weights=state)
    with pytest.raises(ClassifierError, match="name of a torchvision or timm network"):
        load_classifier("efficientnet_lite0", weights=state)
    with pytest.raises(ClassifierError, match="NaN or infinity"):
        load_classifier("resnet18", weights={k: v * float("nan") for k, v in state.items()})


@pytest.mark.parametrize("name", ["resnet18", "vit_b_32", "googlenet"])
def test_weights_that_see_grey_are_understood(name):
    theirs = network(name, 5)
    first = next(layer for layer in theirs.modules() if isinstance(layer, nn.Conv2d))
    first.in_channels, first.weight = 1, nn.Parameter(first.weight.sum(1, keepdim=True))
    found = load_classifier(name, weights=theirs.state_dict())
    how = found.preprocessing
    assert how.channels == 1
    assert how.mean[0] == pytest.approx(sum(published_preprocessing(name).mean) / 3)
    photo = load_sample("chelsea")
    assert len(found.labels) == 5
    torch.testing.assert_close(found.network(how(photo)), theirs(how(photo)))
    maps = make_method(found, default_settings("gradient", target=3)).explain(how(photo), 3).maps
    assert maps.shape == (1, *how.crop)


def test_weights_that_see_more_than_colours_are_refused_with_a_way_out(birds):
    four = {
        name: value.repeat(1, 2, 1, 1)[:, :4] if name == "conv1.weight" else value
        for name, value in birds.state_dict().items()
    }
    with pytest.raises(ClassifierError, match=r"4 channels; a photo has 3, or 1 in grey\. Build .* --module"):
        load_classifier("resnet18", weights=four)


def test_random_weights_are_the_same_every_time_and_say_so():
    before = torch.random.get_rng_state()
    one, other = (load_classifier("squeezenet1_1", weights="random") for _ in range(2))
    assert torch.equal(torch.random.get_rng_state(), before)
    assert one.fingerprint == other.fingerprint
    assert one.name == "squeezenet1_1 with random weights"
    assert len(one.labels) == 1000
    assert one.labels[281] == "tabby"
    assert load_classifier(one.name).fingerprint == one.fingerprint  # as a file of runs names it


def test_blue_green_red_is_turned_round(birds):
    how = read_intake(json.dumps({**SMALL, "order": "bgr", "mean": [0.1, 0.2, 0.3], "range": 1}).encode())
    assert how.preprocessing.mean == (0.3, 0.2, 0.1)
    found = load_classifier("resnet18", weights=birds.state_dict(), preprocessing=how.preprocessing, bgr=True)
    images = torch.randn(1, 3, 32, 32)
    with torch.no_grad():
        assert torch.equal(found(images), birds(images.flip(1)))
    assert found.prepare()(images).shape == (1, 37)


class Bomb:
    """What a pickle of somebody else's may do as it is read."""

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.system, ("touch executed",)


def test_nothing_is_executed(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for content in (saved({"fc.weight": torch.zeros(2), "x": Bomb()}), pickle.dumps({"x": Bomb()}), saved(network())):
        with pytest.raises(ClassifierError, match=r"execute code|damaged"):
            read_weights(content)
    assert not (tmp_path / "executed").exists()


@pytest.mark.filterwarnings("ignore:Validating sparse")
def test_a_few_numbers_that_say_they_are_many_are_refused():
    shared = torch.zeros(4, 3)
    fine = {"a": shared, "b": shared, "c": shared[:2], "d": shared.t(), "e": shared[1:, 1:], "f": torch.zeros(0)}
    assert read_weights(saved(fine)).keys() == fine.keys()
    assert torch.equal(read_weights(save(network("squeezenet1_1", 3).state_dict()))["classifier.1.bias"],
                       network("squeezenet1_1", 3).state_dict()["classifier.1.bias"])  # fmt: skip
    for value in (
        torch.zeros(1, 1).expand(1_000_000, 4096),
        torch.zeros(4096).expand(7, 4096),
        torch.zeros(9).as_strided((5, 5), (1, 1)),
        torch.empty(1_000_000, 4096, device="meta"),
        torch.sparse_coo_tensor(
            torch.zeros(2, 0, dtype=torch.long), torch.zeros(0), (1_000_000, 4096), check_invariants=True
        ),
    ):
        content = saved({"conv1.weight": torch.zeros(2), "fc.weight": value})
        with pytest.raises(ClassifierError, match=r"holds less than fc\.weight says.*Save dense weights"):
            read_weights(content)


@pytest.mark.parametrize("name", ["vgg11", "timm/resnet18", "regnet_x_400mf"])
def test_nothing_is_built_for_a_last_layer_alone(name, monkeypatch):
    if name.startswith("timm/"):
        pytest.importorskip("timm")
    place, width = {"vgg11": ("classifier.6", 4096), "timm/resnet18": ("fc", 512), "regnet_x_400mf": ("fc", 400)}[name]
    built = zoo._built
    classes = []

    def counted(*what, num_classes):
        classes.append(num_classes)
        return built(*what, num_classes=num_classes)

    monkeypatch.setattr(zoo, "_built", counted)
    with pytest.raises(ClassifierError, match="are missing"):
        load_classifier(name, weights={f"{place}.weight": torch.zeros(50, width), f"{place}.bias": torch.zeros(50)})
    for rows in (torch.zeros(50, 1), torch.zeros(50, width, 2), torch.tensor(3.0)):
        with pytest.raises(ClassifierError, match=rf"{place}\.weight has the shape|0 classes"):
            load_classifier(name, weights={f"{place}.weight": rows})
    with pytest.raises(ClassifierError, match=rf"{place}\.bias has the shape"):
        load_classifier(name, weights={f"{place}.weight": torch.zeros(50, width), f"{place}.bias": torch.zeros(2)})
    assert set(classes) == {7, 11}


def one_logit(name: str) -> nn.Module:
    if not name.startswith("timm/"):
        return network(name, 1)
    timm = pytest.importorskip("timm")
    torch.manual_seed(3)
    return timm.create_model(name.removeprefix("timm/"), pretrained=False, num_classes=1).eval()


@pytest.mark.parametrize("name", ["squeezenet1_1", "timm/resnet18"])
def test_one_logit_of_a_named_network_becomes_two_classes(name, tmp_path):
    theirs = one_logit(name)
    small = Preprocessing(40, (32, 32), (0.5,) * 3, (0.5,) * 3)
    found = load_classifier(name, weights=theirs.state_dict(), preprocessing=small)
    images = torch.randn(2, 3, 32, 32)
    with torch.no_grad():
        z = theirs(images)
        torch.testing.assert_close(found(images), torch.cat([-z / 2, z / 2], 1))
        torch.testing.assert_close(found.prepare()(images), torch.cat([-z / 2, z / 2], 1), rtol=1e-3, atol=1e-4)
    assert found.labels == ("class 0", "class 1")
    (tmp_path / "one.pth").write_bytes(saved(theirs.state_dict()))
    cats = Recipe(name, ["cat"], small.to_dict()).make(tmp_path / "one.pth")
    assert cats.labels == ("not cat", "cat")
    assert cats.fingerprint == found.fingerprint != load_classifier(theirs, preprocessing=small, bgr=True).fingerprint
    contrast = default_settings("gradient", target=1, contrast=0)
    maps = make_method(found, contrast).explain(images, 1).maps
    alone = torch.autograd.grad(theirs(leaf := images.clone().requires_grad_()).sum(), leaf)[0]
    torch.testing.assert_close(maps, alone.sum(1), rtol=1e-3, atol=1e-5)
    with pytest.raises(ClassifierError, match="has 2 classes but 3 labels"):
        load_classifier(name, weights=theirs.state_dict(), preprocessing=small, labels=["a", "b", "c"])


def test_what_is_no_file_of_weights_is_said(tmp_path):
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as file:
        file.writestr("x", b"y")
    for content, words in (
        (b"", "neither"),
        (b"hello", "neither"),
        (saved([torch.zeros(2)]), "holds a list"),
        (saved({"a": 1}), "no tensors by name"),
        (packed.getvalue(), "damaged"),
        (save({"a": torch.zeros(3)})[:-4], "damaged safetensors"),
    ):
        with pytest.raises(ClassifierError, match=words):
            read_weights(content)
    with pytest.raises(ClassifierError, match="cannot be read"):
        load_classifier("resnet18", weights=tmp_path / "absent.pth")


@pytest.mark.parametrize(
    ("content", "ending"),
    [
        ("cat\ndog\nbird\n", ".txt"),
        ('["cat", "dog", "bird"]', ".json"),
        ('{"0": "cat", "2": "bird", "1": "dog"}', ".json"),
        ('{"cat": 0, "bird": 2, "dog": 1}', ".json"),
        ("index,label\n1,dog\n0,cat\n2,bird\n", ".csv"),
        ("label\ncat\ndog\nbird\n", ".csv"),
        ("0,cat\n1,dog\n2,bird\n", ".csv"),
        ("\ufeffcat\ndog\nbird", ".labels"),
    ],
)
def test_labels_are_read(content, ending):
    assert read_labels(content.encode(), ending) == ["cat", "dog", "bird"]


@pytest.mark.parametrize(
    ("content", "ending"),
    [
        (b"\xff\xfe\x00", ".txt"),
        (b"", ".txt"),
        (b"{", ".json"),
        (b"3", ".json"),
        (b'{"0": "a", "2": "b"}', ".json"),
        (b"index,label\n0,a\n0,b\n", ".csv"),
        (b"index,label\nx,a\n", ".csv"),
        (b"[" * 100_000, ".json"),
    ],
)
def test_labels_that_are_none_get_a_sentence(content, ending):
    with pytest.raises(ClassifierError, match="file of labels"):
        read_labels(content, ending)


def test_a_preprocessing_is_read():
    how = read_intake(json.dumps(SMALL).encode())
    assert how.preprocessing == Preprocessing(40, (32, 32), (0.5,) * 3, (0.5,) * 3, "bilinear")
    assert not how.bgr
    caffe = read_intake(b'{"crop": [32, 48], "mean": [104, 117, 123], "std": [1, 1, 1], "range": 255, "order": "bgr"}')
    assert caffe.preprocessing.crop == (32, 48)
    np.testing.assert_allclose(caffe.preprocessing.mean, np.array([123, 117, 104]) / 255)
    theirs = read_intake(
        b'{"do_resize": true, "size": {"shortest_edge": 256}, "crop_size": {"height": 224, "width": 224}, '
        b'"image_mean": [0.5, 0.5, 0.5], "image_std": [0.5, 0.5, 0.5], "resample": 3}'
    )
    assert theirs.preprocessing == Preprocessing(256, (224, 224), (0.5,) * 3, (0.5,) * 3, "bicubic")
    assert read_intake(b'{"crop": 28, "mean": [0.1], "std": [0.3]}').preprocessing.channels == 1


@pytest.mark.parametrize(
    "content",
    [
        b"", b"[]", b"{}", b'{"crop": 0}', b'{"crop": "x"}', b'{"crop": 32, "std": [0, 1, 1]}', b'{"crop": 99999}',
        b'{"crop": 32, "range": 7}', b'{"crop": 32, "order": "xyz"}', b'{"crop": 32, "mean": [NaN, 0, 0]}',
        b'{"crop": 32, "croop": 3}', b'{"crop": 32, "resize": 8}', b'{"crop": 32, "interpolation": "magic"}',
        b'{"crop": {"width": 3}}', b'{"crop": 1e999}', b"{" * 10_000,
    ],
)  # fmt: skip
def test_a_preprocessing_that_is_none_gets_a_sentence(content):
    with pytest.raises(ClassifierError, match="preprocessing"):
        read_intake(content)


def test_mutated_files_get_a_sentence_or_are_read():
    chance = random.Random(1)
    sources = [
        (read_weights, save({"a.weight": torch.zeros(3, 2)})),
        (read_weights, saved({"a.weight": torch.zeros(3, 2)})),
        (lambda c: read_labels(c, ".json"), b'{"0": "cat", "1": "dog"}'),
        (lambda c: read_labels(c, ".csv"), b"index,label\n0,cat\n1,dog\n"),
        (read_intake, json.dumps(SMALL).encode()),
    ]
    refused = 0
    for number in range(2000):
        read, content = sources[number % len(sources)]
        changed = bytearray(content)
        for _ in range(chance.randint(1, 4)):
            at = chance.randrange(len(changed))
            if chance.random() < 0.3:
                del changed[at : at + chance.randint(1, 9)]
            else:
                changed[at] = chance.randrange(256)
            if not changed:
                break
        try:
            read(bytes(changed))
        except ClassifierError as error:
            assert len(str(error)) > 20  # noqa: PT017
            refused += 1
    assert 400 < refused < 2000


def test_the_command_line_takes_weights_labels_and_code(birds, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    load_sample("coffee").save("cup.png")
    (tmp_path / "birds.safetensors").write_bytes(save(birds.state_dict()))
    (tmp_path / "labels.txt").write_text("\n".join(f"bird {k}" for k in range(37)))
    (tmp_path / "how.json").write_text(json.dumps(SMALL))
    brought = ["--arch", "resnet18", "--weights", "birds.safetensors"]
    brought += ["--labels", "labels.txt", "--preprocess", "how.json"]
    ask = ["--method", "samp", "--steps", "2", "--quiet"]
    assert command_line.main(["explain", "cup.png", *brought, *ask, "--target", "bird 4", "--out", "a"]) == 0
    run = json.loads((tmp_path / "a" / "run.json").read_text())
    assert run["network"]["name"] == "resnet18 with own weights"
    assert "bird 4" in run["explained_score"]
    assert open_archive(tmp_path / "a" / "run.samp").network == "resnet18 with own weights"
    again = ["replay", "a/run.samp", "--image", "cup.png", "--quiet"]
    assert command_line.main([*again, *brought]) == 0
    assert command_line.main(again) != 0
    assert "Give --model resnet18 --weights FILE" in capsys.readouterr().err

    (tmp_path / "my_birds.py").write_text(
        "import torch, torchvision\n"
        "def make():\n"
        "    net = torchvision.models.resnet18(weights=None, num_classes=37)\n"
        "    from safetensors.torch import load_file\n"
        "    net.load_state_dict(load_file('birds.safetensors'))\n"
        "    return net\n"
        "def wrong():\n"
        "    return 3\n"
    )
    code = ["--module", "my_birds:make", "--preprocess", "how.json"]
    assert command_line.main(["explain", "cup.png", *code, *ask, "--target", "4", "--out", "b"]) == 0
    with np.load("a/maps.npz") as one, np.load("b/maps.npz") as other:
        assert np.array_equal(one["map"], other["map"])
    for arguments, words in (
        (["--module", "my_birds:wrong", "--preprocess", "how.json"], "returns a int"),
        (["--module", "my_birds"], "PACKAGE.MODULE:FUNCTION"),
        (["--module", "nowhere:make"], "cannot be used"),
        ([*code, "--model", "resnet18"], "leave --model and --weights out"),
        (["--model", "resnet18", "--weights", "absent.pt"], "cannot be read"),
        ([*brought[:4], "--labels", "how.json"], "file of labels"),
    ):
        assert command_line.main(["explain", "cup.png", *arguments, *ask, "--out", "c"]) != 0
        assert words in capsys.readouterr().err
    assert not (tmp_path / "c").exists()


def test_code_that_raises_is_said():
    with pytest.raises(ClassifierError, match="ZeroDivisionError"):
        from_code("tests.test_own:_broken")


def _broken() -> None:
    raise ZeroDivisionError


def test_files_that_hold_a_network_are_refused_each_in_its_own_words(birds, tmp_path):
    small = nn.Sequential(nn.Conv2d(3, 2, 3), nn.Flatten(), nn.Linear(8, 2)).eval()
    images = torch.randn(1, 3, 4, 4)
    torch.export.save(torch.export.export(small, (images,)), tmp_path / "a.pt2")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.jit.trace(small, images).save(tmp_path / "b.pt")
    (tmp_path / "c.onnx").write_bytes(b"\x08\x08\x12\x07pytorch\x1a\x052.1.0:\x8a\x01")
    for name, words in (
        ("a.pt2", "exported program .* SAMP_MODELS_DIR"),
        ("b.pt", "TorchScript program"),
        ("c.onnx", "ONNX model, which has no gradients"),
    ):
        with pytest.raises(ClassifierError, match=words):
            read_weights(tmp_path / name)
    torch.save(birds.state_dict(), tmp_path / "fine.pth")
    assert read_weights(tmp_path / "fine.pth").keys() == birds.state_dict().keys()

"""timm's networks: published, random and own weights, without a network connection."""

from __future__ import annotations

from pathlib import Path

import huggingface_hub
import pytest
import timm
import torch
from PIL import Image
from safetensors.torch import save_file

from samp_core import zoo_timm
from samp_core.attribution import UnsupportedError
from samp_core.classifiers import (
    ClassifierError,
    architectures,
    is_on_disk,
    load_classifier,
    network_info,
    published_preprocessing,
)
from samp_core.images import Preprocessing
from samp_core.methods import METHODS, default_settings, make_method

FAMILIES = ["resnet18", "convnext_atto", "mobilenetv3_small_050", "vit_tiny_patch16_224", "mixer_s32_224"]


def test_their_names_are_known():
    assert "timm/resnet18" in architectures()
    with pytest.raises(ClassifierError, match=r"no network 'timm/resnet81'. Close names: .*timm/resnet"):
        load_classifier("timm/resnet81")


def test_without_timm_there_is_a_sentence(monkeypatch):
    monkeypatch.setattr(zoo_timm, "is_installed", lambda: False)
    with pytest.raises(ClassifierError, match=r"pip install -r requirements-timm\.txt"):
        load_classifier("timm/resnet18")


def test_how_they_want_their_pictures():
    assert published_preprocessing("timm/resnet18") == Preprocessing(
        235, (224, 224), (0.485, 0.456, 0.406), (0.229, 0.224, 0.225), "bicubic"
    )
    assert published_preprocessing("timm/vit_tiny_patch16_224").mean == (0.5, 0.5, 0.5)


def test_random_weights_are_always_the_same():
    one, other = (load_classifier("timm/resnet18", weights="random") for _ in range(2))
    assert one.fingerprint == other.fingerprint
    assert one.name == "timm/resnet18 with random weights"
    assert load_classifier(one.name).fingerprint == one.fingerprint
    assert one.labels[281] == "tabby"


@pytest.mark.parametrize("family", FAMILIES)
def test_own_weights_of_other_classes_fit(family, tmp_path):
    torch.manual_seed(1)
    network = timm.create_model(family, pretrained=False, num_classes=7)
    save_file(network.state_dict(), tmp_path / "own.safetensors")
    found = load_classifier(f"timm/{family}", weights=tmp_path / "own.safetensors")
    assert len(found.labels) == 7
    inputs = found.inputs(Image.effect_noise((240, 230), 60).convert("RGB"))
    with torch.no_grad():
        torch.testing.assert_close(found(inputs), network.eval()(inputs))
    with pytest.raises(ClassifierError, match="no weights of timm/resnet34"):
        load_classifier("timm/resnet34", weights=tmp_path / "own.safetensors")


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of fetched weights in which there is resnet18."""
    monkeypatch.setattr(huggingface_hub.file_download, "HF_HUB_CACHE", str(tmp_path), raising=False)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path))
    place = tmp_path / "models--timm--resnet18.a1_in1k"
    (place / "snapshots" / "abc").mkdir(parents=True)
    (place / "refs").mkdir()
    (place / "refs" / "main").write_text("abc")
    torch.manual_seed(2)
    network = timm.create_model("resnet18", pretrained=False)
    save_file(network.state_dict(), place / "snapshots" / "abc" / "model.safetensors")
    return place


def test_published_weights_that_were_fetched_are_read(cache):
    assert is_on_disk("timm/resnet18")
    found = load_classifier("timm/resnet18")
    assert (len(found.labels), found.labels[281]) == (1000, "tabby")
    (cache / "snapshots" / "abc" / "model.safetensors").write_bytes(b"no weights")
    with pytest.raises(ClassifierError, match=r"cannot be read.*probably damaged"):
        load_classifier("timm/resnet18")


def test_nothing_is_fetched_unasked_and_failing_is_a_sentence(cache, monkeypatch):
    def fetch(*_: object, **__: object) -> str:
        raise OSError("no connection here")

    monkeypatch.setattr(huggingface_hub, "hf_hub_download", fetch)
    assert not is_on_disk("timm/resnet34")
    info = network_info("timm/resnet34")
    assert (round(info.megabytes), info.file) == (83, "model.safetensors")
    with pytest.raises(ClassifierError, match=r"\(about 83 MB\) are not on this computer.*download=True"):
        load_classifier("timm/resnet34")
    with pytest.raises(ClassifierError, match=r"could not be downloaded from huggingface\.co.*no connection here"):
        load_classifier("timm/resnet34", download=True)


@pytest.mark.parametrize("family", ["resnet18", "vit_tiny_patch16_224"])
def test_every_method_gives_a_map_or_says_why_not(family):
    small = Preprocessing(None, (224, 224), (0.5,) * 3, (0.5,) * 3, "bilinear")
    classifier = load_classifier(f"timm/{family}", weights="random", preprocessing=small).prepare()
    inputs = classifier.inputs(Image.effect_noise((224, 224), 60).convert("RGB"))
    refused: dict[str, str] = {}
    for name in ("samp-instant", "ig", "gradient", "guided-backprop", "grad-cam", "lrp", "legrad", "rollout"):
        few = {o.name: 2 for o in METHODS[name].options if o.name == "steps"}
        try:
            found = make_method(classifier, default_settings(name, **few)).attribute(inputs, 3)
        except (UnsupportedError, ValueError) as error:
            refused[name] = str(error)
        else:
            assert found.isfinite().all()
            assert found.shape[-2:] == (224, 224)
    assert not {"samp-instant", "ig", "gradient"} & set(refused)
    assert all(words.endswith(".") for words in refused.values())

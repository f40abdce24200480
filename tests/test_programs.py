"""Exported programs: read from the folder of whoever starts the app, asked and explained like any network."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from PIL import Image
from torch import Tensor, nn

from samp_core.classifiers import (
    ClassifierError,
    architectures,
    is_on_disk,
    load_classifier,
    network_info,
    takes_weights,
)
from samp_core.cli import main
from samp_core.methods import default_settings, make_method
from tests.test_heads import FORMS, SMALL, Net, plain

HOW = {"crop": [16, 12], "mean": [0.5] * 3, "std": [0.5] * 3}


def export(network: nn.Module, path: Path, many: bool = True) -> None:
    images = torch.randn(2 if many else 1, 3, 16, 12)
    sizes = ({0: torch.export.Dim("n", min=1, max=256)},) if many else None
    torch.export.save(torch.export.export(network, (images,), dynamic_shapes=sizes), path)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("models")
    export(plain(), place / "many.pt2")
    export(plain(), place / "single.pt2", many=False)
    export(Net(FORMS["dictionary of one"]).eval(), place / "named.pt2")
    for name in ("many", "single", "named", "broken"):
        (place / f"{name}.json").write_text(json.dumps(HOW))
    (place / "many.labels.txt").write_text("cat\ndog\nbird\nfish\n")
    (place / "broken.pt2").write_bytes(b"no program")
    export(plain(), place / "silent.pt2")
    return place


@pytest.fixture(autouse=True)
def _named(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SAMP_MODELS_DIR", str(folder))


@pytest.mark.parametrize("name", ["many", "single", "named"])
def test_a_program_is_asked_and_explained_as_its_network_is(name):
    found, wanted = load_classifier(f"program/{name}"), load_classifier(plain(), preprocessing=SMALL)
    images = torch.randn(3, 3, 16, 12)
    torch.testing.assert_close(found(images), wanted(images))
    assert found.labels[1] == ("dog" if name == "many" else "class 1")
    for classifier in (found, found.prepare()):
        for method in ("samp", "ig", "smoothgrad", "occlusion"):
            one, other = (
                make_method(c, default_settings(method)).attribute(images[:1], 2) for c in (classifier, wanted)
            )
            torch.testing.assert_close(one, other, rtol=1e-3, atol=1e-5)


def test_one_logit_of_a_program_becomes_two_classes(tmp_path, monkeypatch):
    class One(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return x.mean((1, 2, 3)).unsqueeze(1)

    monkeypatch.setenv("SAMP_MODELS_DIR", str(tmp_path))
    export(One(), tmp_path / "one.pt2")
    (tmp_path / "one.json").write_text(json.dumps(HOW))
    (tmp_path / "one.labels.txt").write_text("bright\n")
    found = load_classifier("program/one")
    assert found.labels == ("not bright", "bright")
    images = torch.randn(3, 3, 16, 12)
    z = One()(images)
    torch.testing.assert_close(found(images), torch.cat([-z / 2, z / 2], 1))


def test_programs_are_listed_and_cannot_be_filled():
    assert architectures()[5:10] == [f"program/{name}" for name in ("broken", "many", "named", "silent", "single")]
    assert is_on_disk("program/many")
    assert network_info("program/many").file == "many.pt2"
    assert not takes_weights("program/many")
    for weights in ("random", {"a": torch.zeros(3)}):
        with pytest.raises(ClassifierError, match="its weights are its own"):
            load_classifier("program/many", weights=weights)


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("absent", "There is no network 'program/absent'"),
        ("../many", "There is no network"),
        ("broken", r"cannot be read: .* Export it again"),
        ("silent", r"silent\.json is missing. Write json there"),
    ],
)
def test_what_cannot_be_used_is_a_sentence(name, says):
    with pytest.raises(ClassifierError, match=says):
        load_classifier(f"program/{name}")


def test_without_a_folder_there_are_no_programs(monkeypatch):
    monkeypatch.delenv("SAMP_MODELS_DIR")
    assert not [name for name in architectures() if name.startswith("program/")]
    with pytest.raises(ClassifierError, match="Start with SAMP_MODELS_DIR set"):
        load_classifier("program/many")


def test_a_program_that_was_exported_with_its_dropout_is_found_out(folder, tmp_path, monkeypatch):
    class Dropping(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inner = plain()

        def forward(self, x: Tensor) -> Tensor:
            return nn.functional.dropout(self.inner(x), 0.5, training=True)

    export(Dropping(), tmp_path / "dropping.pt2")
    (tmp_path / "dropping.json").write_text(json.dumps(HOW))
    monkeypatch.setenv("SAMP_MODELS_DIR", str(tmp_path))
    with pytest.raises(ClassifierError, match="exported in train mode"):
        load_classifier("program/dropping")


def test_from_the_command_line(tmp_path, capsys):
    Image.effect_noise((30, 30), 60).save(tmp_path / "noise.png")
    command = ["explain", str(tmp_path / "noise.png"), "--out", str(tmp_path / "out"), "--model", "program/many"]
    assert main([*command, "--method", "samp", "--target", "bird"]) == 0
    run = json.loads((tmp_path / "out" / "run.json").read_text())
    assert run["network"]["name"] == "program/many"
    assert run["explained_score"] == "logit of bird"

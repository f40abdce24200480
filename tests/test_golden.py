"""Agreement with the reference numbers of an independent implementation."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from samp_core.baselines import GaussianBlur, Zero
from samp_core.faces import SAMP

FOLDER = Path(__file__).parent / "golden"
CASES = json.loads((FOLDER / "cases.json").read_text())["cases"]


@pytest.fixture(scope="module")
def arrays() -> dict[str, Tensor]:
    with np.load(FOLDER / "arrays.npz") as file:
        return {name: torch.from_numpy(file[name]) for name in file}


@pytest.fixture(scope="module")
def networks(arrays: dict[str, Tensor]) -> dict[str, nn.Module]:
    made = {
        "A": nn.Sequential(
            nn.Conv2d(3, 8, 3, padding=1),
            nn.ReLU(),
            nn.Conv2d(8, 16, 3, stride=2, padding=1),
            nn.ReLU(),
            nn.AdaptiveAvgPool2d(4),
            nn.Flatten(),
            nn.Linear(256, 10),
        ),
        "B": nn.Sequential(
            nn.Conv2d(1, 6, 5, padding=2),
            nn.Tanh(),
            nn.MaxPool2d(2),
            nn.Conv2d(6, 12, 5),
            nn.Tanh(),
            nn.Flatten(),
            nn.Linear(1200, 10),
        ),
    }
    for name, network in made.items():
        network.load_state_dict({k: arrays[f"{name}.{k}"] for k in network.state_dict()})
        network.eval()
    return made


def test_there_are_cases_of_both_networks_and_directions():
    assert {(c["model"], c["direction"]) for c in CASES} == {(m, d) for m in "AB" for d in ("deletion", "insertion")}


@pytest.mark.parametrize("case", CASES, ids=[c["id"] for c in CASES])
def test_map_equals_the_reference(case, arrays, networks):
    inputs, reference = arrays[case["input"]], arrays[case["reference"]]
    blur = GaussianBlur(case["blur_kernel"], case["blur_sigma"])
    made = blur(inputs) if case["direction"] == "insertion" else Zero()(inputs)
    torch.testing.assert_close(made, reference, atol=1e-6, rtol=0)

    samp = SAMP(
        networks[case["model"]],
        case["pixels_per_step"],
        case["momentum"],
        case["ic_tolerance"],
        directions=(case["direction"],),
        insertion_baseline=blur,
        tie_band=1e-6,
    )
    maps = samp.attribute(inputs, target=case["target"]).sum(1)
    expected = arrays[case["id"]]
    assert (maps - expected).abs().max() <= 1e-5 * expected.abs().max()

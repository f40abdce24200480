"""Agreement with the reference numbers of an independent implementation."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from samp_core.baselines import GaussianBlur, Zero
from samp_core.faces import IDG, SAMP, SIG

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


def stored(name: str) -> dict[str, Tensor]:
    with np.load(FOLDER / name) as file:
        return {key: torch.from_numpy(file[key]) for key in file}


SPECTRAL = stored("sig.npz")


@pytest.fixture
def plain_convolution():
    """Convolve without oneDNN: where regions are equal, which pixel a max pool takes is decided by rounding."""
    (before, *_) = torch.backends.mkldnn.set_flags(False)
    yield
    torch.backends.mkldnn.set_flags(before)


@pytest.mark.usefixtures("plain_convolution")
@pytest.mark.parametrize("key", [key for key in SPECTRAL if not key.endswith("middle")])
def test_spectral_ig_equals_its_authors(key, arrays, networks):
    model, *basis, steps, overlap = key.split("-")
    inputs, target = (arrays["xa"], [2, 2, 3]) if model == "A" else (arrays["xb"], [7, 9, 7])
    method = SIG(networks[model], int(steps), float(overlap), "-".join(basis))
    run = method.start(inputs, target)
    states = [step.state for step in run]
    maps, expected = run.result().maps, SPECTRAL[key]
    if f"{key}-middle" in SPECTRAL:
        torch.testing.assert_close(states[int(steps) // 2][:1], SPECTRAL[f"{key}-middle"], atol=1e-5, rtol=0)
    off = (maps - expected).abs().amax((1, 2)) / expected.abs().max()
    # Where neighbours are equal, the processor's rounding decides which one a max pool takes or whether a ReLU opens;
    # the authors' cosines are of single precision besides. That turns one photo of three, and that one by little.
    assert off.sort().values[:-1].max() <= 1e-5
    assert off.max() <= 3e-2


@pytest.mark.parametrize("steps", [20, 50])
def test_integrated_decision_gradients_equal_their_authors(steps, arrays, networks):
    inputs, target = arrays["xa"], torch.tensor([2, 2, 3])
    maps = IDG(networks["A"], steps).attribute(inputs, target)
    with torch.no_grad():
        line = torch.stack([networks["A"](inputs * k / (steps - 1))[range(3), target] for k in range(steps)])
    # One factor for each image: the mean slope weighs 1 here, and is in the square of the score's unit there.
    factor = steps * (line[-1] - line[0]).sign() / line.diff(dim=0).abs().sum(0)
    expected = stored("idg.npz")[f"A-{steps}"] * factor.view(-1, 1, 1, 1)
    assert ((maps - expected).abs().amax((1, 2, 3)) <= 3e-5 * expected.abs().amax((1, 2, 3))).all()

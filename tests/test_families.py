"""Families of networks with random weights: every method gives a finite map or says why not, and changes nothing."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import pytest
import torch

from samp_core.attribution import UnsupportedError
from samp_core.classifiers import Classifier, load_classifier
from samp_core.images import Preprocessing
from samp_core.methods import METHODS, default_settings, make_method
from samp_core.scores import PathError
from tests.test_paths import FEW, assert_same_state, state_of

SIDE = 32
# Small members of families that are built differently: fire modules, channel shuffles, inverted residuals with squeeze
# and excitation and hard swishes, layer norms over channels, shifted windows.
FAMILIES = [
    "squeezenet1_1",
    "shufflenet_v2_x0_5",
    "mobilenet_v3_small",
    "convnext_tiny",
    "swin_t",
]
LONG = {"samp++", "samp-isotonic", "samp-clear", "samp-refined"}  # as samp and samp-steady, with more moves


@pytest.fixture(scope="module", params=FAMILIES)
def family(request: pytest.FixtureRequest) -> Classifier:
    small = Preprocessing(None, (SIDE, SIDE), (0.5,) * 3, (0.5,) * 3, "bilinear")
    return load_classifier(request.param, weights="random", preprocessing=small).prepare()


def few(name: str) -> dict[str, Any]:
    options = METHODS[name].options
    least = {o.name: o.low for o in options if o.name in ("steps", "samples", "masks") and o.low}
    return least | {o.name: FEW[o.name] for o in options if o.name in FEW}


def test_every_method_gives_a_finite_map_or_a_sentence_and_changes_nothing(family):
    inputs = torch.randn(1, 3, SIDE, SIDE, generator=torch.Generator().manual_seed(0))
    before, kept = state_of(family.network), inputs.clone()
    refused = {}
    for name in sorted(set(METHODS) - LONG):
        try:
            found = make_method(family, default_settings(name, **few(name))).attribute(inputs, 3)
        except (UnsupportedError, PathError, ValueError) as refusal:
            refused[name] = str(refusal)
        else:
            assert found.isfinite().all(), name
            assert found.shape[-2:] == (SIDE, SIDE), name
        run = make_method(family, default_settings(name, **few(name))).start(inputs, 3)
        with suppress(*(UnsupportedError, PathError) if name in refused else ()):
            next(iter(run), None)
            run.stop()
            next(iter(run), None)
        assert_same_state(before, family.network)
        assert torch.equal(inputs, kept), name
    assert all(words.endswith(".") for words in refused.values())
    assert not refused.keys() & {"samp", "samp-instant", "ig", "gradient", "grad-cam", "score-cam", "occlusion", "rise"}
    assert refused.keys() >= {"legrad", "rollout"}

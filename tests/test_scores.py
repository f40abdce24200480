"""What is explained: each score against numbers worked out by hand, and the function that evaluates it."""

from __future__ import annotations

import copy
import math
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch
from torch import nn

from samp_core.scores import Contrast, Cost, Logit, LogProbability, PathError, Probability, ScoreFunction, as_target

# Softmax of (0, ln 3, ln 4) is (1, 3, 4) / 8, and of (ln 2, 0, 0) it is (2, 1, 1) / 4.
LOGITS = torch.tensor([[0, math.log(3), math.log(4)], [math.log(2), 0, 0]], dtype=torch.float64)
TARGET = torch.tensor([1, 0])
LABELS = ("bird", "tabby", "tiger cat")
STATES = torch.randn(5, 2, 12, 10, generator=torch.Generator().manual_seed(3), dtype=torch.float64)
IMAGES = torch.tensor([0, 0, 1, 2, 1])  # which of the 3 images each of the states belongs to


def function(forward, target=(0, 2, 1), score=None, extra=(), batch_size=None) -> ScoreFunction:
    made = None if target is None else torch.tensor(target)
    return ScoreFunction(forward, made, Logit() if score is None else score, extra, 3, batch_size)


@pytest.mark.parametrize(
    ("score", "expected", "words"),
    [
        (Logit(), [math.log(3), math.log(2)], "logit of tabby"),
        (Probability(), [3 / 8, 1 / 2], "probability of tabby"),
        (LogProbability(), [math.log(3 / 8), -math.log(2)], "log-probability of tabby"),
        (Contrast(2, 0), [math.log(4), -math.log(2)], "logit of tiger cat minus logit of bird"),
    ],
    ids=str,
)
def test_scores_by_hand(score, expected, words):
    torch.testing.assert_close(score(LOGITS, TARGET), torch.tensor(expected, dtype=torch.float64))
    assert score.describe(LABELS.__getitem__, 1) == words


def test_log_probability_does_not_underflow():
    assert LogProbability()(torch.tensor([[0.0, 1000.0]]), torch.tensor([0])).item() == -1000


def test_contrast_with_itself_is_refused():
    with pytest.raises(ValueError, match="two different classes, but both are class 4"):
        Contrast(4, 4)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (2, [2, 2, 2]),
        ([0, 1, 2], [0, 1, 2]),
        (torch.tensor(1), [1, 1, 1]),
        (2.0, [2, 2, 2]),
        (torch.tensor([0.0, 1.0, 2.0]), [0, 1, 2]),
    ],
)
def test_targets_are_for_all_images_or_for_each(given, expected):
    assert as_target(given, 3, torch.device("cpu")).tolist() == expected


def test_no_target_and_the_wrong_number_of_targets():
    assert as_target(None, 3, torch.device("cpu")) is None
    with pytest.raises(ValueError, match="2 targets were given for 3 images"):
        as_target([0, 1], 3, torch.device("cpu"))


@pytest.mark.parametrize(
    "given", [1.9, [0, 0.5, 1], math.nan, math.inf, True, torch.tensor([True, False, True]), 1j, "tabby", [[1], [0, 2]]]
)
@pytest.mark.usefixtures("no_type_checks")
def test_what_is_no_class_number_is_refused(given):
    with pytest.raises(ValueError, match=r"must be the number of a class.*whole numbers"):
        as_target(given, 3, torch.device("cpu"))


def test_values_and_gradients_are_autograds(smooth):
    score = function(smooth)
    leaf = STATES.clone().requires_grad_()
    expected = smooth(leaf)[range(5), [0, 0, 2, 1, 2]]  # targets 0, 2, 1 of the images that the states belong to
    (expected_gradient,) = torch.autograd.grad(expected.sum(), leaf)
    value, gradient = score.gradients(STATES, IMAGES)
    torch.testing.assert_close(value, expected.detach())
    torch.testing.assert_close(gradient, expected_gradient)
    torch.testing.assert_close(score.values(STATES, IMAGES), expected.detach())


def test_cost_counts_images_and_calls(smooth):
    score = function(smooth, batch_size=2)
    score.gradients(STATES, IMAGES)
    assert score.cost == Cost(gradients=5, forwards=0, batches=3)
    score.values(STATES[:4], IMAGES[:4])
    assert score.cost == Cost(gradients=5, forwards=4, batches=5)
    assert function(smooth).cost == Cost()  # not shared


@pytest.mark.parametrize("size", [1, 2, 5, 99])
def test_chunks_equal_one_batch(size, smooth):
    seen = []

    def counting(x):
        seen.append(len(x))
        return smooth(x)

    chunked, whole = function(counting, batch_size=size), function(smooth)
    torch.testing.assert_close(chunked.gradients(STATES, IMAGES), whole.gradients(STATES, IMAGES))
    torch.testing.assert_close(chunked.values(STATES, IMAGES), whole.values(STATES, IMAGES))
    assert max(seen) == min(size, 5)


@pytest.mark.parametrize("shape", [(-1,), (-1, 1)])
def test_networks_of_one_number_need_no_target(shape):
    score = function(lambda x: x.pow(2).sum((1, 2, 3)).view(shape), None)
    value, gradient = score.gradients(STATES, IMAGES)
    torch.testing.assert_close(value, STATES.pow(2).sum((1, 2, 3)))
    torch.testing.assert_close(gradient, 2 * STATES)


@pytest.mark.parametrize("frozen", [True, False], ids=["frozen", "trainable"])
def test_a_forward_that_detaches_is_an_error_that_says_so(frozen, smooth):
    smooth.requires_grad_(not frozen)
    with pytest.raises(PathError, match=r"no gradient with respect to the image.*detaches"):
        function(lambda x: smooth(x.detach())).gradients(STATES, IMAGES)


@pytest.mark.parametrize(
    ("forward", "target", "says"),
    [
        (lambda x: x.flatten(1), None, "a target class is needed"),
        (lambda x: x.sum((2, 3)).unsqueeze(2), (0, 1, 0), r"shape \(5, 2, 1\).*must be \(images, classes\)"),
        (lambda x: x.sum((1, 2, 3)), (0, 0, 0), r"shape \(5,\).*must be \(images, classes\)"),
    ],
    ids=["missing target", "3-D", "1-D with target"],
)
def test_outputs_that_do_not_fit_are_refused(forward, target, says):
    for ask in ("values", "gradients"):
        with pytest.raises(ValueError, match=says):
            getattr(function(forward, target), ask)(STATES, IMAGES)


def test_what_is_not_finite_is_refused():
    with pytest.raises(PathError, match="returned a score that is not a finite number"):
        function(lambda x: x.sum((2, 3)) * math.inf, (0, 1, 0)).values(STATES, IMAGES)
    with pytest.raises(PathError, match="returned a gradient that is not a finite number"):  # of sqrt at 0
        function(lambda x: x.sum((2, 3)).abs().sqrt(), (0, 1, 0)).gradients(0 * STATES, IMAGES)


def test_further_tensors_are_matched_to_the_images():
    rows = torch.tensor([10.0, 20.0, 30.0], dtype=torch.float64)
    short = torch.tensor([1.0, 2.0], dtype=torch.float64)  # not one for each image: passed as it is
    seen = []

    def forward(x, *extra):
        seen.append(extra)
        return x.sum((1, 2, 3)) * extra[0]

    score = function(forward, None, extra=(rows, short, "mode", torch.tensor(7.0)), batch_size=3)
    value, gradient = score.gradients(STATES, IMAGES)
    expected = torch.tensor([10.0, 10, 20, 30, 20], dtype=torch.float64)
    torch.testing.assert_close(value, STATES.sum((1, 2, 3)) * expected)
    torch.testing.assert_close(gradient, expected.view(-1, 1, 1, 1).expand_as(STATES))
    assert [e[0].tolist() for e in seen] == [[10, 10, 20], [30, 20]]
    assert all(e[1] is short and e[2] == "mode" and e[3].item() == 7 for e in seen)


def test_gradients_under_no_grad_and_in_a_thread(smooth):
    expected = function(smooth).gradients(STATES, IMAGES)
    with torch.no_grad():
        torch.testing.assert_close(function(smooth).gradients(STATES, IMAGES), expected)
        assert not torch.is_grad_enabled()
    with ThreadPoolExecutor(1) as pool:
        torch.testing.assert_close(pool.submit(function(smooth).gradients, STATES, IMAGES).result(), expected)


def test_the_network_is_left_as_it_was(smooth):
    network = nn.Sequential(smooth, nn.BatchNorm1d(3).double(), nn.Dropout(0.5)).train()
    before = copy.deepcopy(network.state_dict())
    first, second = (function(network).gradients(STATES, IMAGES) for _ in range(2))
    torch.testing.assert_close(first, second, rtol=0, atol=0)  # no dropout
    function(network).values(STATES, IMAGES)
    torch.testing.assert_close(network.state_dict(), before, rtol=0, atol=0)  # running statistics among them
    assert all(module.training for module in network.modules())
    assert all(p.requires_grad and p.grad is None for p in network.parameters())
    assert not STATES.requires_grad

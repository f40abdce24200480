"""Accumulation rules: each on small paths worked out by hand, and the orders to which they are exact."""

from __future__ import annotations

import math

import pytest
import torch

from samp_core.faces import SAMP, IntegratedGradients
from samp_core.paths import Endpoints, Step
from samp_core.rules import RULES, Completeness, Isotonic, Rule


def images(*rows) -> torch.Tensor:
    """Return one-channel images of one row each."""
    return torch.tensor(rows, dtype=torch.float64).view(len(rows), 1, 1, -1)


def accumulate(name: str, states: torch.Tensor, gradient_of, sign: float = 1.0, steering=None, nodes: int = 3) -> Rule:
    """Feed one path through ``states`` (K + 1, C, H, W) to a rule, to its end."""
    ends = Endpoints(states[:1], states[-1:], states.new_tensor([sign]))
    rule = RULES[name].make(ends, gradient_of, nodes)
    one = torch.zeros(1, dtype=torch.long)
    for k in range(len(states) - 1):
        state = states[k : k + 1]
        score, gradient = gradient_of(state, one)
        steer = gradient if steering is None else steering[k : k + 1]
        rule.add(Step(k, torch.tensor([True]), state, states[k + 1 : k + 2] - state, score, gradient, steer))
    score, gradient = gradient_of(states[-1:], one)
    rule.close(score, gradient if rule.wants_final_gradient else None)
    return rule


def quadratic(states, paths):
    """f(x, y) = x**2 + 3 x y, of gradient (2 x + 3 y, 3 x)."""
    x, y = states[:, 0, 0, 0], states[:, 0, 0, 1]
    return x**2 + 3 * x * y, torch.stack([2 * x + 3 * y, 3 * x], 1).view_as(states)


# The states (0, 0), (1, 0), (1, 2) have scores 0, 1, 7 and gradients (0, 0), (2, 3), (8, 3).
# Upwards: paper 0 * 1 and 3 * 2; the mean gradients are 1 and 3, so 1 * 1 and 3 * 2; gains 1 then 6 rise, so they are
# pooled to 3.5 each. Downwards: paper 3 * -2 and 2 * -1; means 3 * -2 and 1 * -1; the losses 6 then 1 fall already.
@pytest.mark.parametrize(
    ("name", "upwards", "downwards"),
    [
        ("paper", [0, 6], [-2, -6]),
        ("trapezoid", [1, 6], [-1, -6]),
        ("gauss", [1, 6], [-1, -6]),
        ("isotonic", [3.5, 3.5], [-1, -6]),
        ("spread", [3.5, 3.5], [-1, -6]),  # one pixel a move: nothing to set apart
        ("monotone", [3.5, 3.5], [-1, -6]),  # no detour
        ("half", [3.5, 3.5], [-1, -6]),
        # A tenth of 7 by place: the first of two equal ways has half of the whole and then half of the rest to come.
        ("ordered", [0.9 * 3.5 + 0.7, 0.9 * 3.5], [-0.9, -0.9 * 6 - 0.7]),
        # A hundredth; one pixel a move: nothing to draw together.
        ("falling", [0.99 * 3.5 + 0.07, 0.99 * 3.5], [-0.99, -0.99 * 6 - 0.07]),
        ("idgi", [1, 6], [-1, -6]),  # in each move one value moves and takes the whole gain
    ],
)
def test_rules_by_hand(name, upwards, downwards):
    states = images([0, 0], [1, 0], [1, 2])
    for path, sign, expected in ((states, 1.0, upwards), (states.flip(0), -1.0, downwards)):
        torch.testing.assert_close(accumulate(name, path, quadratic, sign).total(), images(expected))


def test_there_is_a_worked_example_of_every_rule():
    own = {name for name, rule in RULES.items() if rule.kind.__module__.startswith("samp_core.")}
    assert own == {
        "paper",
        "trapezoid",
        "gauss",
        "isotonic",
        "spread",
        "monotone",
        "half",
        "ordered",
        "falling",
        "idgi",
    }


def test_what_counts_is_steering_for_paper_and_the_gradient_for_integrals():
    states = images([0, 0], [1, 0], [1, 2])
    steering = images([5, 0], [0, -1])  # 5 * 1 and -1 * 2
    torch.testing.assert_close(accumulate("paper", states, quadratic, steering=steering).total(), images([5, -2]))
    for name in ("trapezoid", "gauss"):
        torch.testing.assert_close(accumulate(name, states, quadratic, steering=steering).total(), images([1, 6]))


def test_open_ends_count_what_is_known():
    """Before the path is closed, trapezoid extrapolates its newest move and isotonic leaves it out."""
    states = images([0, 0], [1, 0], [1, 2])
    ends = Endpoints(states[:1], states[-1:], torch.ones(1, dtype=torch.float64))
    rules = {name: RULES[name].make(ends, quadratic) for name in ("trapezoid", "isotonic")}
    for rule in rules.values():
        assert rule.total().abs().sum() == 0
        for k in range(2):
            score, gradient = quadratic(states[k : k + 1], None)
            move = states[k + 1 : k + 2] - states[k : k + 1]
            rule.add(Step(k, torch.tensor([True]), states[k : k + 1], move, score, gradient, gradient))
    torch.testing.assert_close(rules["trapezoid"].total(), images([1, 6]))  # 3 * 2 with the gradient at (1, 0)
    torch.testing.assert_close(rules["isotonic"].total(), images([1, 0]))


def table(scores, channels: int = 1):
    """Make a gradient function that gives these scores one after the other, and gradients of 1."""
    left = list(scores)
    return lambda states, paths: (torch.tensor([left.pop(0)], dtype=torch.float64), torch.ones_like(states))


def test_isotonic_pools_adjacent_violators():
    """Gains 5, 1, 3, 0 of equal masses: 1 and 3 violate the order and become 2 each."""
    states = images([0, 0, 0, 0], [1, 0, 0, 0], [1, 1, 0, 0], [1, 1, 1, 0], [1, 1, 1, 1])
    rule = accumulate("isotonic", states, table([0, 5, 6, 9, 9]))
    torch.testing.assert_close(rule.total(), images([5, 2, 2, 0]))
    assert isinstance(rule, Isotonic)
    assert rule.densities()[0].tolist() == [5, 2, 2, 0]


def test_isotonic_weighs_by_mass_and_deals_by_promise():
    """Gains 5, 2, 4 of masses 1, 2, 1 are densities 5, 1, 4; the last two pool to (2 + 4) / (2 + 1) = 2.

    So the second move has 2 * 2 = 4 to deal out, in proportion to |steering * move| = 1 and 3, and the last has 2.
    """
    states = images([0, 0, 0, 0], [9, 0, 0, 0], [9, 1, -1, 0], [9, 1, -1, 1])
    steering = images([1, 0, 0, 0], [0, 1, 3, 0], [0, 0, 0, 1])
    rule = accumulate("isotonic", states, table([0, 5, 7, 11]), steering=steering)
    torch.testing.assert_close(rule.total(), images([5, 1, 3, 2]))


@pytest.mark.parametrize(
    ("scores", "expected"),
    [
        # Densities 2 and 2, so by promise 3, 1, 3, 1: the middle two are drawn together. Of a hundredth of 8 by place,
        # one with three pixels to come has 3 of 6.
        ([0, 4, 8], [2.97 + 0.04, 1.98 + 0.08 / 3, 1.98 + 0.04 / 3, 0.99]),
        # Nothing, then -3 and -1, which rise; by place the last has most of a fall.
        ([4, 4, 0], [0, -0.02 / 3, -1.98 - 0.04 / 3, -1.98 - 0.02]),
    ],
)
def test_falling_keeps_the_order_of_the_path(scores, expected):
    states = images([0, 0, 0, 0], [1, 1, 0, 0], [1, 1, 1, 1])
    steering = images([3, 1, 0, 0], [0, 0, 3, 1])
    torch.testing.assert_close(
        accumulate("falling", states, table(scores), steering=steering).total(), images(expected)
    )


def test_falling_moves_credit_between_two_moves_of_one_pixel_too():
    """Halves of two pixels by turns: each has the mean of its credits, and the sum stays as it is."""
    states = images([0, 0], [1, 0], [1, 1], [2, 1], [2, 2])
    found = accumulate("falling", states, table([0, 4, 5, 9, 9.5])).total().flatten()
    assert found.sum().item() == pytest.approx(9.5)
    assert found[0] > found[1] > 0


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        # Gains 6, -2, 1 of masses 2, 1, 1 are densities 3, -2, 1; the last two pool to -0.5. The densities' standard
        # deviation by mass is 1.75: 0.3 of it down and up, as the promises 1 and 3 are one of theirs from their mean.
        ("spread", [3 - 0.3 * 1.75, 3 + 0.3 * 1.75, -0.5, -0.5]),
        # 6 is beyond the end, so 5; 5 and 4 pool to 4.5. Gains 4.5, 0, 0.5; the last two pool to 0.25.
        ("monotone", [4.5 / 4, 4.5 * 3 / 4, 0.25, 0.25]),
        # Densities (3 + 2.25) / 2 and (-0.5 + 0.25) / 2, with a deviation of 1.375.
        # Half of it by promise, 5.25 / 4 and three times that, half of it 0.3 of the deviation down and up.
        ("half", [(5.25 / 4 + 2.625 - 0.3 * 1.375) / 2, (5.25 * 3 / 4 + 2.625 + 0.3 * 1.375) / 2, -0.125, -0.125]),
    ],
)
def test_rules_that_iron_out_detours_and_keep_the_order_of_the_promise(name, expected):
    states = images([0, 0, 0, 0], [1, 1, 0, 0], [1, 1, 1, 0], [1, 1, 1, 1])
    steering = images([1, 3, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1])
    rule = accumulate(name, states, table([0, 6, 4, 5]), steering=steering)
    torch.testing.assert_close(rule.total(), images(expected))
    # Away from the image, where the score should fall: the same numbers, as what each pixel takes away.
    away = accumulate(name, states.flip(0), table([5, 4, 6, 0]), -1.0, steering=torch.zeros_like(states))
    assert away.total().sum().item() == pytest.approx(-5)


def test_no_pixel_is_set_further_apart_than_three_deviations():
    """One of 100 pixels has all the promise: 9.9 deviations above the mean, drawn in to 3, and the rest made up for."""
    states = torch.zeros(3, 1, 1, 101, dtype=torch.float64)
    states[1:, :, :, :100] = 1
    states[2:, :, :, 100] = 1
    steering = torch.zeros_like(states)
    steering[0, 0, 0, 0] = 1000
    total = accumulate("spread", states, table([0, 100, 100]), steering=steering).total().flatten()
    assert total.sum().item() == pytest.approx(100)
    deviation = math.sqrt(100 / 101 * 1 / 101)  # densities 1 of mass 100 and 0 of mass 1
    others = -1 / math.sqrt(99)
    mean = (3 + 99 * others) / 100
    assert total[0].item() == pytest.approx(1 + 0.3 * deviation * (3 - mean))
    assert total[1].item() == pytest.approx(1 + 0.3 * deviation * (others - mean))


def test_isotonic_without_any_promise_deals_by_way():
    states = images([0, 0, 0], [1, 1, 0], [1, 1, 4])
    rule = accumulate("isotonic", states, table([0, 6, 7]), steering=torch.zeros_like(states))
    torch.testing.assert_close(rule.total(), images([3, 3, 1]))


def test_isotonic_adds_the_parts_of_a_pixels_way():
    """Pixel 0 goes a quarter and three quarters of its way: gains 4 and 3 are densities 16 and 4, and stay."""
    rule = accumulate("isotonic", images([0, 0], [1, 0], [4, 0], [4, 1]), table([0, 4, 7, 8]))
    torch.testing.assert_close(rule.total(), images([7, 1]))
    assert rule.densities()[0].tolist() == [16, 4, 1]


def test_isotonic_shares_a_pixel_among_its_channels():
    states = torch.zeros(3, 2, 1, 2, dtype=torch.float64)
    states[1:, 0, 0, 0] = 1  # only channel 0 of pixel 0 moves
    states[2:, :, 0, 1] = 1
    total = accumulate("isotonic", states, table([0, 6, 8])).total()
    assert total.tolist() == [[[[3, 1]], [[3, 1]]]]


@pytest.mark.parametrize("n", range(1, 6))
def test_gauss_is_exact_up_to_degree_2n_minus_1(n):
    """The gradient of x**(d + 1) has degree d."""

    def error(degree):
        def power(states, paths):
            return states.pow(degree + 1).sum((1, 2, 3)), (degree + 1) * states.pow(degree)

        total = accumulate("gauss", images([0.3], [1.7]), power, nodes=n).total().item()
        return abs(total / (1.7 ** (degree + 1) - 0.3 ** (degree + 1)) - 1)

    assert error(2 * n - 1) < 1e-13
    assert error(2 * n) > 1e-7


def test_trapezoid_is_exact_for_quadratics_and_paper_is_not(toys):
    generator = torch.Generator().manual_seed(5)
    curvature = torch.randn(240, 240, generator=generator, dtype=torch.float64)

    def forward(x):
        return ((x.flatten(1) @ curvature) * x.flatten(1)).sum(1)

    for make in (
        lambda rule: SAMP(forward, 30, 0.5, 0.3, accumulation=rule),
        lambda rule: IntegratedGradients(forward, 3, accumulation=rule),
    ):
        assert make("trapezoid").explain(toys).completeness.relative.max() < 1e-4  # arrival leaves 1e-5 of a pixel
        assert make("paper").explain(toys).completeness.relative.min() > 1e-2


@pytest.mark.parametrize("nodes", [1, 4])
@pytest.mark.parametrize("name", RULES)
def test_rule_gradients_is_what_a_rule_costs_beyond_paper(name, nodes, smooth, toys):
    for make in (
        lambda rule: SAMP(smooth, 30, 0.5, 0.3, accumulation=rule, gauss_nodes=nodes),
        lambda rule: IntegratedGradients(smooth, 5, accumulation=rule, gauss_nodes=nodes),
    ):
        paper, other = (make(rule).explain(toys, 0) for rule in ("paper", name))
        expected = sum(RULES[name].gradients(steps, nodes) for steps in other.steps.flatten().tolist())
        assert other.cost.gradients - paper.cost.gradients == expected
        # Every path's end is evaluated, with or without a gradient, unless it is where another path began.
        assert other.cost.forwards == (0 if name == "trapezoid" else len(toys))


def test_rules_refuse_what_they_do_not_know():
    ends = Endpoints(images([0]), images([1]), torch.ones(1, dtype=torch.float64))
    with pytest.raises(ValueError, match=r"no accumulation rule 'simpson'.*paper, trapezoid, gauss, isotonic"):
        RULES.require("simpson")
    with pytest.raises(ValueError, match="at least one node a move, not 0"):
        RULES["gauss"].make(ends, quadratic, 0)


def test_rules_that_deal_out_measured_changes_are_no_integrals():
    own = {name: rule.is_integral for name, rule in RULES.items() if rule.kind.__module__.startswith("samp_core.")}
    assert own == {
        "paper": True,
        "trapezoid": True,
        "gauss": True,
        "isotonic": False,
        "spread": False,
        "monotone": False,
        "half": False,
        "ordered": False,
        "falling": False,
        "idgi": False,
    }


def test_completeness():
    made = Completeness(
        torch.tensor([[1.04, -2.0, 0.0, 0.5]], dtype=torch.float64),
        torch.tensor([[1.0, -1.0, 0.0, 0.0]], dtype=torch.float64),
    )
    torch.testing.assert_close(made.gap, torch.tensor([[0.04, -1, 0, 0.5]], dtype=torch.float64))
    torch.testing.assert_close(made.relative, torch.tensor([[0.04, 1, 0, math.inf]], dtype=torch.float64))
    assert made.holds().tolist() == [[True, False, True, False]]
    assert made.holds(0.03).tolist() == [[False, False, True, False]]
    assert made.holds(1.0).tolist() == [[True, True, True, False]]

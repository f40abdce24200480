"""Exact properties, in float64 on toy networks, of every path and every rule that is registered."""

from __future__ import annotations

import copy
import itertools
import math
from functools import partial

import pytest
import torch
from torch import nn

from samp_core.attribution import AttributionMethod
from samp_core.baselines import GaussianBlur, Mean
from samp_core.faces import SAMP, GuidedIG, IntegratedGradients
from samp_core.images import Preprocessing
from samp_core.methods import METHODS, default_settings, make_method
from samp_core.paths import Endpoints, GreedyPath, StraightPath
from samp_core.rules import RULES, Isotonic
from samp_core.scores import Contrast, PathError

BLUR = GaussianBlur(5, 2.0)
TOY = Preprocessing(None, (12, 10), (0.0,), (1.0,))


FEW = {"searches": 3, "sweeps": 2, "states": 3}
"""Enough for methods that search several times: drafts that differ, changed more than once."""


def declared(name: str, net: nn.Module, rule: str, *, batch_size: int = 64, gauss_nodes: int = 16) -> AttributionMethod:
    """Build a registered method with few steps for the toy networks; "tight" has the many short moves of SAMP++."""
    changes = {"accumulation": rule, "batch_size": batch_size, "gauss_nodes": gauss_nodes, "steps": 9}
    if METHODS[name].defaults.options.get("ic_tolerance"):
        changes["ic_tolerance"] = 0.1
    if METHODS[name].option("restart"):
        changes["step"] = 0.004  # so that several steps are needed
    changes |= {option: few for option, few in FEW.items() if METHODS[name].option(option)}
    return METHODS[name].make(net, TOY, default_settings(name, **changes).settled())


PATHS = {name: partial(declared, name) for name, method in METHODS.items() if method.has_path}
PATHS |= {
    "pixels": lambda net, rule, **k: SAMP(
        net, pixels_per_step=13, ic_tolerance=0.1, insertion_baseline=BLUR, accumulation=rule, **k
    ),
    "tight": lambda net, rule, **k: SAMP(
        net, steps=4, momentum=0.9, ic_tolerance=0.04, insertion_baseline=BLUR, accumulation=rule, **k
    ),
    "wide": lambda net, rule, **k: GuidedIG(net, 9, BLUR, max_dist=0.1, accumulation=rule, **k),
}
TARGET = [0, 2, 1]
every_path = pytest.mark.parametrize("make", PATHS.values(), ids=PATHS)
# Rules know nothing of paths: all of them on four paths of different kinds, and the published one and another, by
# turns, on every path.
THOROUGH = ("samp++", "tight", "ig", "agi")
PAIRS = {
    f"{rule}-{name}": (make, rule)
    for turn, (name, make) in enumerate(PATHS.items())
    for place, rule in enumerate(RULES)
    if name in THOROUGH or rule == "paper" or place == 1 + turn % (len(RULES) - 1)
}
every_pair = pytest.mark.parametrize(("make", "rule"), PAIRS.values(), ids=PAIRS)


def around(network: nn.Module):
    """Return what is kept beside a network's numbers."""
    return (
        [m.training for m in network.modules()],
        [p.requires_grad for p in network.parameters()],
        [p.grad for p in network.parameters()],
        [len(m._forward_hooks) + len(m._backward_hooks) for m in network.modules()],
    )


def state_of(network: nn.Module):
    return copy.deepcopy(network.state_dict()), around(network)


def assert_same_state(before, network: nn.Module):
    numbers, rest = before
    now = network.state_dict()
    assert now.keys() == numbers.keys()
    changed = [name for name, value in now.items() if not torch.equal(value, numbers[name])]
    assert not changed, changed
    assert around(network) == rest


@every_path
def test_moves_sum_to_end_minus_start(make, smooth, toys):
    run = make(smooth, "paper").start(toys, TARGET)
    moves = sum(step.move for step in run.moves())
    torch.testing.assert_close(moves, run.ends.end - run.ends.start, atol=1e-7, rtol=1e-5)
    assert run.result().finished


@every_path
def test_each_state_is_the_last_one_plus_its_move(make, smooth, toys):
    run = make(smooth, "paper").start(toys, TARGET)
    steps = list(run.moves())
    torch.testing.assert_close(steps[0].state, run.ends.start)
    for before, after in itertools.pairwise(steps):
        torch.testing.assert_close(after.state, before.state + before.move, atol=1e-12, rtol=1e-12)


@every_path
def test_scores_and_gradients_are_those_of_the_states(make, smooth, toys):
    run = make(smooth, "paper").start(toys, TARGET)
    target = torch.tensor(TARGET).repeat(run.paths // 3)
    for step in itertools.islice(run.moves(), 5):
        leaf = step.state.clone().requires_grad_()
        score = smooth(leaf).gather(1, target.unsqueeze(1)).squeeze(1)
        (gradient,) = torch.autograd.grad(score.sum(), leaf)
        torch.testing.assert_close(step.score[step.active], score.detach()[step.active])
        torch.testing.assert_close(step.gradient[step.active], gradient[step.active])


@every_pair
def test_linear_network_is_complete_to_rounding(make, rule, linear, toys):
    explanation = make(linear, rule).explain(toys, TARGET)
    assert explanation.completeness.relative.max() < 1e-5  # arrival leaves up to 1e-5 of a pixel's end value
    moved = explanation.steps > 0  # an open path may be where it leads from the first
    assert moved.any()
    assert (explanation.completeness.targets[moved].abs() > 1e-3).all()


MEASURED = [name for name, rule in RULES.items() if not rule.is_integral]
MEASURED_PAIRS = {name: pair for name, pair in PAIRS.items() if pair[1] in MEASURED}


@pytest.mark.parametrize(("make", "rule"), MEASURED_PAIRS.values(), ids=MEASURED_PAIRS)
def test_measured_changes_are_complete_to_rounding(make, rule, smooth, toys):
    run = make(smooth, rule).start(toys, TARGET)
    for _ in run:
        pass
    explanation = run.result()
    assert explanation.completeness.gap.abs().max() < 1e-12
    with torch.no_grad():
        scores = smooth(toys)[range(3), TARGET]
        for d, direction in enumerate(explanation.directions):
            other = run.ends.start if direction == "insertion" else run.ends.end
            change = scores - smooth(other[3 * d : 3 * d + 3])[range(3), TARGET]
            torch.testing.assert_close(explanation.by_direction[d].sum((1, 2, 3)), change)


@every_path
def test_isotonic_densities_never_increase(make, smooth, toys):
    run = make(smooth, "isotonic").start(toys, TARGET)
    for _ in run:
        pass
    run.result()
    assert isinstance(run._rule, Isotonic)
    for path, density in enumerate(run._rule.densities()):
        assert len(density) == run._steps[path]
        assert (density[1:] <= density[:-1] + 1e-12).all()
        if make in (PATHS["samp"], PATHS["samp++"], PATHS["tight"]):  # on a line one pooled block is a valid fit
            assert density[0] > density[-1]


@every_path
def test_monotone_credits_have_one_sign(make, smooth, toys):
    explanation = make(smooth, "monotone").explain(toys, TARGET)
    change = explanation.completeness.targets[:, :, None, None, None]
    assert (explanation.by_direction * change.sign() >= -1e-12).all()


@every_path
def test_spread_keeps_the_order_of_the_promise_inside_a_move(make, smooth, toys):
    """Unless they go in several moves; without a deviation of the densities all are equal."""
    run = make(smooth, "spread").start(toys, TARGET)
    steps = list(run.moves())
    result = run.result().by_direction.sum(2).flatten(0, 1)
    for p in range(run.paths):
        moved = torch.stack([step.way[p] > 0 for step in steps])
        once = moved.sum(0) == 1
        for step, here in zip(steps, moved, strict=True):
            promise = run.ends.sign[p] * (step.steering * step.move)[p].sum(0)[here & once]
            credit = result[p][here & once][promise.argsort()]
            assert (credit.diff() >= -1e-12).all()


@every_pair
def test_batch_equals_one_at_a_time(make, rule, smooth, toys):
    method = make(smooth, rule)
    together = method.explain(toys, TARGET)
    for n in range(3):
        alone = method.explain(toys[n : n + 1], TARGET[n])
        torch.testing.assert_close(together.attributions[n], alone.attributions[0], atol=1e-10, rtol=1e-8)
        torch.testing.assert_close(together.order[n], alone.order[0])
        k = len(alone.scores)
        torch.testing.assert_close(together.scores[:k, :, n], alone.scores[:, :, 0], equal_nan=True)


@every_path
def test_small_network_batches_change_nothing(make, smooth, toys):
    few, all_at_once = (make(smooth, "gauss", batch_size=size, gauss_nodes=3) for size in (2, 64))
    torch.testing.assert_close(few.attribute(toys, TARGET), all_at_once.attribute(toys, TARGET))


@every_path
def test_gauss_is_the_best_integral_and_trapezoid_beats_paper(make, smooth, toys):
    paper, trapezoid, gauss = (
        make(smooth, rule).explain(toys, TARGET).completeness.gap.abs().mean()
        for rule in ("paper", "trapezoid", "gauss")
    )
    assert gauss < 1e-6
    assert gauss < trapezoid < paper


def test_smaller_ic_tolerance_shrinks_the_gap_of_trapezoid(smooth, toys):
    gaps = [
        SAMP(smooth, 40, 0.0, ic, insertion_baseline=BLUR, accumulation="trapezoid")
        .explain(toys, TARGET)
        .completeness.gap.abs()
        .mean()
        for ic in (0.5, 0.1, 0.02)
    ]
    assert gaps[0] > gaps[1] > gaps[2]


@every_pair
def test_network_and_input_stay_as_they_were(make, rule, smooth, toys):
    network = nn.Sequential(smooth, nn.BatchNorm1d(3).double(), nn.Dropout(0.5))
    network[1].eval()  # a mixture of modes has to survive
    inputs, before = toys.clone().requires_grad_(), state_of(network)
    attributions = make(network, rule).attribute(inputs, TARGET)
    assert_same_state(before, network)
    assert torch.equal(inputs, toys)
    assert inputs.grad is None
    assert not attributions.requires_grad
    # The dropout was off: the result is the same again.
    torch.testing.assert_close(make(network, rule).attribute(inputs, TARGET), attributions)


class Failing(nn.Module):
    """Fails, or returns NaN, at its third call."""

    def __init__(self, network: nn.Module, nan: bool = False) -> None:
        super().__init__()
        self.network, self.nan, self.calls = network, nan, 0

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.calls += 1
        if self.calls == 3:
            if self.nan:
                return self.network(x) * math.nan
            raise RuntimeError("it broke, say")
        return self.network(x)


@pytest.mark.parametrize("name", ["samp", "samp++"])
def test_failure_leaves_everything_and_a_partial_map(name, smooth, toys):
    network = Failing(smooth).train()
    before = state_of(network)
    run = PATHS[name](network, "paper").start(toys, TARGET)
    with pytest.raises(RuntimeError, match="it broke"):
        for _ in run:
            pass
    assert_same_state(before, network)
    partial = run.result()
    assert not partial.finished
    assert partial.steps.max() == 2


def test_nan_is_an_error_that_says_so(smooth, toys):
    with pytest.raises(PathError, match="not a finite number"):
        PATHS["samp"](Failing(smooth, nan=True), "paper").attribute(toys, TARGET)
    with pytest.raises(PathError, match="image holds values"):
        PATHS["samp"](smooth, "paper").attribute(toys * math.inf, TARGET)


@every_pair
def test_stopped_run_gives_a_valid_partial_map(make, rule, smooth, toys):
    before = state_of(smooth)
    run = make(smooth, rule).start(toys, TARGET)
    steps = list(itertools.islice(run.moves(), 3))
    run.stop()
    assert list(run) == []
    partial = run.result()
    assert_same_state(before, smooth)
    assert not partial.finished
    assert "Stopped early" in partial.notes[0]
    assert partial.scores.shape == (4, len(partial.directions), 3)
    # Credit goes only to pixels that moved, and the target is the change so far.
    moved = sum(s.move.abs().sum(1) for s in steps).view(len(partial.directions), 3, 12, 10).sum(0) > 0
    assert partial.maps[~moved].abs().sum() == 0
    assert partial.maps[moved].abs().sum() > 0
    last = partial.scores.gather(0, partial.steps.unsqueeze(0)).squeeze(0)
    torch.testing.assert_close(partial.completeness.targets, run.ends.sign.view(-1, 3) * (last - partial.scores[0]))
    if rule in MEASURED:
        assert partial.completeness.gap.abs().max() < 1e-12
    assert run.result() is partial


def test_watching_a_run_does_not_change_it(smooth, toys):
    run = PATHS["samp++"](smooth, "trapezoid").start(toys, TARGET)
    for _ in run:
        run.partial()
        run.order()
    torch.testing.assert_close(run.result().attributions, PATHS["samp++"](smooth, "trapezoid").attribute(toys, TARGET))


# -- the greedy search ------------------------------------------------------------------------------------------------


def search(network, images, **settings):
    """Walk both directions; returns the steps of each."""
    return list(SAMP(network, insertion_baseline=BLUR, **settings).walk(images, TARGET))


def test_each_greedy_move_takes_the_pixels_that_promise_most(smooth, toys):
    for step in search(smooth, toys, pixels_per_step=13, momentum=0.5, ic_tolerance=None):
        ends = torch.cat([torch.zeros_like(toys), toys])
        sign = torch.tensor([-1.0] * 3 + [1.0] * 3, dtype=torch.float64).view(-1, 1, 1)
        promise = (step.steering * (ends - step.state)).sum(1) * sign
        is_open = (ends - step.state).abs().sum(1) > 1e-9
        for p in range(6):
            moved = step.move[p].abs().sum(0) > 0
            taken, left = promise[p][moved], promise[p][is_open[p] & ~moved]
            assert moved.sum() == min(13, is_open[p].sum())
            assert not len(left) or taken.min() >= left.max()


def test_momentum_mixes_the_gradients(smooth, toys):
    steps = search(smooth, toys, pixels_per_step=13, momentum=0.7, ic_tolerance=None)
    torch.testing.assert_close(steps[0].steering, steps[0].gradient)
    for before, after in itertools.pairwise(steps):
        torch.testing.assert_close(after.steering, 0.3 * after.gradient + 0.7 * before.steering)


def test_no_move_exceeds_the_tolerance(smooth, toys):
    run = SAMP(smooth, 40, 0.5, 0.02, insertion_baseline=BLUR).start(toys, TARGET)
    whole = (run.ends.end - run.ends.start).abs().sum((1, 2, 3))
    lengths = torch.stack([s.move.abs().sum((1, 2, 3)) / whole for s in run])
    assert lengths.max() <= 0.02 * (1 + 1e-9)
    assert (lengths > 0.0199).any()


def test_tie_band_takes_ties_and_default_takes_exactly_s(toys):
    flat = nn.Sequential(nn.Flatten(), nn.Linear(240, 3)).double()
    nn.init.constant_(flat[1].weight, 1.0)
    ones = torch.ones_like(toys)
    settings = {"pixels_per_step": 7, "momentum": 0.0, "ic_tolerance": None, "directions": ("deletion",)}
    (step, *_) = SAMP(flat, **settings).walk(ones, TARGET)
    assert (step.move.abs().sum(1) > 0).sum((1, 2)).tolist() == [7] * 3
    (step, *rest) = SAMP(flat, tie_band=1e-6, **settings).walk(ones, TARGET)
    assert (step.move.abs().sum(1) > 0).sum((1, 2)).tolist() == [120] * 3
    assert not rest


def test_arrived_images_leave_the_batch(smooth, toys):
    images = toys.clone()
    images[1, :, 3:] = 0  # two thirds of this image are already blank, so its deletion is short
    sizes = []

    def counting(x):
        sizes.append(len(x))
        return smooth(x)

    run = SAMP(counting, 10, 0.0, None, directions=("deletion",)).start(images, TARGET)
    for _ in run:
        pass
    result = run.result()
    assert result.steps.tolist() == [[12, 3, 12]]
    assert sizes == [3] * 3 + [2] * 9 + [3]  # the last call is the score of the ends
    assert result.cost.gradients == 3 * 3 + 2 * 9
    assert torch.isnan(result.scores[4:, 0, 1]).all()
    assert not torch.isnan(result.scores[:4, 0, 1]).any()


@pytest.mark.parametrize(("size", "ic"), [(3584, None), (3584, 0.02), (1000, 0.05), (13, 0.3), (7, 1.0)])
def test_step_bound_holds_and_estimate_is_near(size, ic, smooth):
    images = torch.randn(2, 2, 24, 20, dtype=torch.float64, generator=torch.Generator().manual_seed(3))
    samp = SAMP(smooth, size, 0.5, ic, insertion_baseline=BLUR)
    estimate = samp.estimate(24, 20)
    steps = samp.explain(images, 0).steps
    assert steps.max() <= estimate.step_bound
    assert estimate.steps <= estimate.step_bound
    assert abs(estimate.steps - steps.double().mean()) <= 0.35 * steps.double().mean() + 2


def test_steps_and_pixels_per_step_are_two_names_of_one_thing(smooth, toys):
    by_steps = SAMP(smooth, steps=9, insertion_baseline=BLUR)
    assert by_steps.path.pixels(12, 10) == 14
    by_size = SAMP(smooth, pixels_per_step=14, insertion_baseline=BLUR)
    torch.testing.assert_close(by_steps.attribute(toys, TARGET), by_size.attribute(toys, TARGET))


def test_hopeless_search_is_refused_before_it_begins(smooth, toys):
    with pytest.raises(PathError, match="1,000,000,000 moves"):
        SAMP(smooth, ic_tolerance=1e-9).attribute(toys, TARGET)
    with pytest.raises(PathError, match="at least 120 moves"):
        SAMP(smooth, 1, ic_tolerance=None, max_steps=100).attribute(toys, TARGET)


def test_a_search_that_hits_its_bound_says_so(smooth, toys):
    # Certain to need 50 moves, so 52 are allowed to start; it takes more, and ends with what it has.
    samp = SAMP(smooth, 20, 0.5, 0.02, insertion_baseline=BLUR, max_steps=51)
    explanation = samp.explain(toys, TARGET)
    assert not explanation.finished
    assert explanation.steps.max() == 51
    with pytest.raises(PathError, match="max_steps"):
        samp.attribute(toys, TARGET)


def test_the_score_of_the_image_is_asked_for_once(smooth, toys):
    explanation = SAMP(smooth, 13, 0.0, None, insertion_baseline=BLUR).explain(toys, TARGET)
    deletion, insertion = explanation.scores[:, 0], explanation.scores[:, 1]
    assert torch.equal(insertion[-1], deletion[0])
    assert explanation.cost.forwards == 3  # the blank ends
    with torch.no_grad():
        torch.testing.assert_close(insertion[-1], smooth(toys)[range(3), TARGET])
        torch.testing.assert_close(deletion[-1], smooth(0 * toys)[range(3), TARGET])


def test_path_without_length_is_zero_and_says_so(smooth):
    blank = torch.zeros(1, 2, 12, 10, dtype=torch.float64)
    explanation = SAMP(smooth, 13, insertion_baseline=BLUR).explain(blank, 0)
    assert explanation.finished
    assert explanation.maps.abs().sum() == 0
    assert len(explanation.notes) == 2
    assert "equals its baseline" in explanation.notes[0]
    assert explanation.completeness.relative.tolist() == [[0.0], [0.0]]
    assert "no length" in IntegratedGradients(smooth).explain(blank, 0).notes[0]


@pytest.mark.parametrize("alone", [True, False])
def test_an_image_that_equals_its_baseline_but_for_rounding_is_zero_and_says_so(alone):
    images = torch.randn(2, 2, 12, 10, generator=torch.Generator().manual_seed(3))
    images[1] = 0.7

    def rounded(images):
        return Mean()(images) * (1 + 2e-6)  # as sums of many numbers are, by how many there are

    assert not torch.equal(rounded(images[1:]), images[1:])
    torch.manual_seed(0)
    network = nn.Sequential(nn.Conv2d(2, 4, 3), nn.Tanh(), nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(16, 3))
    samp = SAMP(network, 13, ic_tolerance=0.1, deletion_baseline=rounded, insertion_baseline=rounded)
    explanation = samp.explain(images[1:] if alone else images, 1)
    assert explanation.finished
    assert not explanation.maps[-1].any()
    assert explanation.completeness.relative[:, -1].tolist() == [0.0, 0.0]
    assert len(explanation.notes) == 2
    assert all("equals its baseline" in note for note in explanation.notes)
    if not alone:
        assert torch.equal(explanation.maps[:1], samp.explain(images[:1], 1).maps)


def test_values_that_begin_at_their_end_but_for_rounding_count_as_arrived(smooth):
    images = torch.full((1, 2, 12, 10), 1.0, dtype=torch.float64)
    images[0, 0, 0, 0] += 1e-4
    blank = torch.full_like(images, 1.0 + 9e-6)
    run = SAMP(smooth, 13, directions=("deletion",), deletion_baseline=lambda _: blank).start(images, 1)
    assert run.left().tolist() == [1.0]
    explanation = run.finish()
    assert explanation.finished
    assert explanation.maps[0].count_nonzero() == 1
    assert run.left().tolist() == [0.0]


def test_constant_image_gives_a_result(smooth, toys):
    explanation = SAMP(smooth, 13, insertion_baseline=BLUR).explain(torch.full_like(toys, 0.4), TARGET)
    assert explanation.finished
    assert torch.isfinite(explanation.maps).all()


def test_order_is_early_first(smooth, toys):
    run = SAMP(smooth, 13, 0.0, None, directions=("deletion",)).start(toys, TARGET)
    steps = list(run.moves())
    order = run.result().order
    first = steps[0].move.abs().sum(1) > 0
    last = steps[-1].move.abs().sum(1) > 0
    assert (order[first] == 1).all()
    assert (order[last] == 0).all()


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"momentum": 1.0}, "momentum must be at least 0 and below 1, not 1.0"),
        ({"momentum": -0.1}, "momentum must be at least 0 and below 1, not -0.1"),
        ({"ic_tolerance": 0.0}, "ic_tolerance is a fraction .*, not 0.0"),
        ({"ic_tolerance": 1.5}, "ic_tolerance is a fraction .*, not 1.5"),
        ({"pixels_per_step": 0}, "pixels_per_step and steps must be at least 1"),
        ({"steps": 3, "pixels_per_step": 3}, "either pixels_per_step or steps"),
        ({"directions": ()}, "'deletion', 'insertion' or both, each once"),
        ({"directions": ("deletion", "deletion")}, "'deletion', 'insertion' or both, each once"),
        ({"directions": ("sideways",)}, "no direction 'sideways'"),
        ({"tie_band": -1.0}, "tie_band must be a finite number of at least 0"),
        ({"tie_band": math.nan}, "tie_band must be a finite number of at least 0"),
        ({"accumulation": "simpson"}, "no accumulation rule 'simpson'"),
        ({"gauss_nodes": 0}, "gauss_nodes must be from 1 to [0-9]+, not 0"),
        ({"batch_size": -1}, "batch_size must be at least 1 or None, not -1"),
        ({"max_steps": 0}, "max_steps at least 1"),
    ],
    ids=str,
)
@pytest.mark.usefixtures("no_type_checks")
def test_impossible_settings_are_refused(settings, says, smooth):
    with pytest.raises(ValueError, match=says):
        SAMP(smooth, **settings)


def test_unknown_rule_lists_the_known(smooth, toys):
    with pytest.raises(
        ValueError, match="paper, trapezoid, gauss, isotonic, spread, monotone, half, ordered, falling, idgi"
    ):
        SAMP(smooth, accumulation="simpson").attribute(toys, TARGET)


@pytest.mark.parametrize(
    ("inputs", "target", "says"),
    [
        (torch.zeros(2, 12, 10, dtype=torch.float64), 0, "floating point images"),
        (torch.zeros(1, 2, 12, 10, dtype=torch.long), 0, "floating point images"),
        (torch.zeros(0, 2, 12, 10, dtype=torch.float64), 0, "nothing to explain"),
        ((torch.zeros(1, 2, 12, 10, dtype=torch.float64),), 0, "must be one tensor of .*, not a tuple"),
        ([[1.0]], 0, "must be one tensor of .*, not a list"),
        (torch.ones(1, 2, 12, 10, dtype=torch.float64), 7, "numbered from 0 to 2; there is no class 7"),
        (torch.ones(1, 2, 12, 10, dtype=torch.float64), -1, "there is no class -1"),
    ],
)
@pytest.mark.usefixtures("no_type_checks")
def test_impossible_questions_are_refused(inputs, target, says, smooth):
    with pytest.raises(ValueError, match=says):
        SAMP(smooth).attribute(inputs, target)
    with pytest.raises(ValueError, match="there is no class 9"):
        SAMP(smooth, score=Contrast(0, 9)).attribute(torch.ones(1, 2, 12, 10, dtype=torch.float64), 0)


def test_paths_can_be_walked_without_a_network():
    """The path knows only a gradient function: the score x**2 / 2 steers by the state itself."""
    start, end = torch.zeros(1, 1, 2, 2, dtype=torch.float64), torch.arange(4.0, dtype=torch.float64).view(1, 1, 2, 2)
    ends = Endpoints(start + 1, end, torch.ones(1, dtype=torch.float64))

    def gradient_of(states, paths):
        return states.pow(2).sum((1, 2, 3)) / 2, states

    orders = [s.move.flatten().nonzero().flatten().tolist() for s in GreedyPath(1).walk(gradient_of, ends)]
    assert orders == [[3], [2], [0]]  # by promise state * (end - state) = 2, 1, -1; the pixel of end 1 need not move
    straight = list(StraightPath(4, chunk=3).walk(gradient_of, ends))
    torch.testing.assert_close(
        torch.stack([s.state.mean() for s in straight]), torch.tensor([1, 1.125, 1.25, 1.375]).double()
    )


# -- the registry -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", [m.name for m in METHODS.values() if m.has_path])
def test_every_registered_path_method_explains_a_photo(name, bundled, cat):
    changes = {"steps": 4, "target": 282}
    if METHODS[name].is_search and METHODS[name].defaults.options.get("ic_tolerance"):
        changes["ic_tolerance"] = 0.25
    if METHODS[name].option("searches"):
        changes |= {"searches": 2, "sweeps": 1, "states": 2}
    settings = default_settings(name, **changes)
    method = make_method(bundled, settings)
    explanation = method.explain(cat, settings.target)
    assert explanation.finished
    assert explanation.attributions.shape == cat.shape
    assert explanation.maps.abs().max() > 0
    estimate = method.estimate(224, 224)
    assert estimate.gradients <= estimate.gradient_bound
    assert explanation.cost.gradients <= estimate.gradient_bound
    assert METHODS[name].citation
    assert METHODS[name].summary.endswith(".")

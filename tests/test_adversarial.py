"""AGI, and what every path without a fixed end owes: its end is where it ended, and its promise is about that."""

from __future__ import annotations

import itertools
import json
from dataclasses import dataclass

import numpy as np
import pytest
import torch
from torch import nn

from samp_core.attribution import Way, not_known
from samp_core.faces import AGI, PathAttribution
from samp_core.films import film_of
from samp_core.images import Preprocessing
from samp_core.methods import METHODS, default_settings
from samp_core.paths import AdversarialPath, Guide, OpenPath, Step, StepEstimate
from samp_core.scores import PathError, Probability
from samp_core.words import directions
from tests.test_golden import FOLDER, arrays, networks  # noqa: F401 - fixtures

with np.load(FOLDER / "agi.npz") as file:
    GOLDEN = {name: torch.from_numpy(file[name]) for name in file if name != "cases"}
    CASES = json.loads(str(file["cases"]))
TARGET = [0, 2, 1]


@pytest.mark.parametrize("case", CASES, ids=[c["id"] for c in CASES])
def test_map_equals_the_authors(case, arrays, networks):
    """Their code clamps the image before it begins, where ours lets a value stay that has left the range already."""
    agi = AGI(
        networks[case["model"]], case["classes"], case["step"], case["max_steps"], case["restart"],
        tuple(map(float, case["clamp"])), score=Probability(),
    )  # fmt: skip
    maps = agi.attribute(arrays[case["input"]].clamp(*case["clamp"]), case["target"])
    expected = GOLDEN[case["id"]]
    assert (maps - expected).abs().max() <= 1e-5 * expected.abs().max()


def other_gradient(network: nn.Module, images: torch.Tensor, classes: torch.Tensor) -> torch.Tensor:
    leaf = images.clone().requires_grad_()
    network(leaf).softmax(1).gather(1, classes.unsqueeze(1)).sum().backward()
    assert leaf.grad is not None
    network.zero_grad()
    return leaf.grad


@pytest.fixture
def sure(smooth, toys):
    """The small network with a bias that makes it sure of the target of the first toy image."""
    with torch.no_grad():
        smooth[4].bias += torch.tensor([0.5, 0.0, 0.0], dtype=torch.float64)
    return smooth


@pytest.mark.parametrize("restart", [False, True])
def test_one_step_is_a_gradient_times_a_sign(restart, sure, toys):
    agi = AGI(sure, (2,), 0.1, 1, restart)
    maps = agi.attribute(toys[:1], 0)
    leaf = toys[:1].clone().requires_grad_()
    sure(leaf)[0, 0].backward()
    toward = other_gradient(sure, toys[:1], torch.tensor([2]))
    torch.testing.assert_close(maps, -leaf.grad * 0.1 * toward.sign())


def test_every_step_raises_the_other_class_until_it_wins(sure, toys):
    run = AGI(sure, (1, 2), 0.05, 200).start(toys[:1], 0)
    steps = list(run)
    explanation = run.result()
    ends = run.ends.end
    assert explanation.directions == ("class-1", "class-2")
    assert explanation.finished
    assert sure(ends).argmax(1).tolist() == [1, 2]
    for d, wanted in enumerate((1, 2)):
        own = [step.state[d : d + 1] for step in steps if step.active[d]]
        assert len(own) == explanation.steps[d, 0] > 1
        assert all(sure(state).argmax() != wanted for state in own)
        for step in steps[: len(own)]:
            toward = other_gradient(sure, step.state[d : d + 1], torch.tensor([wanted]))
            torch.testing.assert_close(step.move[d : d + 1], 0.05 * toward.sign())


def test_the_promise_is_about_where_the_path_ended(sure, toys):
    for rule in ("paper", "trapezoid", "gauss", "isotonic"):
        run = AGI(sure, (1,), 0.02, 200, accumulation=rule).start(toys[:1], 0)
        assert torch.equal(run.ends.end, toys[:1])  # nobody knows yet
        explanation = run.finish()
        with torch.no_grad():
            change = sure(toys[:1])[:, 0] - sure(run.ends.end)[:, 0]
        assert not torch.equal(run.ends.end, toys[:1])
        torch.testing.assert_close(explanation.completeness.targets[0], change)
        assert change > 0
        assert explanation.completeness.relative.max() < {"paper": 0.05, "trapezoid": 0.005}.get(rule, 1e-6)


def test_restarted_steps_stay_near_the_image_and_credit_the_whole_way(sure, toys):
    run = AGI(sure, (2,), 0.05, 6, restart=True).start(toys[:1], 0)
    steps, total = list(run), 0
    for step in steps:
        following = step.state + step.move
        assert ((following - toys[:1]).abs() <= 0.05 + 1e-12).all()
        total = total - step.gradient * (following - toys[:1])
    torch.testing.assert_close(run.result().attributions, total)
    # Rules that measure or integrate go by the path itself.
    gauss = AGI(sure, (2,), 0.05, 6, restart=True, accumulation="gauss").explain(toys[:1], 0)
    assert gauss.completeness.relative.max() < 1e-6


def test_values_stay_within_their_range_or_where_they_were(sure, toys):
    run = AGI(sure, (1, 2), 0.3, 5, bounds=(-1.0, 1.0)).start(toys[:1], 0)
    for step in run:
        assert (step.state + step.move <= toys[:1].clamp(min=1.0) + 1e-12).all()
        assert (step.state + step.move >= toys[:1].clamp(max=-1.0) - 1e-12).all()


def test_classes_are_spread_over_all_others_and_too_many_stay_where_they_are(toys):
    with torch.random.fork_rng():
        torch.manual_seed(3)
        network = nn.Sequential(nn.Flatten(), nn.Linear(240, 9)).double()

    class Ask(Guide):
        def classes(self, paths):
            return torch.full_like(paths, 4)

    rows, outputs = torch.arange(4), torch.zeros(4, 9)
    assert AdversarialPath(4)._wanted(outputs, rows, 4, Ask()).tolist() == [0, 2, 5, 7]
    assert AdversarialPath((8, 0, 4, 1))._wanted(outputs, rows, 4, Ask()).tolist() == [8, 0, 4, 1]
    assert AdversarialPath(4)._wanted(outputs[:, :3], rows, 4, Ask()).tolist() == [0, 1, 4, 4]
    with pytest.raises(PathError, match="no class 12: the network's are 0 to 8"):
        AGI(network, (12,)).attribute(toys, 4)
    explanation = AGI(network, (4,)).explain(toys[:1], 4)  # the explained class itself
    assert explanation.finished
    assert "class-1 path made no move" in explanation.notes[0]
    assert explanation.attributions.abs().sum() == 0
    assert explanation.completeness.relative.tolist() == [[0.0]]


def test_a_network_of_one_number_is_refused_in_a_sentence(toys):
    with pytest.raises(PathError, match="leads to other classes, and the network has one output"):
        AGI(lambda x: x.mean((1, 2, 3))).attribute(toys)


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"classes": 0}, "at least 1"),
        ({"classes": (2, 2)}, "different numbers"),
        ({"classes": (-1,)}, "different numbers"),
        ({"max_steps": 0}, "at least 1"),
        ({"step": 0.0}, "above 0"),
        ({"step": (0.1, float("nan"))}, "above 0"),
    ],
    ids=str,
)
def test_impossible_settings_are_refused(settings, says, smooth):
    with pytest.raises(ValueError, match=says):
        AGI(smooth, **settings)


@dataclass(frozen=True)
class Climb:
    """An open path of so many moves up the sum of what it sees."""

    moves: int
    wants_features: bool = False

    def estimate(self, height, width):
        return StepEstimate(self.moves, self.moves)

    def walk_open(self, guide, ends):
        state, rows = ends.start, torch.arange(len(ends.start))
        for k in range(self.moves):
            sight = guide.steered(state, rows, lambda seen, paths: seen.sum(1))
            move = 0.1 * sight.steering
            yield Step(k, rows >= 0, state, move, sight.score, sight.gradient, sight.gradient)
            state = state + move


def climb(network: nn.Module, **more) -> PathAttribution:
    return PathAttribution(network, Climb(4, **more), [Way("up", None, not_known)], batch_size=2)


def test_an_open_path_of_ones_own(smooth, toys):
    assert isinstance(Climb(4), OpenPath)
    assert climb(smooth).estimate(12, 10).gradients == 2 * 4 + 1
    run = climb(smooth).start(toys, TARGET)
    shares = [run.left().mean().item()]
    for _ in itertools.islice(run, 2):
        shares.append(run.left().mean().item())
    assert shares == [1.0, 0.75, 0.5]
    run.stop()
    half = run.result()
    assert not half.finished
    assert "Stopped early: the paths have made 2 moves and not come to their end" in half.notes[0]
    run = climb(smooth).start(toys, TARGET)
    whole = run.finish()
    assert whole.finished
    assert run.left().tolist() == [0, 0, 0]
    assert run.cost.gradients == 3 * (2 * 4 + 1)
    with torch.no_grad():
        change = (smooth(run.ends.start) - smooth(run.ends.end))[range(3), TARGET]
    torch.testing.assert_close(whole.completeness.targets[0], change)


def test_features_are_what_enters_the_last_dense_layer(smooth, toys):
    run = climb(smooth, wants_features=True).start(toys, TARGET)
    seen = run.seen(toys, torch.arange(3))
    torch.testing.assert_close(seen, smooth[:4](toys).detach())
    step = next(iter(run))
    leaf = toys.clone().requires_grad_()
    smooth[:4](leaf).sum().backward()
    torch.testing.assert_close(step.move, 0.1 * leaf.grad)
    assert not any(module._forward_pre_hooks for module in smooth.modules())
    # What is no module, or has no dense layer, shows its outputs.
    run = PathAttribution(smooth.forward, Climb(2, True), [Way("up", None, not_known)]).start(toys, TARGET)
    torch.testing.assert_close(run.seen(toys, torch.arange(3)), smooth(toys).detach())


def test_a_film_follows_a_path_to_an_end_that_was_not_known(sure, toys):
    preprocessing = Preprocessing(None, (12, 10), (0.5,), (0.5,))
    network = nn.Sequential(nn.Conv2d(1, 2, 1).double(), sure)
    run = AGI(network, (1, 2), 0.05, 50).start(toys[:1, :1], int(network(toys[:1, :1]).argmax()))
    film = film_of(preprocessing, run, 5)
    for step in run:
        film.add(step)
    film.close(run.result())
    assert film.frames[0].way == 0
    assert [frame.way for frame in film.frames] == sorted(frame.way for frame in film.frames)
    assert film.frames[-1].way == 1
    assert torch.equal(film.ends.end, run.state)
    assert film.anatomies[1][0] is None or film.anatomies[1][0].toward == -1


def test_its_directions_are_as_many_as_its_classes():
    settings = default_settings("agi", classes=2)
    assert [d["title"] for d in directions(settings)] == [
        "Toward the 1st other class",
        "Toward the 2nd other class",
    ]
    assert directions(settings)[1]["way"] == "photo → 2nd other"
    assert len(METHODS["agi"].walked(default_settings("agi", classes=4).options)) == 4

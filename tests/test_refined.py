"""The refined path: what a sweep is, what it betters, and that its order is one for both directions of an image."""

from __future__ import annotations

import pytest
import torch

from samp_core import METHODS, SAMP, RefinedSAMP, Step, default_settings, make_method
from samp_core.baselines import GaussianBlur
from samp_core.paths import Endpoints, GreedyPath, RefinedPath
from samp_core.paths.refined import TIMES, _exchanged, _partners, _places

BLUR = GaussianBlur(5, 2.0)
SHORT = GreedyPath(steps=3, momentum=0.3)
TARGET = [0, 2, 1]


def method(network, **settings):
    return RefinedSAMP(network, **{"steps": 5, "searches": 3, "insertion_baseline": BLUR, **settings})


def area(explanation):
    """Return how much higher the score is along insertion than along deletion, summed over the states, (N,)."""
    deletion, insertion = explanation.scores.unbind(1)
    return (insertion - deletion).sum(0)


def test_sweeps_raise_the_area_under_the_path_that_they_are_for(smooth, toys):
    """From an order that one gradient gives, on a network that images of this contrast saturate."""
    begin = {"searches": 1, "search_steps": 1, "noise": 0.0}
    found = [
        area(method(smooth, sweeps=sweeps, pull=0.5, **begin).explain(3 * toys, TARGET)) for sweeps in (0, 1, 3, 9)
    ]
    assert all((after > found[0]).all() for after in found[1:])
    sums = [each.sum().item() for each in found]
    assert sums == sorted(sums)
    assert sums[-1] > 1.03 * sums[0]


def test_a_sweep_measures_the_slope_of_the_area_in_the_time_of_each_pixel(smooth, toys):
    """A pixel that moves a little earlier raises the area, averaged over the states, by what it was worth."""
    path = RefinedPath(SHORT, sweeps=1, noise=0.0)
    image, standing = toys[:1], torch.randn(1, 12, 10, generator=torch.Generator().manual_seed(5)).double()
    ends = Endpoints(torch.zeros_like(image), image, torch.ones(1).double())

    def gradient_of(states, paths):
        states = states.detach().requires_grad_(True)
        score = smooth(states)[:, 0]
        return score.detach(), torch.autograd.grad(score.sum(), states)[0]

    # What its states are: seen by what it asks for. The width of one sweep alone is the geometric mean of both.
    asked = []
    worth = path._worth(lambda states, paths: (asked.append(states), gradient_of(states, paths))[1], ends, standing, 0)
    states = torch.cat(asked)
    gone = (states / image).mean(1)
    width = 0.3**0.5
    assert len(states) == TIMES

    def total(earlier):
        """Return the sum of scores where the pixels that are moving move earlier by so much of the path."""
        moving = (gone > 0) & (gone < 1)
        return smooth(torch.where(moving, gone + earlier / width, gone).unsqueeze(1) * image)[:, 0].sum()

    earlier = torch.zeros(12, 10, dtype=torch.float64, requires_grad=True)
    (slope,) = torch.autograd.grad(total(earlier), earlier)
    torch.testing.assert_close(worth[0] / width, slope)


def test_both_directions_keep_one_order(smooth, toys):
    run = method(smooth, sweeps=2).start(toys, TARGET)
    sizes = []
    for step in run.moves():
        deletion, insertion = (step.way > 0).chunk(2)
        assert torch.equal(deletion, insertion)
        sizes.append(deletion.sum((1, 2)))
    assert torch.stack(sizes).tolist() == [[24] * 3] * 5


def test_an_image_is_explained_alone_as_beside_others_and_twice_for_two_classes(smooth, toys):
    together = method(smooth).explain(toys[[0, 0, 1]], [0, 2, 1])
    for k, (image, target) in enumerate([(0, 0), (0, 2), (1, 1)]):
        alone = method(smooth).explain(toys[[image]], target)
        torch.testing.assert_close(together.attributions[k : k + 1], alone.attributions)
    assert not torch.allclose(together.maps[0], together.maps[1])


def test_partners_are_the_two_directions_of_one_image():
    one, two = torch.zeros(1, 1, 2), torch.ones(1, 1, 2)
    blank, blurred = torch.full((1, 1, 2), -1.0), torch.full((1, 1, 2), 0.5)
    start, end = torch.stack([one, two, two, blurred, blurred]), torch.stack([blank, blank, blank, two, one])
    ends = Endpoints(start, end, torch.tensor([-1.0, -1, -1, 1, 1]))
    partner = _partners(ends)
    assert partner.tolist() == [4, 3, 2, 1, 0]  # the second time that two leaves nobody is left
    other = _exchanged(ends, partner)
    assert torch.equal(other.start, torch.stack([one, two, two, blank, blank]))
    assert torch.equal(other.end, torch.stack([blurred, blurred, blank, two, one]))


def test_it_costs_what_it_says_and_says_how_far_it_is(smooth, toys):
    refined = method(smooth, sweeps=2)
    run = refined.start(toys[:1], 0)
    pieces = list(run)
    before = [piece for piece in pieces if not isinstance(piece, Step)]
    assert before == sorted(before)
    assert len(before) == 3 + 1 + 2  # each move of three searches together, what they found, and each sweep
    assert 0 < before[0] < before[-1] < 1
    assert [isinstance(piece, Step) for piece in pieces] == [False] * len(before) + [True] * 5
    assert run.progress == 1
    found = run.result()
    assert found.finished
    assert found.cost.gradients == refined.estimate(12, 10).gradients == 2 * (3 * 3 + 2 * TIMES + 5)


def test_its_drafts_say_how_it_would_run_as_it_is_known_then(smooth, toys):
    run = method(smooth, sweeps=2, pull=2.0).start(toys, TARGET)
    seen = []
    for piece in run:
        if run.draft is not None and not any(run.draft is draft for draft in seen):
            assert not isinstance(piece, Step)
            seen.append(run.draft)
    assert [draft.words for draft in seen] == ["after the searches", "after sweep 1 of 2", "after sweep 2 of 2"]
    assert [draft.share for draft in seen] == sorted(draft.share for draft in seen)
    assert seen[-1].share == 1
    for draft in seen:
        assert draft.turn.shape == (6, 12, 10)
        assert torch.equal(*draft.turn.chunk(2))  # one order for both directions
        assert draft.turn[0].unique().numel() == 120  # a place for each pixel
        assert 0 <= draft.turn.min() < draft.turn.max() < 1
    assert not torch.equal(seen[0].turn, seen[1].turn)
    # What the last one says is what is walked.
    when = run.when()
    for turn, moved in zip(seen[-1].turn, when, strict=True):
        torch.testing.assert_close((turn * 5 + 1e-6).floor() + 1, moved)


def test_walked_without_a_run_it_takes_the_same_way(smooth, toys):
    refined = method(smooth)
    run = refined.start(toys, TARGET)
    known = list(run.moves())
    alone = list(refined.path.walk(run.gradients, run.ends))
    assert len(alone) == len(known)
    for one, other in zip(alone, known, strict=True):
        assert torch.equal(one.move, other.move)


def test_stopped_before_its_path_is_found_it_says_so_and_has_no_map(smooth, toys):
    run = method(smooth).start(toys, TARGET)
    next(iter(run))
    run.stop()
    assert not list(run)
    found = run.result()
    assert not found.finished
    assert "walked 0 % of their way" in " ".join(found.notes)
    assert not found.maps.any()
    assert found.completeness.holds().all()


def test_an_image_that_is_its_own_baseline_has_nothing_to_order(smooth):
    found = method(smooth).explain(torch.zeros(1, 2, 12, 10, dtype=torch.float64), 0)
    assert not found.maps.any()
    assert "has no length" in " ".join(found.notes)


def test_seeds_make_other_paths_and_the_same_seed_the_same(smooth, toys):
    maps = [method(smooth, seed=seed, noise=0.3).explain(toys, TARGET).maps for seed in (0, 0, 1)]
    assert torch.equal(maps[0], maps[1])
    assert not torch.allclose(maps[0], maps[2])


def test_the_map_is_complete_and_of_one_sign_and_keeps_the_order(smooth, toys):
    found = method(smooth, sweeps=4, pull=1.0).explain(toys, TARGET)
    assert found.completeness.holds(1e-9).all()
    for direction, target in zip(found.by_direction.flatten(0, 1).sum(1), found.completeness.targets.flatten()):  # noqa: B905
        assert (direction * target.sign() >= 0).all()
    # Where both directions ask for the same sign, what moved earlier is never given less.
    for k in range(3):
        if (found.completeness.targets[:, k] > 0).all():
            first = found.maps[k][found.order[k] == found.order[k].max()]
            last = found.maps[k][found.order[k] == found.order[k].min()]
            assert first.min() >= last.max()


def test_as_registered(bundled, cat):
    settings = default_settings("samp-refined", target=281)
    assert METHODS["samp-refined"].defaults.options["searches"] == 22
    refined = make_method(bundled, settings.changed(seed=4))
    assert refined.path == RefinedPath(SHORT, seed=4)
    assert refined.estimate(224, 224).gradients == 200


def test_steady_is_refined_for_a_third_of_the_gradients(bundled):
    named = SAMP.steady(bundled.network, seed=4)
    assert named.path == make_method(bundled, default_settings("samp-steady", target=281, seed=4)).path
    assert named.estimate(224, 224).gradients == 60
    assert SAMP.steady(bundled.network, copies=25, sweeps=0).path.searches == 25
    clear, made = SAMP.clear(bundled.network), make_method(bundled, default_settings("samp-clear", target=281))
    assert clear.path == made.path
    assert clear.accumulation == made.accumulation == "falling"


def test_places_are_those_of_a_sort():
    values = torch.tensor([[[3.0, -1.0], [2.0, 2.0]]])
    assert _places(values).tolist() == [[[1.0, 0.25], [0.5, 0.75]]]


@pytest.mark.parametrize(
    "wrong",
    [
        *({name: 0} for name in ("steps", "searches", "states")),
        *({"sweeps": -1}, {"pull": -1.0}, {"pull": float("nan")}, {"noise": float("inf")}),
    ],
)
def test_settings_out_of_range_are_refused(wrong):
    with pytest.raises(ValueError, match="must be"):
        RefinedPath(SHORT, **wrong)

"""Many copies of a photo: their mean is their mean, adds up for the photo, and says how far they agree."""

from __future__ import annotations

import pytest
import torch

from samp_core import SAMP, IntegratedGradients, SteadyAttribution, default_settings, make_method
from samp_core.attribution import FIRM, Belief, Copies, DirectMethod, Steady, SteadyRun
from samp_core.classifiers import Classifier
from samp_core.films import Film, Reel, film_of
from samp_core.methods import METHODS, Settings
from samp_core.paths import Step
from samp_core.scores import Logit, PathError
from tests.test_film import PLAIN, colour, image  # noqa: F401
from tests.test_film import film_of as filmed

TARGET = [2, 0, 1]
MAKE = {
    "samp": lambda net, **more: SAMP(net, 30, 0.3, None, accumulation="half", **more),
    "constraint": lambda net, **more: SAMP(net, 30, 0.5, 0.2, accumulation="isotonic", **more),
    "ig": lambda net, **more: IntegratedGradients(net, 4, accumulation="gauss", **more),
}
every_method = pytest.mark.parametrize("make", MAKE.values(), ids=MAKE)


def test_copies_are_drawn_one_by_one(toys):
    copies = Copies(5, noise=0.1, seed=3)
    every = copies.make(toys, 0, 5).view(5, *toys.shape)
    torch.testing.assert_close(copies.make(toys, 2, 2).view(2, *toys.shape), every[2:4])
    torch.testing.assert_close(Copies(9, noise=0.1, seed=3).make(toys, 0, 5).view_as(every), every)
    noise = every - toys
    torch.testing.assert_close(noise[:, 0], noise[:, 2])  # a batch changes nothing
    assert (noise[0] - noise[1]).abs().max() > 0.01
    assert noise.std().item() == pytest.approx(0.1, rel=0.1)
    # No copy of one seed is one of another.
    other = Copies(5, noise=0.1, seed=4).make(toys, 0, 5).view_as(every)
    assert (other.unsqueeze(0) - every.unsqueeze(1)).abs().amax((2, 3, 4, 5)).min() > 0.01


def test_a_shift_is_taken_back(toys):
    copies = Copies(6, noise=0.0, shift=2)
    every = copies.make(toys, 0, 6).view(6, *toys.shape)
    assert any(not torch.equal(copy, toys) for copy in every)
    torch.testing.assert_close(copies.back(every, 0), toys.expand_as(every))
    torch.testing.assert_close(copies.back(every[3:], 3), toys.expand_as(every[3:]))


@every_method
@pytest.mark.parametrize("batch_size", [None, 6, 1])
def test_the_map_is_the_mean_of_the_copies_maps_and_adds_up_for_the_photo(make, batch_size, smooth, toys):
    copies = Copies(5, noise=0.05)
    method = make(smooth, batch_size=batch_size)
    found = Steady(method, copies).explain(toys, TARGET)
    every = [method.explain(copies.make(toys, m, 1), TARGET) for m in range(5)]
    mean = torch.stack([one.by_direction for one in every]).mean(0)
    plain = method.explain(toys, TARGET)
    torch.testing.assert_close(found.completeness.targets, plain.completeness.targets)
    missing = plain.completeness.targets - torch.stack([one.completeness.targets for one in every]).mean(0)
    share = mean.abs() / mean.abs().sum((2, 3, 4), keepdim=True)
    torch.testing.assert_close(found.by_direction, mean + missing[:, :, None, None, None] * share)
    torch.testing.assert_close(found.order, torch.stack([one.order for one in every]).mean(0))
    gaps = torch.stack([one.completeness.gap for one in every]).mean(0)
    torch.testing.assert_close(found.completeness.gap, gaps, atol=1e-12, rtol=0)
    assert found.cost.gradients == sum(one.cost.gradients for one in every)
    assert found.finished
    assert found.belief is not None
    assert found.belief.copies == 5
    maps = torch.stack([one.maps for one in every])
    torch.testing.assert_close(found.belief.agreement, (maps.sign() == maps.mean(0).sign()).double().mean(0))


def test_what_the_copies_say_of_a_pixel():
    maps = torch.tensor([[3.0, 2.0, -1.0], [3.0, -1.0, -2.0], [2.0, 3.0, -1.0], [3.0, 2.0, -1.0]]).view(4, 1, 1, 3)
    belief = Belief.of(maps)
    assert belief.agreement.tolist() == [[[1.0, 0.75, 1.0]]]
    assert belief.firm.tolist() == [[[True, False, True]]]
    assert 0.75 < FIRM <= 1
    # Places, 0 the largest of three: 0 0 1 0; 1 1 0 1; 2 2 2 2, halved.
    assert belief.high[0, 0].tolist() == pytest.approx([0.425, 0.5, 1.0])
    assert belief.low[0, 0].tolist() == pytest.approx([0.0, 0.075, 1.0])


def test_one_copy_is_the_photo_itself(colour):
    net = Classifier("toy", colour, ("a", "b", "c"), PLAIN, "")
    settings = METHODS["samp"].defaults.changed(target=1, steps=4)
    assert not isinstance(make_method(net, settings), Steady)
    assert isinstance(make_method(net, settings.changed(copies=2)), Steady)
    with pytest.raises(ValueError, match="would all be the photo itself"):
        Copies(2, noise=0.0)


@pytest.mark.parametrize(
    "bad", [{"count": 0}, {"count": 1001}, {"noise": -0.1}, {"noise": float("nan")}, {"shift": -1}]
)
def test_impossible_copies_are_refused(bad):
    with pytest.raises(ValueError, match=r"must be"):
        Copies(**bad)


def test_moves_states_and_scores_on_the_way_are_means(smooth, toys):
    copies = Copies(4, noise=0.05)
    method = MAKE["constraint"](smooth)
    run = Steady(method, copies).start(toys, TARGET)
    assert isinstance(run, SteadyRun)
    every = [method.start(copies.make(toys, m, 1), TARGET) for m in range(4)]
    for piece in run:
        assert isinstance(piece, Step)
        steps = [next(iter(one), None) for one in every]
        states = torch.stack([one.state for one in every])
        torch.testing.assert_close(run.state, states.mean(0))
        torch.testing.assert_close(run.by_direction(), torch.stack([one.by_direction() for one in every]).mean(0))
        torch.testing.assert_close(run.left(), torch.stack([one.left() for one in every]).mean(0))
        assert piece.active.any()
        assert any(step is not None for step in steps)
    finished = run.result()
    traces = [one.result().scores for one in every]
    assert len(finished.scores) == max(map(len, traces))
    torch.testing.assert_close(finished.scores[1], torch.stack([t[1] for t in traces]).mean(0))
    # At the ends stand the photos' own.
    plain = method.explain(toys, TARGET).scores
    torch.testing.assert_close(finished.scores[0], plain[0])
    ends = torch.stack([plain[:, d, n][~plain[:, d, n].isnan()][-1] for d in range(2) for n in range(3)])
    torch.testing.assert_close(finished.scores[-1].flatten(), ends)
    assert not run.when().isnan().any()


def test_rounds_of_copies_are_worked_off_one_after_the_other(smooth, toys):
    run = Steady(MAKE["samp"](smooth, batch_size=4), Copies(5)).start(toys[:1], 2)
    done, seen = [], []
    for piece in run:
        seen.append(piece)
        done.append(run.explained)
    assert sorted({*done}) == [0, 2, 4]  # two copies of two directions at once
    assert run.explained == 5
    kinds = [isinstance(piece, Step) for piece in seen]
    assert kinds == sorted(kinds, reverse=True)
    shares = [piece for piece in seen if isinstance(piece, float)]
    assert shares == sorted(shares)
    assert run.progress == 1


def test_a_run_stopped_between_copies_keeps_the_mean_of_those_that_are_done(smooth, toys):
    method = MAKE["samp"](smooth, batch_size=4)
    run = Steady(method, Copies(6)).start(toys[:1], 2)
    for _ in run:
        if run.explained == 4:
            run.stop()
    found = run.result()
    assert not found.finished
    assert found.notes == ("Stopped after 4 of 6 copies; the map is the mean of those.",)
    four = torch.stack([method.attribute(Copies(6).make(toys[:1], m, 1), 2) for m in range(4)]).mean(0)
    torch.testing.assert_close(found.attributions, four)


@pytest.mark.parametrize("batch_size", [64, 6])
def test_a_run_stopped_in_the_first_round_is_the_way_so_far(batch_size, smooth, toys):
    run = Steady(MAKE["samp"](smooth, batch_size=batch_size), Copies(3)).start(toys, TARGET)
    next(iter(run))
    run.stop()
    assert list(run) == []
    gradients, seconds = run.cost.gradients, run.seconds
    found = run.result()
    assert not found.finished
    assert found.cost.gradients == gradients == (18 if batch_size == 64 else 6)  # each state once
    assert seconds <= found.seconds < 2 * seconds + 1
    torch.testing.assert_close(run.partial(), found.attributions)
    assert "Stopped early" in found.notes[0]
    assert found.attributions.abs().sum() > 0


def test_copies_that_do_not_arrive_are_not_finished(smooth, toys):
    steady = SteadyAttribution(SAMP.instant(smooth, steps=4, momentum=0.3, ic_tolerance=0.3, max_steps=4), copies=2)
    found = steady.explain(toys, TARGET)
    assert not found.finished
    assert "Stopped early" in found.notes[0]
    with pytest.raises(PathError, match="Raise max_steps"):
        steady.attribute(toys, TARGET)


def test_a_method_that_is_stopped_puts_away_what_it_has_set_up(colour, image):
    put_away = []

    def work(task):
        try:
            yield 0.5
            yield 1.0
        finally:
            put_away.append(len(task.inputs))
        return task.inputs

    method = DirectMethod(
        colour, work, score=Logit(), gradients=lambda height, width: 1, preprocessing=PLAIN, batch_size=2
    )
    run = Steady(method, Copies(6)).start(image, 1)
    for _ in run:
        if run.explained == 2:
            break
    next(iter(run))
    run.stop()
    assert list(run) == []
    assert put_away == [2, 2]
    found = run.result()
    assert found.notes == ("Stopped after 2 of 6 copies; the map is the mean of those.",)
    early = Steady(method, Copies(6)).start(image, 1)
    next(iter(early))
    early.stop()
    assert early.result().notes == ("Stopped before there was a map.",)


def test_a_method_without_a_path_has_copies_too(colour, image):
    net = Classifier("toy", colour, ("a", "b", "c"), PLAIN, "")
    plain = METHODS["input-x-gradient"].defaults.changed(target=1)
    steady = make_method(net, plain.changed(copies=4, copy_noise=0.1, seed=7)).explain(image, 1)
    copies = Copies(4, 0.1, seed=7)
    every = [make_method(net, plain).attribute(copies.make(image, m, 1), 1) for m in range(4)]
    torch.testing.assert_close(steady.attributions, torch.stack(every).mean(0))
    assert steady.by_direction.shape == (0, *image.shape)
    assert steady.belief is not None


def test_the_film_of_several_copies_shows_the_first_and_then_a_map_that_changes(colour, image):
    run = Steady(MAKE["samp"](colour, batch_size=4), Copies(6)).start(image, 2)
    film = film_of(PLAIN, run)
    assert isinstance(film, Film)
    frames = [frame for piece in run if (frame := film.add(piece)) is not None]
    film.close(run.result())
    moves = [frame.move for frame in frames]
    assert moves == sorted(moves)
    assert moves.count(moves[-1]) == 1 + 2  # its last move, and a map after each round but the last
    assert film.way == pytest.approx(1)
    assert not any(film.anatomies)  # the mean of several moves is nobody's choice


def test_copies_one_at_a_time_give_the_same_map_and_a_picture_each(colour, image):
    net = Classifier("toy", colour, ("a", "b", "c"), PLAIN, "")
    asked = default_settings("samp-instant", target=2, copies=6, copy_noise=0.1)
    together, single = (make_method(net, asked.changed(**more)) for more in ({}, {"copies_at_once": 1}))
    film, alone = filmed(single, image, 2)
    torch.testing.assert_close(alone.attributions, together.attribute(image, 2))
    maps = [frame.pixel_map for frame in film.frames[-6:]]
    assert len({*maps}) == 6, "of each copy but the last one picture, and the result"
    assert len({frame.move for frame in film.frames[-6:]}) == 1
    assert [frame.copies for frame in film.frames[-7:]] == [0, 1, 2, 3, 4, 5, 6]
    kept = Reel.of(film)
    assert list(Reel.from_dict(kept.to_dict(), alone).frames) == list(kept.frames)
    with pytest.raises(ValueError, match="at least one copy, not 0"):
        Copies(6, together=0)


def test_a_film_of_many_copies_has_no_more_maps_than_it_has_pictures(colour, image):
    film, _ = filmed(Steady(MAKE["samp"](colour), Copies(40, together=1)), image, pictures=8)
    last = film.frames[-1].move
    assert 8 <= sum(frame.move == last for frame in film.frames) <= 10


def test_captum_takes_it_for_one_of_its_own(smooth, toys):
    from captum.attr import GradientAttribution

    steady = SteadyAttribution(SAMP.instant(smooth), copies=3)
    assert isinstance(steady, GradientAttribution)
    attributions, gap = steady.attribute(toys, TARGET, return_convergence_delta=True)
    assert attributions.shape == toys.shape
    assert gap.abs().max() < 1e-10


def test_files_written_before_there_were_copies_are_read():
    settings = METHODS["gradient"].defaults
    written = settings.to_dict()
    for name in ("copies", "copy_noise", "copy_shift", "copies_at_once"):
        del written["options"][name]
    assert Settings.from_dict(written).settled() == settings.settled()


def test_files_that_call_other_searches_steady_or_clear_are_read():
    meant = default_settings("samp-instant", copies=7, steps=4, momentum=0.3, target=5)
    written = {**meant.to_dict(), "method": "samp-steady"}
    assert Settings.from_dict(written) == meant
    clear = default_settings("samp++", momentum=0.8, ic_tolerance=1 / 20, accumulation="monotone")
    assert Settings.from_dict({**clear.to_dict(), "method": "samp-clear"}) == clear
    refined = default_settings("samp-refined", states=10, search_steps=4, target=5)  # which could not be chosen
    written = refined.to_dict()
    for name in ("states", "search_steps"):
        del written["options"][name]
    assert Settings.from_dict(written) == refined
    now = default_settings("samp-steady", target=5)
    assert Settings.from_dict(now.to_dict()) == now

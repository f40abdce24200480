"""Moves taken apart and maps as numbers: all of it is what the very same run did, to the precision that is promised."""

from __future__ import annotations

import base64
import copy
import gzip
import math

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter

from samp_core import SAMP, BlurIG, IntegratedGradients
from samp_core.films import PICTURES, Film, anatomy_message, data_uri, slow_message, still
from samp_core.films.anatomy import is_shortened
from samp_core.films.levels import packed_times, packed_values
from samp_core.metrics.agreement import spearman
from samp_core.metrics.stability import scaled_stability
from tests.test_film import PLAIN, colour, expand, image, picture  # noqa: F401

FINEST = 32767
METHODS = {
    "samp": lambda net: SAMP.samp(net, steps=9),
    "momentum": lambda net: SAMP.samp(net, steps=9, momentum=0.3),
    "constraint": lambda net: SAMP.samp(net, steps=40, ic_tolerance=0.02),
    "samp++": lambda net: SAMP.samp_plus_plus(net, steps=40),
    "ig": lambda net: IntegratedGradients(net, steps=9),
}
SEARCHES = [name for name in METHODS if name != "ig"]
every_method = pytest.mark.parametrize("name", METHODS)
every_search = pytest.mark.parametrize("name", SEARCHES)
both_types = pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=["float32", "float64"])


class Walked:
    """A run with its film, and every move as the path yielded it."""

    def __init__(self, method, photo, stop_after=None):
        self.run = method.start(photo, 1)
        self.film = Film(PLAIN, self.run)
        self.steps = []
        for step in self.run:
            self.steps.append(step)
            self.film.add(step)
            if step.index + 1 == stop_after:
                break
        self.explanation = self.run.result()
        self.film.close(self.explanation)

    def taken_apart(self):
        """Return picture, move and path of every anatomy that must be there, with the anatomy."""
        found = [
            (k, self.steps[frame.move - 1], p, self.film.anatomies[k][p])
            for k, frame in enumerate(self.film.frames)
            if self.film.anatomies[k]
            for p in range(self.run.paths)
        ]
        assert len({step.index for _, step, _, _ in found}) >= 4
        return found


@pytest.fixture(scope="module")
def known():
    return {}


@pytest.fixture
def walked(known, colour, image):
    """Walk a method; what is walked as it comes is walked once for all tests."""

    def walk(name, dtype=torch.float32, photo=image, stop_after=None):
        def make():
            return Walked(METHODS[name](copy.deepcopy(colour).to(dtype)), photo.to(dtype), stop_after)

        if photo is not image or stop_after:
            return make()
        if (name, dtype) not in known:
            known[name, dtype] = make()
        return known[name, dtype]

    return walk


def shows(picture, values):
    """Hold a picture's levels, peak and total to the values of which it was taken."""
    values = values.double().numpy()
    peak = np.abs(values).max()
    assert picture.peak == pytest.approx(peak, rel=1e-5)
    assert picture.total == pytest.approx(values.sum(), rel=1e-5, abs=1e-5 * np.abs(values).sum())
    assert picture.levels.shape == values.shape
    # Half a level each way: levels are finest at zero.
    share = np.sqrt(np.abs(values) / peak)
    assert (np.abs(expand(picture.levels, picture.peak) - values) <= peak * (share / 127 + 1e-4)).all()


def gradient_at(net, state):
    """Return score and gradient of the explained class, asked of the network itself."""
    state = state.clone().requires_grad_()
    score = net(state.unsqueeze(0))[0, 1]
    (gradient,) = torch.autograd.grad(score, state)
    return float(score.detach()), gradient


@both_types
@every_method
def test_a_move_says_the_score_and_gradient_it_was_made_on_and_what_they_promise(name, dtype, colour, image, walked):
    made, net = walked(name, dtype), colour.to(dtype)
    ends = made.run.ends
    for _, step, p, anatomy in made.taken_apart():
        if anatomy is None:
            continue
        assert anatomy.move == step.index + 1
        assert anatomy.toward == (1 if torch.equal(ends.end[p], image[0].to(dtype)) else -1)
        score, gradient = gradient_at(net, step.state[p])
        assert anatomy.score == pytest.approx(score, rel=1e-4, abs=1e-5)
        torch.testing.assert_close(step.gradient[p], gradient, rtol=1e-4, atol=1e-6)
        shows(anatomy.gradient, step.gradient[p].sum(0))
        shows(anatomy.promise, (step.gradient[p] * (ends.end[p] - step.state[p])).sum(0))
        shows(anatomy.credit, (step.steering[p] * step.move[p]).sum(0))
        assert anatomy.credit.total == pytest.approx(float((step.steering[p] * step.move[p]).double().sum()), rel=1e-4)


@both_types
@pytest.mark.parametrize(("name", "momentum"), [("momentum", 0.3), ("samp++", 0.5)])
def test_momentum_mixes_the_old_direction_with_the_new_one(name, momentum, dtype, walked):
    made = walked(name, dtype)
    ends, steps = made.run.ends, made.steps
    kept = {}  # each path's direction after each of its moves, mixed here from the gradients alone
    for step in steps:
        for p in range(made.run.paths):
            old = kept.get((p, step.index - 1))
            fresh = step.gradient[p]
            kept[p, step.index] = fresh if old is None else momentum * old + (1 - momentum) * fresh
    mixed = 0
    for _, step, p, anatomy in made.taken_apart():
        if anatomy is None:
            continue
        assert anatomy.momentum == momentum
        if step.index == 0:
            assert anatomy.old is None
            assert anatomy.steered is None
            continue
        mixed += 1
        way = ends.end[p] - step.state[p]
        shows(anatomy.old, (kept[p, step.index - 1] * way).sum(0))
        shows(anatomy.steered, (kept[p, step.index] * way).sum(0))
        shows(anatomy.steered, (step.steering[p] * way).sum(0))
        # What is shown adds up as the page says it does.
        seen = {part: expand(getattr(anatomy, part).levels, 1) for part in ("old", "promise", "steered")}
        peaks = {part: getattr(anatomy, part).peak for part in seen}
        sum_seen = momentum * peaks["old"] * seen["old"] + (1 - momentum) * peaks["promise"] * seen["promise"]
        np.testing.assert_allclose(sum_seen, peaks["steered"] * seen["steered"], atol=2.1 / 127 * max(peaks.values()))
    assert mixed >= 10
    none = walked("samp", dtype)
    for _, _, _, anatomy in none.taken_apart():
        assert anatomy.old is anatomy.steered is None
        assert anatomy.momentum == 0


@both_types
@every_search
def test_the_chosen_pixels_are_the_best_of_those_still_on_their_way(name, dtype, walked):
    made = walked(name, dtype)
    ends = made.run.ends
    left_out = 0
    for _, step, p, anatomy in made.taken_apart():
        if anatomy is None:
            continue
        np.testing.assert_array_equal(anatomy.chosen, (step.move[p] != 0).any(0).numpy())
        way = ends.end[p] - step.state[p]
        still_open = (way.abs() > 1e-5).any(0).numpy()
        size = math.ceil(120 / made.run.path.steps)
        assert anatomy.chosen.sum() == min(size, still_open.sum())
        promised = anatomy.toward * (step.steering[p] * way).sum(0).double().numpy()
        others = still_open & ~anatomy.chosen
        left_out += others.any()
        if others.any():
            assert promised[anatomy.chosen].min() >= promised[others].max() - 1e-6
        told = anatomy_message(anatomy)
        assert told["count"] == anatomy.chosen.sum()
        np.testing.assert_array_equal(picture(told["chosen"])[..., 3] > 0, anatomy.chosen)
    assert left_out


@both_types
@every_search
def test_the_constraint_says_how_long_the_move_wanted_to_be_and_was(name, dtype, walked):
    made = walked(name, dtype)
    ends, tolerance = made.run.ends, {"constraint": 0.02, "samp++": 0.02}.get(name)
    seen = set()
    for _, step, p, anatomy in made.taken_apart():
        if anatomy is None:
            continue
        way = (ends.end[p] - step.state[p]).abs().sum(0).double()
        assert anatomy.full == pytest.approx(float(way[torch.from_numpy(anatomy.chosen)].sum()), rel=1e-5)
        assert anatomy.length == pytest.approx(float(step.move[p].abs().double().sum()), rel=1e-5)
        shortened = is_shortened(anatomy)
        assert anatomy_message(anatomy)["shortened"] is shortened
        seen.add(shortened)
        if tolerance is None:
            assert anatomy.bound is None
        else:
            whole = float((ends.end[p] - ends.start[p]).abs().double().sum())
            assert anatomy.bound == pytest.approx(tolerance * whole, rel=1e-5)
            assert anatomy.length <= anatomy.bound * (1 + 1e-5)
        if shortened:
            assert anatomy.length == pytest.approx(anatomy.bound, rel=1e-5)
            assert anatomy.length < anatomy.full
        else:
            assert anatomy.length == pytest.approx(anatomy.full, rel=1e-5)
    assert seen == ({False} if tolerance is None else {False, True})


def test_a_line_chooses_nothing(image, walked):
    made = walked("ig")
    for _, step, _, anatomy in made.taken_apart():
        assert anatomy.full is anatomy.bound is anatomy.old is anatomy.steered is None
        assert not is_shortened(anatomy)
        assert anatomy.toward == 1
        assert anatomy.chosen.all()
        assert anatomy.length == pytest.approx(float(image.abs().sum()) / 9, rel=1e-4)
        assert anatomy.credit.total == pytest.approx(float((step.gradient * step.move).sum()), rel=1e-4)


@every_search
def test_a_path_that_has_arrived_makes_no_move(name, image, walked):
    photo = image.clone()
    # A deletion that has less to take away ends earlier than the insertion beside it.
    photo[..., :6] = 0
    made = walked(name, photo=photo)
    given = [(step.active[p].item(), anatomy is not None) for _, step, p, anatomy in made.taken_apart()]
    assert all(active == there for active, there in given)
    moves = {p: made.explanation.steps[p, 0] for p in range(2)}
    assert moves[0] < moves[1]
    assert (False, False) in given
    told = slow_message(made.film, range(len(made.film.frames)))
    assert told["first"] == 0
    assert [[path is not None for path in move["paths"]] for move in told["moves"]] == [
        [anatomy is not None for anatomy in each] for each in made.film.anatomies
    ]


@pytest.mark.parametrize("stop_after", [None, 1, 7])
@every_method
def test_every_picture_of_another_move_has_that_move_and_the_image_before_it(name, stop_after, walked):
    made = walked(name, stop_after=stop_after)
    film = made.film
    assert len(film.anatomies) == len(film.befores) == len(film.frames)
    assert film.anatomies[0] == film.befores[0] == ()
    # Pictures are compressed, always alike.
    start = PLAIN.to_image(made.run.ends.start[:1])[0]
    quality = next(q for q in range(40, 96) if data_uri(start, quality=q) == film.frames[0].states[0])
    last = film.frames[0].move
    for frame, unfolded, before in zip(film.frames[1:], film.anatomies[1:], film.befores[1:], strict=True):
        if frame.move == last:  # the result's map, after the last move's picture
            assert unfolded == before == ()
            continue
        last = frame.move
        step = made.steps[frame.move - 1]
        assert {a.move for a in unfolded if a is not None} == {frame.move}
        assert len(before) == made.run.paths
        for p, shown in enumerate(before):
            here, after = PLAIN.to_image(torch.stack([step.state[p], step.state[p] + step.move[p]]))
            assert shown == data_uri(here, quality=quality)
            if step.way[p].max() > 0.5:
                assert shown != data_uri(after, quality=quality)
    assert last == int(made.explanation.steps.max()) == (stop_after or len(made.steps))


def unpacked(text: str, kind: str, shape) -> np.ndarray:
    return np.frombuffer(gzip.decompress(base64.b64decode(text)), kind).astype(float).reshape(shape)


def values_of(text: str, peak: float, shape) -> np.ndarray:
    numbers = unpacked(text, "<i2", shape)
    return np.sign(numbers) * peak * (numbers / FINEST) ** 2


def test_packed_values_come_back_with_the_promised_precision():
    random = np.random.default_rng(5)
    strong = 10.0 ** random.uniform(-3, 0, (40, 30)) * random.choice([-1, 1], (40, 30)) * 70
    strong[3, 4], strong[5, 6] = -70, 0
    text, peak = packed_values(strong)
    assert peak == 70
    back = values_of(text, peak, strong.shape)
    known = strong != 0
    assert np.abs(back[known] / strong[known] - 1).max() < 0.002
    assert back[3, 4] == -70
    assert back[5, 6] == 0
    assert np.array_equal(np.sign(back), np.sign(strong))
    # Ranks survive: what is far smaller only comes closer together.
    wide = (random.standard_normal((40, 30)) ** 5).astype(np.float32)
    text, peak = packed_values(wide)
    back = values_of(text, peak, wide.shape)
    assert (np.diff(back.ravel()[np.argsort(wide, axis=None)]) >= 0).all()
    text, peak = packed_values(np.zeros((2, 3)))
    assert peak == 1
    assert not values_of(text, peak, (2, 3)).any()


def test_packed_times_come_back_to_a_tenth_and_never_is_none():
    times = np.array([[1, 2.04, 3.26], [6553.4, np.nan, 80_000]])
    back = unpacked(packed_times(times), "<u2", times.shape) / 10
    np.testing.assert_allclose(back, [[1, 2, 3.3], [6553.4, 0, 6553.5]])
    back = unpacked(packed_times(times.astype(np.float32)), "<u2", times.shape) / 10
    np.testing.assert_allclose(back, [[1, 2, 3.3], [6553.4, 0, 6553.5]])


@both_types
@every_method
def test_the_credit_of_the_directions_adds_up_to_the_map(name, dtype, walked):
    made = walked(name, dtype)
    points, exact = made.film.points, made.explanation.maps[0].double().numpy()
    assert points.size == (12, 10)
    assert len(points.credit) == len(points.peaks) == len(points.when) == len(points.even) == made.run.paths
    credit = [values_of(text, peak, points.size) for text, peak in zip(points.credit, points.peaks, strict=True)]
    for mine, theirs in zip(credit, made.explanation.by_direction[:, 0].sum(1).double().numpy(), strict=True):
        # Half a number of 32,767 each way, as of levels above.
        peak = np.abs(theirs).max()
        assert (np.abs(mine - theirs) <= peak * (np.sqrt(np.abs(theirs) / peak) / FINEST + 1e-6)).all()
    np.testing.assert_allclose(sum(credit), exact, atol=sum(points.peaks) * 2 / FINEST)
    assert spearman(torch.from_numpy(sum(credit))[None], torch.from_numpy(exact)[None]) > 0.999


@pytest.mark.parametrize("name", ["samp", "momentum"])
def test_when_is_the_move_in_which_a_pixel_went(name, image, walked):
    photo = image.clone()
    photo[0, :, 3, 4] = 0  # nothing to take away: the deletion never moves it
    made = walked(name, photo=photo)
    points = made.film.points
    assert points.even == (False, False)
    for p, text in enumerate(points.when):
        expected = np.zeros((12, 10))
        for step in made.steps:
            moved = (step.move[p] != 0).any(0).numpy()
            assert not expected[moved].any(), "each pixel goes once"
            expected[moved] = step.index + 1
        np.testing.assert_array_equal(unpacked(text, "<u2", (12, 10)) / 10, expected)
        assert (expected[3, 4] == 0) == (p == 0)
        assert (expected == 0).sum() == (p == 0)


def test_when_of_a_pixel_that_took_several_moves_is_their_mean(walked):
    made = walked("samp++")
    ways = torch.stack([step.move.abs().sum(1) for step in made.steps]).double()
    numbers = torch.arange(1, len(ways) + 1, dtype=torch.float64).view(-1, 1, 1, 1)
    expected = ((numbers * ways).sum(0) / ways.sum(0)).numpy()
    assert np.abs(expected - expected.round()).max() > 0.2
    for p, text in enumerate(made.film.points.when):
        np.testing.assert_allclose(unpacked(text, "<u2", (12, 10)) / 10, expected[p], atol=0.051)
    assert made.film.points.even == (False, False)


def test_a_line_and_a_blur_have_no_order(colour, image, walked):
    line = walked("ig")
    assert line.film.points.even == (True,)
    np.testing.assert_array_equal(unpacked(line.film.points.when[0], "<u2", (12, 10)) / 10, np.full((12, 10), 5))
    # A blur does not move all pixels alike, but it moves them all the time.
    blur = Walked(BlurIG(colour, steps=12, max_sigma=3.0), image)
    assert blur.film.points.even == (True,)
    (times,) = (unpacked(text, "<u2", (12, 10)) / 10 for text in blur.film.points.when)
    assert 1 <= times.min() < times.max() <= 12


def test_a_method_without_a_path_has_its_map_as_numbers(bundled, cat):
    from samp_core.films import film_of
    from samp_core.methods import default_settings, make_method

    run = make_method(bundled, default_settings("gradient", target=282)).start(cat, 282)
    film = film_of(bundled.preprocessing, run)
    for step in run:
        film.add(step)
    explanation = run.result()
    film.close(explanation)
    points, exact = film.points, explanation.maps[0].double().numpy()
    assert (points.when, points.even, points.size) == ((), (), (224, 224))
    np.testing.assert_allclose(
        values_of(points.credit[0], points.peaks[0], points.size), exact, atol=np.abs(exact).max() / FINEST
    )
    assert film.frames == [still(explanation)]


def test_pictures_that_are_left_out_leave_their_moves_out(colour, image):
    made = Walked(SAMP.samp(colour, steps=120), image)
    moves = [frame.move for frame in made.film.frames if frame.move]
    assert len(moves) < PICTURES + 3 < 120
    for _, step, p, anatomy in made.taken_apart():
        assert anatomy.move == step.index + 1 in moves
        assert anatomy.chosen.sum() == 1
        assert anatomy.length == pytest.approx(float(step.move[p].abs().sum()), rel=1e-5)
    # Numbers know every move, those without a picture as well.
    assert len(np.unique(unpacked(made.film.points.when[0], "<u2", (12, 10)))) == 120


def test_stability_is_one_for_equal_maps_and_rises_with_the_scale_under_pixel_noise():
    random = torch.Generator().manual_seed(6)
    coarse = torch.from_numpy(gaussian_filter(torch.randn(48, 40, generator=random).double().numpy(), 6.0))
    coarse = coarse / coarse.std()
    assert scaled_stability(coarse, coarse) == pytest.approx([1, 1, 1, 1, 1])
    assert scaled_stability(coarse, -coarse) == pytest.approx([-1] * 5)
    noisy = coarse + 2 * torch.randn(48, 40, generator=random, dtype=torch.float64)
    found = scaled_stability(coarse, noisy)
    assert found == sorted(found)
    assert found[0] < 0.6
    assert found[-1] > 0.9
    assert found[0] == pytest.approx(float(spearman(coarse[None], noisy[None])))
    assert scaled_stability(coarse.float(), noisy.float(), [0, 2])[1] == pytest.approx(found[2], abs=1e-4)
    # Edges are mirrored, and the smoothing is a Gaussian's, also beside them.
    smooth = [torch.from_numpy(gaussian_filter(m.numpy(), 4.0, mode="reflect"))[None] for m in (coarse, noisy)]
    assert found[3] == pytest.approx(float(spearman(*smooth)))

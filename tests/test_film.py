"""Films: few small pictures that say where a run was, and end in the run's own map."""

from __future__ import annotations

import base64
import gc
import io
import weakref

import numpy as np
import pytest
import torch
from PIL import Image

from samp_core import SAMP, BlurIG, IntegratedGradients, RefinedSAMP
from samp_core.classifiers import load_classifier
from samp_core.films import PICTURES, Film, Walk, compand, pieces, still, surveys
from samp_core.films.drafts import MOST_DRAFTS, states_along
from samp_core.films.frames import film_of as seen_by
from samp_core.films.frames import mapped
from samp_core.images import Preprocessing, load_sample
from samp_core.methods import default_settings, make_method
from samp_core.runs import begin

PLAIN = Preprocessing(None, (12, 10), (0.5, 0.5, 0.5), (0.25, 0.25, 0.25), "bilinear")


@pytest.fixture
def colour():
    torch.manual_seed(3)
    return torch.nn.Sequential(
        torch.nn.Conv2d(3, 4, 3, padding=1), torch.nn.Tanh(), torch.nn.Flatten(), torch.nn.Linear(480, 3)
    )


@pytest.fixture
def image():
    return torch.randn(1, 3, 12, 10, generator=torch.Generator().manual_seed(4)).clamp(-2, 2)


def picture(uri: str) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(uri.split(",", 1)[1]))).convert("RGBA"))


def film_of(method, image, target=1, **more):
    run = method.start(image, target)
    film = Film(PLAIN, run, **more)
    for step in run:
        film.add(step)
    explanation = run.result()
    film.close(explanation)
    return film, explanation


def expand(levels: np.ndarray, peak: float) -> np.ndarray:
    share = (levels.astype(float) - 128) / 127
    return np.sign(share) * share**2 * peak


def test_a_page_that_asks_while_a_film_is_closed_is_told_no_score_twice(colour, image, monkeypatch):
    run = SAMP(colour, steps=5, ic_tolerance=None).start(image, 1)
    film = Film(PLAIN, run)
    for step in run:
        film.add(step)
    told = [film.trace(k) for k in range(len(film.frames))]
    take = Film._take

    def asked(self, *args):
        assert [self.trace(k) for k in range(len(self.frames))] == told
        return take(self, *args)

    monkeypatch.setattr(Film, "_take", asked)
    film.close(run.result())
    told.append(film.trace(len(film.frames) - 1))
    for d in range(2):
        assert [score for part in told for score in part[d]] == film.scores[d]


@pytest.mark.parametrize("name", ["samp", "samp-isotonic", "samp-instant", "samp-refined", "gradient"])
def test_a_film_that_has_ended_holds_nothing_of_its_run(name):
    classifier, photo = load_classifier("mnist_cnn"), load_sample("coffee")
    _, run = begin(classifier, photo, default_settings(name, target=3))
    film = seen_by(classifier.preprocessing, run)
    for piece in run:
        film.add(piece)
    ends = film.ends if isinstance(film, Film) else None
    film.close(run.result())
    gone = weakref.ref(run)
    piece = run = None
    gc.collect()
    assert gone() is None
    assert film.way == pytest.approx(1)
    if ends is not None:
        assert torch.equal(film.ends.end, ends.end)


def test_levels_keep_sign_order_and_a_hundredth_of_the_strongest():
    values = np.array([[-1.0, -0.01, 0.0], [0.0001, 0.01, 1.0]]) * 300
    levels, peak = compand(values)
    assert peak == 300
    assert levels[0, 2] == 128
    assert levels[0, 0] == 1
    assert levels[1, 2] == 255
    np.testing.assert_allclose(expand(levels, peak), values, atol=0.01 * 300)
    assert expand(levels, peak)[1, 1] == pytest.approx(3.0, rel=0.1)
    assert compand(np.zeros((2, 2)))[1] == 1.0


@pytest.mark.parametrize("method", ["samp", "samp++", "ig", "blur"])
def test_a_film_says_where_the_run_was_and_ends_in_its_map(method, colour, image):
    made = {
        "samp": lambda: SAMP.samp(colour, steps=9),
        "samp++": lambda: SAMP.samp_plus_plus(colour, steps=9),
        "ig": lambda: IntegratedGradients(colour, steps=70),
        "blur": lambda: BlurIG(colour, steps=12, max_sigma=3.0),
    }[method]()
    film, explanation = film_of(made, image)
    frames = film.frames
    assert 3 <= len(frames) <= PICTURES + 3
    for measure in ("move", "way", "pixels", "evaluations", "seconds"):
        values = [getattr(f, measure) for f in frames]
        assert values == sorted(values), measure
    assert frames[0].way == 0
    assert frames[-1].way == pytest.approx(1, abs=1e-3)
    assert frames[-1].move == int(explanation.steps.max())
    assert frames[-1].evaluations == explanation.cost.gradients
    assert frames[0].pixel_map is None
    exact = explanation.maps[0].double().numpy()
    shown = expand(picture(frames[-1].pixel_map)[..., 0], frames[-1].peak)
    np.testing.assert_allclose(shown, exact, atol=0.01 * np.abs(exact).max())
    np.testing.assert_allclose(frames[-1].sums, explanation.completeness.sums[:, 0].double(), rtol=1e-4)


@pytest.mark.parametrize("rule", ["isotonic", "half", "falling", "idgi", "paper", "trapezoid"])
def test_map_and_sums_say_how_many_moves_they_speak_of(rule, colour, image):
    film, explanation = film_of(SAMP(colour, steps=9, ic_tolerance=None, accumulation=rule), image)
    frames, behind = film.frames, 0 if rule in ("paper", "trapezoid") else 1
    assert [frame.credited for frame in frames[:-1]] == [max(0, frame.move - behind) for frame in frames[:-1]]
    assert frames[-1].credited == frames[-1].move == 9
    for index, frame in enumerate(frames[:-2]):
        shown = mapped(frames, index)
        assert shown.credited == frame.move  # with this few moves each has a picture
        if not behind:
            assert shown is frame
            continue
        for d, away in enumerate((-1, 1)):
            change = away * float(explanation.scores[frame.move, d, 0] - explanation.scores[0, d, 0])
            assert shown.sums[d] == pytest.approx(change, abs=1e-4)


def test_every_score_is_told_once_with_the_picture_by_which_it_was_known(colour, image):
    film, explanation = film_of(SAMP.samp_plus_plus(colour, steps=20), image)
    told = [[v for k in range(len(film.frames)) for v in film.trace(k)[d]] for d in range(2)]
    known = explanation.scores[:, :, 0].T.double().tolist()
    for mine, theirs in zip(told, known, strict=True):
        assert [v for v in mine if v is not None] == pytest.approx([v for v in theirs if not np.isnan(v)])


def test_a_search_shows_the_pixels_that_moved_and_a_line_how_far(colour, image):
    searched, _ = film_of(SAMP.samp(colour, steps=6), image)
    assert not searched.frames[1].even
    opaque = picture(searched.frames[1].moved[0])[..., 3] > 0
    assert opaque.sum() == 20  # 120 pixels in 6 moves
    line, _ = film_of(IntegratedGradients(colour, steps=6), image)
    assert line.frames[1].even
    assert len(np.unique(picture(line.frames[1].moved[0])[..., 3])) > 4
    # All of a line's moves look the same, and all but rounding are sent as the same picture.
    assert line.frames[1].moved == line.frames[2].moved


def test_states_are_kept_for_every_picture_of_another_move(colour, image):
    film, _ = film_of(SAMP.samp(colour, steps=6), image)
    moves = {f.move for f in film.frames}
    assert [len(states) for states in film.states] == [len(moves)] * 2
    assert film.states[0][0].dtype == torch.float16
    torch.testing.assert_close(film.states[1][-1].float(), image[0], atol=2e-3, rtol=0)


def test_a_stopped_run_ends_its_film_where_it_stopped(colour, image):
    run = SAMP.samp(colour, steps=10).start(image, 1)
    film = Film(PLAIN, run)
    for step in run:
        film.add(step)
        if step.index == 3:
            break
    film.close(run.result())
    assert film.frames[-1].move == 4
    assert film.frames[-1].way < 0.9


def test_a_path_that_is_found_first_is_seen_while_it_is_found(colour, image):
    run = RefinedSAMP(colour, searches=2, sweeps=3, steps=4).start(image, 1)
    film = Film(PLAIN, run)
    seen = []
    for piece in run:
        film.add(piece)
        if film.glimpse is not None and not any(film.glimpse is glimpse for glimpse in seen):
            seen.append(film.glimpse)
    words = ["after the searches", "after sweep 1 of 3", "after sweep 2 of 3"]  # the last draft is what is walked
    assert [glimpse.words for glimpse in seen] == [draft.words for draft in film.drafts] == words
    for draft, glimpse in zip(film.drafts, seen, strict=True):
        early = (1 - draft.turn).mean(0).numpy()
        shown = expand(glimpse.levels, glimpse.peak)
        assert (shown >= 0).all()
        assert shown.flat[early.argmax()] == shown.max()
        assert np.corrcoef(shown.flatten(), early.flatten())[0, 1] > 0.5
        assert len(glimpse.states) == 2
    assert [frame.move for frame in film.frames] == [0, 1, 2, 3, 4]  # drafts are no moves
    for d in range(2):
        states = states_along(film.drafts[0], film.ends, d)
        assert torch.equal(states[0], film.ends.start[d])
        assert torch.equal(states[-1], film.ends.end[d])
        moved = [(state != film.ends.start[d]).any(0).double().mean().item() for state in states]
        assert moved == pytest.approx([k / 8 for k in range(9)], abs=0.01)


def test_of_many_drafts_a_film_keeps_some(colour, image):
    film, _ = film_of(RefinedSAMP(colour, searches=1, sweeps=60, steps=2), image)
    assert MOST_DRAFTS / 2 < len(film.drafts) <= MOST_DRAFTS
    assert not film_of(RefinedSAMP(colour, searches=2, sweeps=0, steps=2), image)[0].drafts


@pytest.mark.usefixtures("few_cells")
def test_a_plane_shows_drafts_and_the_score_along_them():
    small = load_classifier("mnist_cnn").prepare()
    asked = default_settings("samp-refined", searches=2, sweeps=2, steps=4)
    settings, run = begin(small, load_sample("chelsea"), asked)
    film = Film(small.preprocessing, run)
    for piece in run:
        film.add(piece)
    film.close(run.result())
    found = surveys([Walk("run", settings, film)], "the score")
    assert len(found) == 2
    along = sum(len(track.places) for survey in found for track in survey.view.drafts)
    work, done = pieces(found, small, settings), 0
    while done < along:  # all drafts before the first ground
        done += next(work)
    assert all(value is None for survey in found for row in survey.view.values for value in row)
    assert all(track.scores for survey in found for track in survey.view.drafts)
    assert done + sum(work) == sum(survey.cells for survey in found)
    for survey in found:
        drafts = survey.view.drafts
        assert [(track.run, track.words) for track in drafts] == [
            ("run", "after the searches"),
            ("run", "after sweep 1 of 2"),
        ]
        away = drafts[0].direction == "deletion"
        for track in drafts:
            assert track.places[0] == pytest.approx([float(away), 0.0], abs=1e-3)
            assert track.places[-1] == pytest.approx([float(not away), 0.0], abs=1e-3)
            assert track.ways[0] == 0
            assert track.ways[-1] == 1
            assert track.ways == sorted(track.ways)
            ends = film.scores[0 if away else 1]
            assert [track.scores[0], track.scores[-1]] == pytest.approx([ends[0], ends[-1]], abs=0.02)
        assert drafts[0].places != drafts[1].places


def test_a_method_without_a_path_has_one_still(bundled, cat):
    run = make_method(bundled, default_settings("gradient", target=282)).start(cat, 282)
    for _ in run:
        pass
    explanation = run.result()
    frame = still(explanation)
    assert frame.states == ()
    exact = explanation.maps[0].double().numpy()
    np.testing.assert_allclose(
        expand(picture(frame.pixel_map)[..., 0], frame.peak), exact, atol=0.01 * np.abs(exact).max()
    )

"""Every claim that a scene of Learn makes, on the very functions that it draws."""

from __future__ import annotations

import copy
import itertools
import json
import re
from math import comb

import numpy as np
import pytest
import torch
from streamlit.testing.v1 import AppTest

from samp_core.baselines import GaussianBlur
from samp_core.digits import load_digits, samples
from samp_core.faces import AGI, SAMP, IntegratedGradients
from samp_core.lesson import (
    RULE_TITLES,
    TOYS,
    add_up,
    best_path,
    bridges,
    change,
    lattice,
    outputs,
    random_turns,
    searched,
    surface,
    toy,
    trials,
)
from samp_core.render import LANES
from tests.test_app import ROOT, assert_fine
from ui.components.board import read_points
from ui.components.pen import read_strokes, write_strokes
from ui.learn import digits, greedy, look, reading, trust, two
from ui.learn.ask import Question
from ui.learn.lesson import SCENES
from ui.learn.two import CASES, CELLS, FINE, TOLERANCES

LINES = {
    "straight": [[0, 0], [1, 1]],
    "first": [[0, 0], [1, 0], [1, 1]],
    "second": [[0, 0], [0, 1], [1, 1]],
    "drawn": [[0, 0], [0.3, 0.1], [0.2, 0.8], [1, 1]],
}


@pytest.mark.parametrize("name", TOYS)
def test_all_paths_have_the_same_sum(name):
    score = toy(name)
    for points in LINES.values():
        walk = add_up(score, np.array(points, float), 4000)
        assert walk.gap == pytest.approx(0, abs=2e-3)
        assert walk.change == pytest.approx(change(score))
    for tolerance in (None, 0.2, 0.05):
        found = searched(score, tolerance=tolerance, momentum=0.0)
        assert found.points[0].tolist() == [0, 0]
        np.testing.assert_allclose(found.points[-1], [1, 1])
        assert add_up(score, found.points, 4000).gap == pytest.approx(0, abs=2e-3)


def test_paths_credit_differently_by_hand():
    # Of x y along the first pixel nothing happens while the second is 0; then all of it is the second pixel's.
    assert add_up(toy("product"), np.array(LINES["first"], float), 10).attributions.tolist() == [0, 1]
    assert add_up(toy("product"), np.array(LINES["second"], float), 10).attributions.tolist() == [1, 0]
    np.testing.assert_allclose(add_up(toy("product"), np.array(LINES["straight"], float), 10).attributions, [0.5, 0.5])


def test_coarse_steps_miss_the_sum():
    straight = np.array(LINES["straight"], float)
    # With the gradient at the start of each of n pieces, the straight line through x y adds up to 1 - 1/n.
    for steps in (1, 4, 20):
        assert add_up(toy("product"), straight, steps, at=0.0).gap == pytest.approx(-1 / steps)
        assert add_up(toy("product"), straight, steps).gap == pytest.approx(0)
    for name in TOYS:
        gaps = [
            max(abs(add_up(toy(name), np.array(p, float), n, at=0.0).gap) for p in LINES.values()) for n in (1, 900)
        ]
        assert gaps[0] > 0.1
        assert gaps[1] < 0.01


@pytest.mark.parametrize("name", TOYS)
def test_the_best_path_is_the_best_of_all(name):
    score, cells = toy(name), 4
    best = best_path(score, cells)
    variances = []
    for chosen in itertools.combinations(range(2 * cells), cells):
        turns = np.ones((1, 2 * cells), int)
        turns[0, list(chosen)] = 0
        (walk,) = lattice(score, turns)
        exact = add_up(score, walk.points, 8000).attributions
        np.testing.assert_allclose(walk.attributions, exact, atol=2e-3)
        assert walk.gap == pytest.approx(0, abs=1e-9)
        variances.append(walk.variance)
    assert len(variances) == comb(8, 4)
    assert best.variance == pytest.approx(max(variances))
    # A path of the same grid, or of one that divides it, cannot be better.
    for walk in lattice(score, random_turns(50, cells // 2, 0)):
        assert walk.variance <= best.variance + 1e-9


@pytest.mark.parametrize("momentum", [0.0, 0.5, 0.9])
@pytest.mark.parametrize("tolerance", TOLERANCES.values(), ids=TOLERANCES)
@pytest.mark.parametrize("name", TOYS)
def test_samp_against_exhaustive_search(name, tolerance, momentum):
    found = searched(toy(name), tolerance=tolerance, momentum=momentum)
    on_grid = found.points * CELLS
    np.testing.assert_allclose(on_grid, on_grid.round(), atol=1e-5)  # so the best of the grid bounds it
    variance = add_up(toy(name), found.points, 2000).variance
    best = best_path(toy(name), CELLS).variance
    assert variance <= best + 1e-3
    if tolerance is None:  # one pixel after the other is the best path there is, in all four
        assert variance == pytest.approx(best, abs=1e-3)


def test_the_cases_of_the_second_scene_are_what_they_say():
    found = {}
    for words, (name, tolerance, momentum) in CASES.items():
        path = searched(toy(name), tolerance=TOLERANCES[tolerance], momentum=momentum).points
        ways = {way: add_up(toy(name), np.array(points, float), FINE).variance for way, points in LINES.items()}
        found[words] = add_up(toy(name), path, FINE), best_path(toy(name), CELLS), ways
    (search, best, ways), (early, better, _), (_, debiting, _) = found.values()
    assert search.variance == pytest.approx(best.variance)
    assert search.cancellation == best.cancellation == pytest.approx(1)
    assert ways["straight"] < 0.5 * search.variance
    assert ways["second"] < 0.1 * search.variance  # a choice, and the right one
    assert early.variance < 0.1 * better.variance
    assert debiting.cancellation > 2


def test_random_paths_rise_one_pixel_at_a_time():
    turns = random_turns(30, 6, 3)
    assert turns.shape == (30, 12)
    assert (turns.sum(1) == 6).all()
    assert len({tuple(t) for t in turns.tolist()}) > 25
    walks = lattice(toy("product"), turns)
    moves = np.diff(np.stack([w.points for w in walks]), axis=1)
    assert ((np.abs(moves) > 1e-9).sum(2) == 1).all()
    np.testing.assert_allclose(moves.sum(1), np.ones((30, 2)))
    assert not np.array_equal(turns, random_turns(30, 6, 4))
    with pytest.raises(ValueError, match="equally often"):
        lattice(toy("product"), np.array([[0, 0, 1, 0]]))


def test_bridges_have_a_straight_mean_and_the_variance_of_the_formula():
    walks = bridges(20_000, 20, 0.8, 0)
    time = np.linspace(0, 1, 21)
    np.testing.assert_allclose(walks[:, [0, -1]], np.tile([0.0, 1.0], (20_000, 1)), atol=1e-12)
    np.testing.assert_allclose(walks.mean(0), time, atol=0.02)
    np.testing.assert_allclose(walks.var(0), 0.64 * time * (1 - time), atol=0.01)


def test_toys_and_paths_that_do_not_exist():
    with pytest.raises(ValueError, match="no score"):
        toy("beauty")
    with pytest.raises(ValueError, match="goes from"):
        add_up(toy("product"), np.array([[0, 0], [0.5, 1.0]]), 5)
    with pytest.raises(ValueError, match="step"):
        add_up(toy("product"), np.array(LINES["straight"], float), 0)
    with pytest.raises(ValueError, match="fraction"):
        add_up(toy("product"), np.array(LINES["straight"], float), 5, at=1.5)
    values = surface(toy("product"), 5)
    assert values[1, 4] == pytest.approx(0.25)  # row is the second pixel
    assert torch.is_tensor(next(toy("network").parameters()))


@pytest.fixture(scope="module")
def three():
    classifier = load_digits().prepare()
    inputs = classifier.preprocessing(samples()[3])
    return classifier, inputs, classifier.predict(inputs, 1)[0].index


def test_real_paths_end_at_the_image_and_the_search_rises_first(three):
    classifier, inputs, target = three
    found = outputs(classifier.network, inputs, target, steps=28, count=12, seed=0)
    np.testing.assert_allclose(found.random[:, [0, -1]], np.tile([0.0, 1.0], (12, 1)), atol=1e-5)
    assert found.searched[0] == pytest.approx(0, abs=1e-4)
    assert found.searched[len(found.searched) // 4] > found.random[:, 7].max()
    again = outputs(classifier.network, inputs, target, steps=28, count=12, seed=0)
    np.testing.assert_array_equal(found.random, again.random)


@pytest.mark.parametrize("digit", [3, 8])
def test_the_images_along_the_path_have_the_path_s_scores(digit):
    classifier = load_digits().prepare()
    inputs = classifier.preprocessing(samples()[digit])
    target = classifier.predict(inputs, 1)[0].index
    found = outputs(classifier.network, inputs, target, steps=28, count=2, seed=0)
    with torch.no_grad():
        logits = classifier.network(found.states)[:, target].double().numpy()
    np.testing.assert_allclose((logits - logits[0]) / found.rise, found.searched, atol=1e-4)
    torch.testing.assert_close(found.states[-1:], inputs)
    assert (min(found.searched[:6]) < -0.05) == (digit == 8)  # as the teacher's notes say


def test_trials_of_one_map(three):
    classifier, inputs, target = three
    before = [p.clone() for p in classifier.network.parameters()]
    found = {t.title: t for t in trials(classifier.network, inputs, target)}
    paper, line = found["Paper's rule"], found["Line integral (Gauss)"]
    isotonic, order = found["Isotonic rule"], found["Order of the path"]
    assert isotonic.gap < 1e-4 < line.gap < paper.gap
    assert order.gap is None
    assert paper.agreement == pytest.approx(1)
    assert 0 <= order.map.min() <= order.map.max() <= 1
    assert found["Forgetful network"].agreement < found["Noise on the ink"].agreement
    assert found["Forgetful network"].insertion < paper.insertion
    still = {t.title: t for t in trials(classifier.network, inputs, target, sigma=0.0)}
    assert still["Noise on the ink"].agreement == pytest.approx(1)
    loud = {t.title: t for t in trials(classifier.network, inputs, target, sigma=0.3)}
    assert loud["Noise on the ink"].agreement < found["Noise on the ink"].agreement
    assert all(torch.equal(a, b) for a, b in zip(before, classifier.network.parameters(), strict=True))


@pytest.mark.parametrize(("rule", "title"), RULE_TITLES.items())
def test_rules_on_one_walk_give_what_each_gives_on_its_own(three, rule, title):
    classifier, inputs, target = three
    network, inputs = copy.deepcopy(classifier.network).double(), inputs.double()
    found = next(t for t in trials(network, inputs, target) if t.title == title)
    alone = SAMP(
        network,
        pixels_per_step=40,
        momentum=0.5,
        ic_tolerance=0.1,
        insertion_baseline=GaussianBlur(11, 5.0),
        accumulation=rule,
        gauss_nodes=4,
    ).explain(inputs, target)
    np.testing.assert_allclose(found.map, alone.maps[0].numpy(), atol=1e-9)
    assert found.gap == pytest.approx(float(alone.completeness.relative.max()), abs=1e-9)


# The page.


def words(page: AppTest) -> str:
    return "\n".join(e.value for kind in (page.markdown, page.caption) for e in kind)


def reveal(page: AppTest) -> None:
    """Ask to be shown the answer of the scene's question."""
    next(b for b in page.button if b.label == "Show me").click().run()
    assert_fine(page)


def answer(page: AppTest, option: str) -> None:
    """Answer the scene's question."""
    next(g for g in page.segmented_control if str(g.key).startswith("answer-")).set_value(option).run()
    assert_fine(page)


def verdict(page: AppTest) -> str:
    """Return what is said of the answer."""
    return next(m.value for m in page.markdown if "omputed" in m.value and "**" in m.value)


def popovers(page: AppTest) -> dict[str, str]:
    """Return what the popovers of a page say, by their labels."""
    return {
        p.proto.popover.label: "\n".join(m.value for m in (*p.markdown, *p.caption, *p.latex))
        for p in page.get("popover")
    }


def plots(page: AppTest) -> str:
    """Return what the plots of a page are made of."""
    return "\n".join(chart.proto.spec for chart in page.get("plotly_chart"))


@pytest.fixture
def learn() -> AppTest:
    app = AppTest.from_file(str(ROOT / "app.py"), default_timeout=60).run()
    page = app.switch_page("pages/4_Learn.py").run()
    assert_fine(page)
    return page


COMPUTED = ["paths", "prefer", "greedy", "digits", "trust", "code"]
"""The scenes that are computed as they are watched: they have knobs, and say what was seen in numbers."""


def test_next_and_back_walk_through_all_scenes(learn):
    for number, scene in enumerate(SCENES):
        assert learn.title[0].value == scene.title
        assert "What you just saw" not in words(learn)
        reveal(learn)
        if scene.slug in COMPUTED:
            assert "What you just saw" in words(learn)
        assert "In the paper" in popovers(learn)["Formula and sources"]
        assert "$" in popovers(learn)["Formula and sources"] or "\\" in popovers(learn)["Formula and sources"]
        assert learn.query_params["scene"] == scene.slug
        if number < len(SCENES) - 1:
            learn.button(key="learn-next").click().run()
            assert_fine(learn)
    assert learn.button(key="learn-next").disabled
    learn.button(key="learn-back").click().run()
    assert learn.title[0].value == SCENES[-2].title


def test_knobs_change_what_was_seen(learn):
    reveal(learn)
    before = words(learn)
    learn.selectbox(key="toy").set_value("saturating").run()
    learn.slider(key="toy-steps").set_value(1).run()
    assert_fine(learn)
    assert words(learn) != before
    assert "In 1 step the largest gap is" in words(learn)
    learn.session_state["toy-points"] = [[0.9, 0.1]]
    learn.segmented_control(key="scene").set_value("prefer").run()
    reveal(learn)
    assert "Your path has" in words(learn)
    assert learn.selectbox(key="prefer").value == next(iter(CASES.values()))[0]  # whatever the first scene shows
    learn.session_state["toy-points"] = [[0.9, 0.9], [0.1, 0.2]]
    learn.run()
    assert "takes a pixel back" in words(learn)


def test_the_second_scene_opens_with_a_good_case_and_leads_to_the_others(learn):
    go_to(learn, "prefer")
    good, early, debits = (b.label for b in learn.button if str(b.key).startswith("prefer-case-"))
    assert [good, early, debits] == list(CASES)
    assert learn.button(key="prefer-case-0").proto.type == "primary"
    reveal(learn)
    assert "found what the principle asks for" in words(learn)
    assert "Alone the pixels raise the score by **1.00** and **0.50**, together by **1.00**" in words(learn)
    assert "naming the first alone is a good answer" in words(learn)
    assert "turns as soon as" not in words(learn)
    learn.button(key="prefer-case-1").click().run()
    assert "What you just saw" not in words(learn)  # each case asks
    reveal(learn)
    assert "found what the principle asks for" not in words(learn)
    assert "turns as soon as" in words(learn)
    assert "both are needed, and the best path names only one" in words(learn)
    assert "good answer" not in words(learn)
    learn.button(key="prefer-case-2").click().run()
    reveal(learn)
    assert "the best path **debits**" in words(learn)
    assert "good answer" not in words(learn)
    learn.button(key="prefer-case-0").click().run()
    assert_fine(learn)
    assert "found what the principle asks for" in words(learn)  # answered before
    assert "debits" not in words(learn).replace(two.NOTES_PREFER, "")


def right_answers() -> dict[str, str]:
    """Work out the right answer of every scene's question as it opens, by the engine alone."""
    paths = [add_up(toy("product"), np.array(LINES[way], float), FINE) for way in ("straight", "first", "second")]
    credit = [w.attributions[0] for w in paths]
    assert max(credit) - min(credit) > 0.5 * paths[0].change
    name, tolerance, momentum = CASES["One is enough"]
    found = add_up(toy(name), searched(toy(name), tolerance=TOLERANCES[tolerance], momentum=momentum).points, FINE)
    assert found.variance == pytest.approx(best_path(toy(name), CELLS).variance)
    classifier = load_digits().prepare()
    inputs = classifier.preprocessing(samples()[3])
    target = classifier.predict(inputs, 1)[0].index
    path = outputs(classifier.network, inputs, target, steps=28, count=2, seed=0).searched
    assert path[len(path) // 4] > 1
    maps = [
        method.explain(inputs, target).maps[0]
        for method in (
            SAMP(
                classifier.network, pixels_per_step=10, momentum=0.5, ic_tolerance=1 / 50,
                insertion_baseline=GaussianBlur(11, 5.0),
            ),
            IntegratedGradients(classifier.network),
        )
    ]  # fmt: skip
    search, line = (float(m.abs().sum() / m.sum().abs()) for m in maps)
    assert search < 0.9 * line
    agreement = {t.title: t.agreement for t in trials(classifier.network, inputs, target)}
    assert agreement[trust.FORGETFUL] < agreement[trust.NOISY] - 0.05
    off = []
    for restart in (False, True):
        run = AGI(classifier.network, restart=restart, bounds=(0.0, 1.0)).start(inputs, target).finish()
        off.append(abs(float(run.maps.sum() - run.completeness.targets.sum()) / float(run.completeness.targets.sum())))
    assert off[0] < 0.9 * off[1]
    return {
        "paths": two.FAR, "prefer": two.BEST_OF_ALL, "greedy": greedy.BEYOND, "digits": digits.SEARCH_LESS,
        "trust": trust.NETWORK_MORE, "code": reading.TEXT,
    }  # fmt: skip


def test_every_scene_asks_before_it_shows(learn):
    right = right_answers()
    assert list(right) == COMPUTED
    for slug, fits in right.items():
        go_to(learn, slug)
        choices = next(g for g in learn.segmented_control if str(g.key).startswith("answer-"))
        assert choices.value is None
        assert 2 <= len(choices.options) <= 4
        hidden = plots(learn) + words(learn)
        answer(learn, fits)
        assert verdict(learn).startswith(f"**{fits}** fits what is computed")
        assert len(plots(learn) + words(learn)) > len(hidden)
        wrong = next(option for option in choices.options if option != fits)
        answer(learn, wrong)
        assert verdict(learn).startswith(f"You said **{wrong}**. Computed: **{fits}**.")
    for slug, fits in right.items():  # answers stay while other scenes are shown
        go_to(learn, slug)
        assert f"Computed: **{fits}**." in verdict(learn)
        next(b for b in learn.button if b.label == "Ask again").click().run()
        assert_fine(learn)
        assert "What you just saw" not in words(learn)
        reveal(learn)
        assert verdict(learn).startswith(f"Computed: **{fits}**.")


def test_what_the_question_hides_is_not_drawn(learn):
    hidden = {"paths": "second pixel", "prefer": "random paths", "greedy": "SAMP's path", "trust": "insertion"}
    for slug, shown in hidden.items():
        go_to(learn, slug)
        assert shown not in plots(learn)
        reveal(learn)
        assert shown in plots(learn)
    go_to(learn, "digits")
    maps = "attribution map of"
    pictures = [h.proto.body for h in learn.get("html")]
    assert not any(maps in body for body in pictures)
    reveal(learn)
    assert sum(body.count(maps) for body in (h.proto.body for h in learn.get("html"))) == 2


def test_the_verdict_follows_the_knobs(learn):
    go_to(learn, "prefer")
    answer(learn, two.BEST_OF_ALL)
    assert "fits" in verdict(learn)
    for toy_name, tolerance in (("product", "1/10"), ("product", "1/5"), ("product", "off"), ("minimum", "1/10")):
        go_to(learn, "prefer", **{"prefer": toy_name, "prefer-ic": tolerance})
        if any(b.label == "Show me" for b in learn.button):
            answer(learn, two.BEST_OF_ALL)
        found = add_up(toy(toy_name), searched(toy(toy_name), tolerance=TOLERANCES[tolerance], momentum=0).points, FINE)
        best = best_path(toy(toy_name), CELLS).variance
        assert ("fits" in verdict(learn)) == (found.variance > best - 1e-3)
        assert f"{found.variance:.3f} of at most {best:.3f}" in verdict(learn)


def test_a_right_answer_has_to_be_among_the_options():
    with pytest.raises(ValueError, match="none of the answers"):
        Question("odd", "Which?", ("this", "that")).ask("neither", "")


def test_notes_are_for_the_teacher_alone(learn):
    for scene in SCENES:
        go_to(learn, scene.slug)
        assert popovers(learn)["Teacher's notes"] == scene.notes
        assert 2 <= len(re.findall(r"[.?!](?=\s|$)", scene.notes)) <= 4
        assert all(part in scene.notes for part in ("**Ask**", "**Show**", "**Usual misunderstanding**"))
    learn.toggle(key="present").set_value(True).run()
    for scene in SCENES:
        go_to(learn, scene.slug)
        assert "Teacher's notes" not in popovers(learn)
        assert scene.notes not in words(learn)
        assert ("Settings" in popovers(learn)) == (scene.slug in COMPUTED)


FOR_OR_AGAINST = ("#d63f04", "#1746d1", "#f7a26c", "#7ea2f5", "#d97706", "#c2410c", "#0284c7")


def colours_of(trace: dict) -> set[str]:
    """Return every colour of a trace, as six digits."""
    text = json.dumps([trace.get("marker"), trace.get("line")])
    mixed = re.findall(r"rgba\((\d+),(\d+),(\d+)", text)
    return {*re.findall(r"#[0-9a-f]{6}", text), *("#" + "".join(f"{int(c):02x}" for c in m) for m in mixed)}


@pytest.mark.parametrize("night", [False, True])
def test_a_colour_means_one_thing(learn, monkeypatch, night):
    monkeypatch.setattr(look, "dark", lambda: night)
    lanes = LANES["dark" if night else "light"]
    greys = {*look._GREYS["dark" if night else "light"], "#ffffff", "#111111"}
    learn.session_state["toy-points"] = [[0.2, 0.6]]
    learn.session_state["digit-view"] = digits.WAY
    seen = set()
    for scene in SCENES:
        go_to(learn, scene.slug)
        reveal(learn)
        assert not any(hue in plots(learn) for hue in FOR_OR_AGAINST)
        for chart in learn.get("plotly_chart"):
            for trace in json.loads(chart.proto.spec)["data"]:
                found = colours_of(trace)
                assert found <= {*lanes, *greys}, (scene.slug, trace.get("name"), found)
                seen |= found
                if trace.get("name") == "SAMP's path":
                    assert found == {lanes[0]}
                if trace.get("name") == "straight line":
                    assert found == {lanes[1]}
    assert set(lanes) <= seen


def go_to(learn: AppTest, scene: str, **knobs: object) -> None:
    """Open a scene and set its knobs."""
    learn.segmented_control(key="scene").set_value(scene).run()
    for kind in (learn.slider, learn.select_slider, learn.selectbox):
        for widget in kind:
            if widget.key in knobs:
                widget.set_value(knobs.pop(widget.key))
    assert not knobs
    learn.run()
    assert_fine(learn)


CARRIED = {
    "paths": ("samp", {"toy-momentum": 0.3, "toy-ic": "1/50"}, {"momentum": 0.3, "ic_tolerance": 1 / 50}),
    "prefer": ("samp", {"prefer-momentum": 0.5, "prefer-ic": "off"}, {"momentum": 0.5, "ic_tolerance": None}),
    "greedy": ("samp", {}, {"steps": 28, "directions": ("insertion",), "momentum": 0.0, "ic_tolerance": None}),
    "digits": (
        "samp++",
        {"digit-momentum": 0.8, "digit-ic": "1/20", "digit-pixels": 28, "digit-rule": "isotonic"},
        {"momentum": 0.8, "ic_tolerance": 1 / 20, "steps": 28, "accumulation": "isotonic"},
    ),
    "trust": ("samp++", {}, {"momentum": 0.5, "ic_tolerance": 1 / 10, "steps": 20, "accumulation": "paper"}),
    "code": ("agi", {"code-step": "0.02"}, {"step": 0.02, "classes": 3, "restart": "last"}),
}


@pytest.mark.parametrize("scene", CARRIED)
def test_a_scene_leads_to_a_photo_with_its_knobs(learn, scene):
    method, knobs, wanted = CARRIED[scene]
    go_to(learn, scene, **knobs)
    learn.button(key="learn-explain").click().run()
    assert_fine(learn)
    search, line = (lane.settings for lane in learn.session_state["stage"].lanes)
    assert (search.method, line.method) == (method, "ig")
    for knob, value in wanted.items():
        assert search.options[knob] == value


def test_knobs_stay_while_other_scenes_are_shown(learn):
    go_to(learn, "greedy", **{"walk-digit": 7})
    reveal(learn)
    before = words(learn)
    go_to(learn, "trust")
    go_to(learn, "greedy")
    assert learn.slider(key="walk-digit").value == 7
    assert words(learn) == before


def test_a_drawing_in_a_link():
    strokes = [[[0, 280], [17, 36]], [[140, 140]]]
    text = write_strokes(strokes)
    assert read_strokes(text) == strokes
    assert read_strokes("") == read_strokes("zz") == read_strokes("a b c d") == read_strokes("0000" * 1000) == []
    assert read_strokes("zzzz") == [[[280, 280]]]  # no further than the sheet's edge
    assert write_strokes([[[1, -5], ["a", 2], 3]]) == write_strokes(None) == ""


@pytest.mark.parametrize("path", ["nonsense", "[" * 5000, "[[1e999,0],[NaN,1]]", '{"a":1}'])
def test_a_broken_link_opens_the_scene_without_its_path(path):
    page = AppTest.from_file(str(ROOT / "app.py"), default_timeout=60).run().switch_page("pages/4_Learn.py")
    for name, value in {"path": path, "toy": "beauty", "toy-ic": "7", "toy-steps": "many", "scene": "nowhere"}.items():
        page.query_params[name] = value
    page.run()
    assert_fine(page)
    assert page.session_state["toy-points"] == []
    assert page.title[0].value == SCENES[0].title


def test_what_a_link_holds_is_not_trusted():
    assert read_points([[0.5, 0.25], [2, 0], ["a", 1], [1], 7, None]) == [[0.5, 0.25]]
    assert read_points("nonsense") == []
    assert len(read_points([[0.1, 0.1]] * 500)) == 40

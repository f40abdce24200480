"""Maps to pictures: grey levels, colours, words and the figure."""

from __future__ import annotations

import io
import math
import re
from dataclasses import replace
from itertools import combinations

import numpy as np
import pytest
import torch
from matplotlib.colors import rgb_to_hsv, to_rgb
from PIL import Image
from skimage.color import deltaE_ciede2000, rgb2lab

from samp_core.attribution import Explanation
from samp_core.baselines import GaussianBlur
from samp_core.faces import SAMP, IntegratedGradients
from samp_core.figures import figure
from samp_core.films import player_parts
from samp_core.render import (
    LANES,
    STOPS,
    colour,
    colour_limit,
    colour_map,
    encode,
    format_cancellation,
    format_gap,
    gap_in_words,
    map_in_words,
    overlay,
    palette,
    quantise,
)
from samp_core.rules import Completeness

MAP = np.array([[-3.0, -1.0, -0.5], [0.0, 0.5, 7.0]])
PHOTO = Image.effect_noise((10, 12), 60).convert("RGB")


def test_colours_saturate_at_a_percentile_and_never_at_0():
    many = np.concatenate([np.linspace(-1, 1, 201), [1000.0]])[None]  # one outlier in 202 values
    assert 0.9 < colour_limit(many) <= 1
    assert colour_limit(many, 100) == 1000
    sparse = np.zeros((20, 20))
    sparse[0, 0] = -4  # less than a percent of the pixels: the percentile is 0, the largest value is not
    assert colour_limit(sparse) == 4
    assert colour_limit(np.zeros((2, 2))) == 1


def test_quantise_by_hand():
    # 128 + 127 a / 2, clipped to |a| <= 2: the levels of -2, -1, -0.5, 0, 0.5, 2
    assert quantise(MAP, 2.0).tolist() == [[1, 64, 96], [128, 160, 255]]


def test_levels_stand_for_their_values():
    values = np.linspace(-2, 2, 255)[None]
    levels = quantise(values, 2.0)
    assert levels.dtype == np.uint8
    np.testing.assert_allclose((levels.astype(float) - 128) / 127 * 2, values, atol=1e-12)


def rgb(value: float, mode: str) -> list[int]:
    return [round(255 * c) for c in colour_map(mode)(value)[:3]]


def test_palette_has_zero_in_the_middle_and_the_ends_at_the_limit():
    signed, intensity = palette("signed"), palette("intensity")
    assert signed.shape == intensity.shape == (256, 3)
    assert signed[1].tolist() == [round(255 * c) for c in to_rgb("#1746d1")] == signed[0].tolist()
    assert signed[255].tolist() == [round(255 * c) for c in to_rgb("#d63f04")]
    assert abs(signed[128].astype(int) - [round(255 * c) for c in to_rgb("#f8f6f3")]).max() <= 1
    assert intensity[128].tolist() == rgb(0.0, "intensity")
    assert intensity[255].tolist() == intensity[1].tolist() == rgb(1.0, "intensity")
    assert (intensity[1:] == intensity[:0:-1]).all()  # the same for a and -a


@pytest.mark.parametrize("mode", ["signed", "intensity"])
def test_colour_is_the_palette_at_the_levels(mode):
    made = np.asarray(colour(MAP, mode, 2.0))
    assert (made == palette(mode)[quantise(MAP, 2.0)]).all()
    default = np.asarray(colour(MAP, mode))
    assert (default == np.asarray(colour(MAP, mode, colour_limit(MAP)))).all()


def test_overlay_mixes_grey_photo_and_colours():
    pixel_map = np.random.default_rng(0).normal(size=(12, 10))
    grey, colours = PHOTO.convert("L").convert("RGB"), colour(pixel_map)
    assert overlay(PHOTO, pixel_map, 0.0).tobytes() == grey.tobytes()
    assert overlay(PHOTO, pixel_map, 1.0).tobytes() == colours.tobytes()
    half = np.asarray(overlay(PHOTO, pixel_map, 0.5)).astype(float)
    assert abs(half - (np.asarray(grey).astype(float) + np.asarray(colours)) / 2).max() <= 1


@pytest.mark.parametrize("size", [(12, 10), (20, 24)])
def test_overlay_needs_the_size_of_the_photo(size):
    with pytest.raises(ValueError, match="do not match"):
        overlay(PHOTO.resize(size), np.zeros((12, 10)))


@pytest.mark.parametrize("kind", ["PNG", "JPEG"])
def test_encode_can_be_read_again(kind):
    read = Image.open(io.BytesIO(encode(PHOTO, kind)))
    assert (read.format, read.size) == (kind, PHOTO.size)
    if kind == "PNG":
        assert read.tobytes() == PHOTO.tobytes()


@pytest.mark.parametrize(
    ("relative", "short", "words"),
    [
        (0.0, "< 0.1 %", "adds up to the score's change"),
        (0.0004, "< 0.1 %", "adds up to the score's change"),
        (0.001, "0.1 %", "adds up to the score's change"),
        (0.0011, "0.1 %", "change within 5 %"),
        (0.05, "5.0 %", "change within 5 %"),
        (0.06, "6.0 %", "misses the score's change by 6.0 %"),
        (0.994, "99.4 %", "misses the score's change by 99.4 %"),
        (1.0, "1.0x", "by 1.0 times its size: read it as a ranking"),
        (12.34, "12.3x", "by 12.3 times its size: read it as a ranking"),
        (99.94, "99.9x", "by 99.9 times its size: read it as a ranking"),
        (283.4, "283x", "by 283 times its size: read it as a ranking"),
        (1234567.0, "1,230,000x", "by 1,230,000 times its size: read it as a ranking"),
        (math.inf, "undefined", "the score did not change on this path, so there is nothing the map could add up to"),
        (math.nan, "undefined", "the score did not change on this path, so there is nothing the map could add up to"),
    ],
)
def test_gaps_in_words(relative, short, words):
    assert format_gap(relative) == short
    assert gap_in_words(relative).endswith(words)


def drawn(explanation: Explanation, mode: str = "signed") -> tuple[list[str], int]:
    """Draw a figure to the end; returns the texts that it shows and the number of its score curves."""
    made = figure(PHOTO, explanation, title="SAMP: by hand", score="logit of tabby", mode=mode, opacity=0.5)
    made.savefig(io.BytesIO(), dpi=40)
    photo, attribution, _, over, curves, facts = sorted(made.axes, key=lambda a: ORDER[a.get_title() or a.get_label()])
    assert np.asarray(photo.images[0].get_array()).shape == (12, 10, 3)
    expected = np.asarray(colour(explanation.maps[0].numpy(), mode))
    assert (np.asarray(attribution.images[0].get_array()) == expected).all()
    assert len(over.images) == 1
    assert curves.get_ylabel() == "logit of tabby"
    texts = [made.get_suptitle(), *(t.get_text() for t in curves.texts), *(t.get_text() for t in facts.texts)]
    return texts, len(curves.lines)


ORDER = {"photo": 0, "attribution": 1, "<colorbar>": 2, "overlay, opacity 0.5": 3, "score along the path": 4, "": 5}


@pytest.mark.parametrize("mode", ["signed", "intensity"])
@pytest.mark.parametrize("directions", [("deletion", "insertion"), ("insertion",)], ids=len)
def test_figure_shows_every_direction(directions, mode, smooth, toys):
    samp = SAMP(smooth, 30, 0.5, 0.3, directions, insertion_baseline=GaussianBlur(5, 2.0))
    explanation = samp.explain(toys[:1], 0)
    texts, lines = drawn(explanation, mode)
    assert lines == len(directions)
    assert texts[: 1 + lines] == ["SAMP: by hand", *directions]
    for d, direction in enumerate(directions):
        assert f"{direction}: sum {explanation.completeness.sums[d, 0]:+.3f}, score change" in texts[-1]
        assert f"completeness gap {format_gap(float(explanation.completeness.relative[d, 0]))}" in texts[-1]
    assert f"{explanation.cost.gradients} gradient evaluations" in texts[-1]
    assert "UNFINISHED" not in texts[-1]


def test_curves_end_where_their_paths_do(smooth, toys):
    images = toys[:1].clone()
    images[:, :, 3:] = 0  # three quarters of the image are blank already, so its deletion is short
    explanation = SAMP(smooth, 10, 0.0, None, insertion_baseline=GaussianBlur(5, 2.0)).explain(images, 0)
    made = figure(PHOTO, explanation, title="", score="logit")
    (curves,) = (axes for axes in made.axes if axes.get_title() == "score along the path")
    moves = explanation.steps[:, 0].tolist()
    assert moves[0] < moves[1]
    assert [len(line.get_ydata()) for line in curves.lines] == [n + 1 for n in moves]
    assert [text.xy[0] for text in curves.texts] == moves


def test_figure_of_a_straight_line(smooth, toys):
    texts, lines = drawn(IntegratedGradients(smooth, 5).explain(toys[:1], 0))
    assert (lines, texts[1]) == (1, "insertion")


def test_names_in_a_figure_are_no_mathematics(smooth, toys):
    explanation = IntegratedGradients(smooth, 2).explain(toys[:1], 0)
    figure(PHOTO, explanation, title=r"IG: $\odd$", score=r"logit of $\frac$").savefig(io.BytesIO(), dpi=20)


@pytest.mark.parametrize("moves", [0, 2])
def test_figure_of_an_unfinished_result_says_so(moves, smooth, toys):
    run = SAMP(smooth, 30, 0.5, 0.3).start(toys[:1], 0)
    for _ in range(moves):
        next(iter(run))
    texts, lines = drawn(run.result())
    assert lines == 2
    assert texts[-1].startswith("UNFINISHED")


def test_figure_of_a_path_without_length_or_change(smooth):
    explanation = SAMP(smooth, 30).explain(torch.zeros(1, 2, 12, 10, dtype=torch.float64), 0)
    assert "completeness gap < 0.1 %" in drawn(explanation)[0][-1]
    ones = torch.ones_like(explanation.completeness.sums)
    undefined = replace(explanation, completeness=Completeness(ones, 0 * ones))
    assert drawn(undefined)[0][-1].count("completeness gap undefined") == 2


def test_cancellation_as_people_read_it():
    assert [format_cancellation(v) for v in (1.0, 1.014, 68.2, 1234.5)] == ["1", "1.01", "68.2", "1.23e+03"]
    assert {format_cancellation(v) for v in (math.inf, math.nan, None)} == {"none: the sum is 0"}


def test_a_map_in_words():
    pixel_map = np.zeros((9, 12))
    pixel_map[0, 11] = 3.0
    pixel_map[8, 0] = -1.0
    said = map_in_words(pixel_map)
    assert said == (
        "75 % for the class, most of it upper right; 25 % against the class, most of it lower left; "
        "the top 5 % of pixels hold 100 %"
    )
    assert "against" not in map_in_words(np.abs(pixel_map))
    assert map_in_words(0 * pixel_map) == "no pixel has any attribution"
    assert "hold 5 %" in map_in_words(np.ones((100, 100)))


def test_a_colour_means_one_thing():
    """The player's lanes have the engine's colours, and no lane has a hue that speaks for or against a class."""
    sheet = player_parts()["css"]
    for scheme, lanes in LANES.items():
        rule = re.search(r"\.stage\.dark \{(.*?)\}" if scheme == "dark" else r"\.stage \{(.*?)\}", sheet, re.S)[1]
        assert tuple(re.search(rf"--c{k}: (#\w+)", rule)[1] for k in range(4)) == lanes
        for shown in lanes:
            hue = rgb_to_hsv(to_rgb(shown))[0]
            for spoken in STOPS["signed"][:2] + STOPS["signed"][-2:]:
                apart = abs(hue - rgb_to_hsv(to_rgb(spoken))[0])
                assert min(apart, 1 - apart) > 0.1, (shown, spoken)


# How a colour looks to who has no cones of one kind, linear red, green and blue to linear red, green and blue: Machado,
# Oliveira and Fernandes, "A Physiologically-Based Model for Simulation of Color Vision Deficiency", TVCG 2009, table 1.
SEEN_BY = {
    "everybody": np.eye(3),
    "protanopes": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
    "deuteranopes": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.01182, 0.04294, 0.968881]],
    "tritanopes": [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.3039]],
}


@pytest.mark.parametrize("who", SEEN_BY)
@pytest.mark.parametrize("scheme", LANES)
def test_the_lanes_can_be_told_by_colour_blind_readers(scheme, who):
    shown = np.array([to_rgb(colour) for colour in LANES[scheme]])
    linear = np.where(shown <= 0.04045, shown / 12.92, ((shown + 0.055) / 1.055) ** 2.4)
    seen = np.clip(linear @ np.array(SEEN_BY[who]).T, 0, 1)
    lab = rgb2lab(np.where(seen <= 0.0031308, 12.92 * seen, 1.055 * seen ** (1 / 2.4) - 0.055))
    for first, second in combinations(range(4), 2):  # what is noticed is about 2
        assert deltaE_ciede2000(lab[first], lab[second]) > 9, (first, second)

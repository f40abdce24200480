"""Films of several lanes: the page that plays offline, the moving pictures, the figures for a paper."""

from __future__ import annotations

import io
import json
import re
import sys

import numpy as np
import pytest
import torch
from PIL import Image

import samp_core
from samp_core.cli import main
from samp_core.films import KINDS, Film, Recording, Take
from samp_core.films.animation import frame_at
from samp_core.films.lanes import read_lanes
from samp_core.films.paper import FIGURES, WIDTHS, _curves, paper_figure
from samp_core.films.recording import LARGEST
from samp_core.images import load_sample
from samp_core.methods import default_settings


@pytest.fixture(scope="module")
def recording(bundled) -> Recording:
    lanes = [default_settings("samp", steps=5), default_settings("ig", steps=6, insertion_baseline="blur"), "gradient"]
    return samp_core.film(bundled, load_sample("chelsea"), lanes, name="cat <b>.png", planes=False)


@pytest.fixture(scope="module")
def surveyed(recording, bundled, few_cells) -> Recording:
    again = Recording(bundled, recording.image, recording.name, recording.lanes)
    seen: list[float] = []
    again.survey(seen.append)
    assert seen == sorted(seen)
    assert seen[-1] == pytest.approx(1)
    return again


def message(page: str) -> dict:
    return json.loads(re.search(r'id="film">(.*?)</script>', page, re.S)[1])


def test_lanes_are_read_with_their_options():
    samp, line = read_lanes("samp++,momentum=0.8;ig,steps=20,start=blur")
    assert (samp.method, samp.options["momentum"]) == ("samp++", 0.8)
    assert (line.method, line.options["steps"], line.options["insertion_baseline"]) == ("ig", 20, "blur")
    assert [lane.method for lane in read_lanes("samp++,ig")] == ["samp++", "ig"]


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("", "1 to 4 lanes"),
        ("ig,ig,ig,ig,ig", "1 to 4 lanes"),
        ("samq", "samq"),
        ("ig,wings=2", "wings"),
        ("steps=2,ig", "before the method"),
        ("ig,steps=no", "steps"),
        ("ig,steps=-3", "steps"),
    ],
)
def test_lanes_that_make_no_sense_are_refused(text, word):
    with pytest.raises(ValueError, match=word):
        read_lanes(text)


def test_a_film_holds_what_a_run_by_itself_gives(recording, bundled):
    lane = recording.lanes[0]
    method = samp_core.make_method(bundled, lane.settings)
    alone = method.explain(bundled.preprocessing(recording.image), lane.settings.target)
    torch.testing.assert_close(lane.explanation.attributions, alone.attributions)
    assert lane.explanation.cost.gradients == alone.cost.gradients
    assert len({each.settings.target for each in recording.lanes}) == 1


def test_the_page_needs_nothing_but_itself(surveyed):
    page = surveyed.html()
    assert len(page.encode()) < LARGEST
    assert "default-src 'none'" in page
    assert not re.search(r"""(src|href)=["'](?!data:)[^"']""", page.split('id="film"')[0])
    assert "cat &lt;b&gt;.png" in page
    assert "<b>.png" not in page
    for hook in ('class="stage"', 'class="clock"', '"section", { class: "lane"'):
        assert hook in page
    told = message(page)
    assert [lane["method"] for lane in told["lanes"]] == ["samp", "ig", "gradient"]
    assert {track["run"] for view in told["ground"]["views"] for track in view["tracks"]} == {"run-0", "run-1"}
    assert all(value is not None for row in told["ground"]["views"][0]["values"] for value in row)
    assert told["lanes"][0]["slow"]["moves"][1]["paths"][0]["move"] == 1


def test_moves_taken_apart_are_left_out_where_a_page_would_grow_too_large(recording, monkeypatch):
    monkeypatch.setattr("samp_core.films.recording.LARGEST", 1_500_000)
    told = message(recording.html())
    assert not all("slow" in lane for lane in told["lanes"][:2])
    assert all(lane["frames"] for lane in told["lanes"])


def test_two_searches_of_both_directions_stay_below_8_megabytes(bundled):
    made = samp_core.film(bundled, load_sample("chelsea"), ["samp++"], planes=False, moments=60)
    assert 50 < len(made.lanes[0].film.frames) <= 62
    twice = Recording(bundled, made.image, made.name, made.lanes * 2)
    assert len(twice.html().encode()) < 8_000_000


def test_a_notebook_shows_the_page(recording):
    shown = recording._repr_html_()
    assert shown.startswith("<iframe srcdoc=")
    assert '"' not in shown.split('srcdoc="')[1].split('" style')[0]


@pytest.mark.parametrize(("ending", "kind"), [(".webp", "WEBP"), (".gif", "GIF")])
def test_moving_pictures_move_and_end_in_the_map(recording, ending, kind, tmp_path):
    path = recording.save(tmp_path / f"film{ending}")
    with Image.open(path) as film:
        assert film.format == kind
        assert film.n_frames >= 6
        first = np.asarray(film.convert("RGB"), dtype=float)
        film.seek(film.n_frames - 1)
        last = np.asarray(film.convert("RGB"), dtype=float)
    assert np.abs(first - last).mean() > 2


def test_a_video_has_the_films_length(recording):
    av = pytest.importorskip("av")
    with av.open(io.BytesIO(recording.encoded(".mp4"))) as video:
        frames = [f.to_ndarray(format="rgb24") for f in video.decode(video=0)]
    assert 7 <= len(frames) / 30 <= 10
    assert np.abs(frames[0].astype(float) - frames[-1]).mean() > 2


def test_without_pyav_a_video_is_refused_in_words(recording, monkeypatch):
    monkeypatch.setitem(sys.modules, "av", None)
    with pytest.raises(ValueError, match="PyAV"):
        recording.encoded(".mp4")


def test_an_unknown_ending_is_refused(recording, tmp_path):
    with pytest.raises(ValueError, match=re.escape(", ".join(KINDS))):
        recording.save(tmp_path / "film.avi")
    assert not list(tmp_path.iterdir())


def test_a_moment_shows_the_newest_picture_before_it(recording):
    lane = recording.lanes[0]
    ways = [frame.way for frame in lane.film.frames]
    assert frame_at(lane, 1.0) == len(ways) - 1
    for way in (0.0, 0.3, 0.62):
        index = frame_at(lane, way)
        assert ways[index] <= way + 1e-9
        assert all(later > way for later in ways[index + 1 :])


@pytest.mark.parametrize("kind", FIGURES)
@pytest.mark.parametrize("width", WIDTHS)
def test_figures_have_a_journals_width_and_text_that_is_text(surveyed, kind, width):
    drawn = paper_figure(surveyed, kind, width, "png")
    with Image.open(io.BytesIO(drawn)) as picture:
        assert picture.width / 300 == pytest.approx(WIDTHS[width], abs=0.02)
    if width == "column":  # the letters are the same ones at every width
        pdf = paper_figure(surveyed, kind, width, "pdf")
        assert b"/FontFile2" in pdf  # the letters are embedded as TrueType, not drawn
        assert b"/Type3" not in pdf


def test_the_key_hides_no_curve(recording):
    for width in WIDTHS.values():
        made = _curves(recording, width)
        assert made.legends
        made.draw_without_rendering()  # which puts everything in its place
        low = min(legend.get_window_extent().y0 for legend in made.legends)
        for axes in made.axes:
            assert axes.get_legend() is None
            assert axes.get_window_extent().y1 <= low


def test_lanes_are_told_apart_without_colour(surveyed):
    svg = paper_figure(surveyed, "curves", "page", "svg").decode()
    dashes = set(re.findall(r"stroke-dasharray: ([\d., ]+)", svg))
    assert dashes
    assert len(set(re.findall(r'xlink:href="#(m[0-9a-f]+)"', svg))) >= 2  # marks of two shapes


def test_a_plane_needs_a_survey_and_curves_need_a_path(recording, bundled):
    with pytest.raises(ValueError, match="surveyed"):
        paper_figure(recording, "plane")
    flat = Recording(bundled, recording.image, "cat", [recording.lanes[2]])
    with pytest.raises(ValueError, match="walks a path"):
        paper_figure(flat, "curves")
    assert paper_figure(flat, "maps", "column", "png")


def test_a_stopped_lane_is_a_film_of_what_was_walked(bundled):
    take = Take.of(bundled, load_sample("chelsea"), default_settings("samp", steps=6))
    for piece in take.run:
        take.add(piece)
        if piece.index == 2:
            take.run.stop()
    lane = take.close()
    assert isinstance(lane.film, Film)
    assert not lane.explanation.finished
    told = message(Recording(bundled, load_sample("chelsea"), "cat", [lane]).html())
    assert told["lanes"][0]["status"] == "stopped"
    assert "Stopped early" in told["lanes"][0]["words"][0]


def test_moments_out_of_range_are_refused(bundled):
    for moments in (1, 61):
        with pytest.raises(ValueError, match="2 to 60"):
            Take.of(bundled, load_sample("chelsea"), default_settings("ig"), moments)


def test_the_commands_write_a_film_and_a_figure(tmp_path, capsys):
    load_sample("coffee").save(tmp_path / "cup.png")
    photo = str(tmp_path / "cup.png")
    lanes = ["--lanes", "samp,steps=3,ig,steps=4"]
    assert main(["film", photo, *lanes, "--out", str(tmp_path / "film.html"), "--no-planes"]) == 0
    assert "gradient evaluations" in capsys.readouterr().out
    told = message((tmp_path / "film.html").read_text())
    assert [lane["settings"].split(",")[0] for lane in told["lanes"]] == ["3 steps", "4 steps"]
    assert main(["figure", photo, *lanes, "--figure", "maps", "--out", str(tmp_path / "maps.pdf"), "--quiet"]) == 0
    assert (tmp_path / "maps.pdf").read_bytes().startswith(b"%PDF")


@pytest.mark.parametrize("command", ["film", "figure"])
def test_a_command_refuses_an_ending_before_it_works(command, tmp_path, capsys):
    load_sample("coffee").save(tmp_path / "cup.png")
    assert main([command, str(tmp_path / "cup.png"), "--out", str(tmp_path / "film.xyz")]) == 2
    assert "must end in" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["cup.png"]

"""Draw the pictures that the app and the README show, by running the engine: ``python assets/make_pictures.py``."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import torch
from PIL import Image, ImageDraw

from samp_core import METHODS, Settings, default_settings, film, load_classifier, load_sample
from samp_core.files import write_files
from samp_core.films import Film, Take
from samp_core.plane import PathPlane
from samp_core.render import overlay
from samp_core.runs import begin

FOLDER = Path(__file__).parent
SHOWN = (0.0, 0.2, 0.45, 0.75, 1.0)  # how far along the path, as a fraction of its steps
GAP = 14
PHOTO = "coffee"


def icon() -> None:
    """Draw a path that climbs from pixel to pixel."""
    image = Image.new("RGBA", (128, 128))
    draw = ImageDraw.Draw(image)
    draw.rounded_rectangle((4, 4, 124, 124), 28, fill="#6d1fd0")
    points = [(26, 100), (26, 66), (62, 66), (62, 40), (100, 40), (100, 26)]
    draw.line(points, fill="white", width=11, joint="curve")
    for x, y in (points[0], points[-1]):
        draw.ellipse((x - 11, y - 11, x + 11, y + 11), fill="#fbbf24")
    image.save(FOLDER / "icon.png")


def two_paths() -> None:
    """Draw one photo explained along two paths that share their ends: the straight line, and SAMP++'s insertion."""
    classifier, photo = load_classifier().prepare(), load_sample(PHOTO)
    ends = {"directions": ("insertion",), "insertion_baseline": "zero"}
    rows = []
    for method in ("ig", "samp++"):
        _, run = begin(classifier, photo, default_settings(method, **ends))
        states = [step.state[0] for step in run] + [run.ends.end[0]]
        chosen = [states[round(f * (len(states) - 1))] for f in SHOWN]
        pictures = classifier.preprocessing.to_image(torch.stack(chosen))
        pixel_map = run.result().maps[0].double().numpy()
        rows.append([*pictures, overlay(classifier.preprocessing.crop_image(photo), pixel_map, 0.85)])
    side, columns = rows[0][0].width, len(rows[0])
    sheet = Image.new("RGBA", (columns * (side + GAP) + 2 * GAP, 2 * side + GAP))
    for r, row in enumerate(rows):
        for c, picture in enumerate(row):
            extra = 3 * GAP if c == columns - 1 else 0  # the map stands apart from the path
            sheet.paste(picture, (c * (side + GAP) + extra, r * (side + GAP)))
    sheet.save(FOLDER / "two_paths.webp", quality=88)


def home_film() -> None:
    """Record the film that Home plays: the map that does most at once, and the straight line from the same start."""
    lanes = [default_settings("samp-clear"), default_settings("ig", insertion_baseline="blur", steps=40)]
    _record("home", "rocket", lanes, ("points", "slow"))


def lesson_film() -> None:
    """Record the film of the lesson's last scene: a search of few moves, taken apart, and the straight line."""
    search = default_settings("samp", directions=("insertion",), steps=8)
    _record("lesson", "chelsea", [search, default_settings("ig", insertion_baseline="blur", steps=16)], ("points",))


def path_previews() -> None:
    """Record where each path method walks on one photo, each in its own plane, for the cards that offer methods."""
    classifier, photo = load_classifier().prepare(), load_sample("chelsea")
    found = {}
    for method in METHODS.values():
        if not method.has_path:
            continue
        take = Take.of(classifier, photo, method.defaults, 20)
        for piece in take.run:
            take.add(piece)
        walked = take.close().film
        assert isinstance(walked, Film)
        d = len(walked.directions) - 1  # the last direction leads to the photo
        states = torch.stack(walked.states[d])
        places, _ = PathPlane.through(walked.ends.start[d], walked.ends.end[d], [states]).coordinates(states)
        found[method.name] = [[round(v, 3) for v in place] for place in places.tolist()]
    write_files({FOLDER / "path_previews.json": json.dumps(found, separators=(",", ":")).encode()})


def _record(name: str, photo: str, lanes: list[Settings], without: tuple[str, ...]) -> None:
    recording = film(load_classifier().prepare(), load_sample(photo), lanes, name=f"{photo}.png", moments=18)
    message = recording.message() | {"compact": True}
    for number, lane in enumerate(message["lanes"]):
        for part in (*without, *(("slow",) if number else ())):
            lane.pop(part, None)
    content = gzip.compress(json.dumps(message, separators=(",", ":")).encode(), mtime=0)
    write_files({FOLDER / f"{name}_film.json.gz": content})


if __name__ == "__main__":
    icon()
    two_paths()
    home_film()
    lesson_film()
    path_previews()

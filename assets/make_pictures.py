"""Draw the pictures that the app and the README show, by running the engine: ``python assets/make_pictures.py``."""

from __future__ import annotations

from pathlib import Path

import torch
from PIL import Image, ImageDraw

from samp_core import default_settings, load_classifier, load_sample
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
    draw.rounded_rectangle((4, 4, 124, 124), 28, fill="#4338ca")
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


if __name__ == "__main__":
    icon()
    two_paths()

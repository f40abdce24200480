"""Recordings as moving pictures: WebP and GIF by Pillow, mp4 by PyAV."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

import matplotlib as mpl
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from samp_core.films.frames import Frame, Still, mapped
from samp_core.films.levels import expand
from samp_core.films.recording import MOST_MOMENTS, Lane, Recording
from samp_core.render import LANES, palette, quantise
from samp_core.words import directions, settings_in_words

LANE_COLOURS = LANES["light"]

_INK, _SOFT, _GROUND, _LINE = "#1d1b29", "#5b5964", "#ffffff", "#dcd9d1"
_WIDTH, _PAD, _STATE = 300, 12, 144
_SECONDS = 7.0  # of the whole film, as the player takes at normal speed
_REST = 1.5  # seconds that the last picture stays
_FPS = 30


def animation(recording: Recording, ending: str) -> bytes:
    """Return a recording as the bytes of an animated ``.webp`` or ``.gif``, or of an ``.mp4``.

    Raises:
        ValueError: mp4 needs a package that is not installed.
    """
    moments = _moments(recording)
    pictures = list(_pictures(recording, moments))
    each = _SECONDS / len(pictures)
    if ending == ".mp4":
        return _mp4(pictures, each)
    durations = [round(1000 * each)] * (len(pictures) - 1) + [round(1000 * _REST)]
    buffer = io.BytesIO()
    if ending == ".gif":
        # One palette for all: with one of its own each picture would shimmer.
        strip = pictures[-1].quantize(255, method=Image.Quantize.MEDIANCUT)
        pictures = [picture.quantize(palette=strip, dither=Image.Dither.NONE) for picture in pictures]
    kind = {".webp": {"format": "WEBP", "quality": 82, "method": 4}, ".gif": {"format": "GIF", "optimize": False}}
    pictures[0].save(
        buffer,
        save_all=True,
        append_images=pictures[1:],
        duration=durations,
        loop=0,
        **kind[ending],  # type: ignore[arg-type]
    )
    return buffer.getvalue()


def _moments(recording: Recording) -> list[float]:
    """Return the shares of the way at which there is something new to see, evenly thinned out to what a film holds."""
    places = sorted({round(f.way, 4) for lane in recording.lanes for f in lane.film.frames} | {0.0, 1.0})
    if len(places) > MOST_MOMENTS:
        places = [places[round(k)] for k in np.linspace(0, len(places) - 1, MOST_MOMENTS)]
    return places


def frame_at(lane: Lane, way: float) -> int:
    """Return the number of the newest picture of a lane at this share of the way; the last for 1."""
    frames = lane.film.frames
    if way >= 1:
        return len(frames) - 1
    return max((k for k, frame in enumerate(frames) if frame.way <= way + 1e-9), default=0)


def picture_of(uri: str) -> Image.Image:
    """Return the picture that a data URI holds."""
    return Image.open(io.BytesIO(base64.b64decode(uri.partition(",")[2])))


def map_picture(frame: Frame, limit: float, photo: Image.Image, opacity: float = 0.75) -> Image.Image:
    """Return a film's map at one moment over the photo; colours saturate at ``limit``. Empty before the first move."""
    grey = photo.convert("L").convert("RGB")
    values = np.zeros((photo.height, photo.width))
    if frame.pixel_map is not None:
        values = expand(np.asarray(picture_of(frame.pixel_map).convert("L")), frame.peak)
    return Image.blend(grey, Image.fromarray(palette("signed")[quantise(values, limit)]), opacity)


def states_at(lane: Lane, index: int) -> tuple[str, ...]:
    """Return the pictures of the paths' images at a moment: those of the frame, or the newest before it."""
    return next((f.states for f in reversed(lane.film.frames[: index + 1]) if f.states), ())


@lru_cache(maxsize=8)
def _font(size: int, bold: bool = False) -> ImageFont.FreeTypeFont:
    name = "DejaVuSans-Bold.ttf" if bold else "DejaVuSans.ttf"
    return ImageFont.truetype(str(Path(mpl.get_data_path()) / "fonts" / "ttf" / name), size)


def _pictures(recording: Recording, moments: list[float]) -> Iterator[Image.Image]:
    width = len(recording.lanes) * (_WIDTH + _PAD) + _PAD
    height, wide = recording.photo.height, recording.photo.width
    tall = round(_WIDTH * height / wide)
    low = round(_STATE * height / wide)
    whole = 52 + tall + 8 + low + 56 + 30
    whole += whole % 2  # a video wants even sides
    width += width % 2
    for way in moments:
        canvas = Image.new("RGB", (width, whole), _GROUND)
        draw = ImageDraw.Draw(canvas)
        for k, lane in enumerate(recording.lanes):
            _column(canvas, draw, recording, lane, k, way, (_PAD + k * (_WIDTH + _PAD), tall, low))
        y = whole - 20
        draw.rounded_rectangle((_PAD, y, width - _PAD - 150, y + 6), 3, fill=_LINE)
        draw.rounded_rectangle((_PAD, y, _PAD + max(6, way * (width - 2 * _PAD - 150)), y + 6), 3, fill=LANE_COLOURS[0])
        draw.text((width - _PAD, y + 3), f"{100 * way:.0f} % of the way", _SOFT, _font(12), anchor="rm")
        yield canvas


def _column(
    canvas: Image.Image,
    draw: ImageDraw.ImageDraw,
    recording: Recording,
    lane: Lane,
    number: int,
    way: float,
    place: tuple[int, int, int],
) -> None:
    x, tall, low = place
    colour = LANE_COLOURS[number]
    draw.rectangle((x, 6, x + _WIDTH, 9), fill=colour)
    draw.text((x, 14), lane.title, colour, _font(15, bold=True))
    draw.text((x, 34), _short(settings_in_words(lane.settings), _font(10), _WIDTH), _SOFT, _font(10))
    index = frame_at(lane, way)
    frame, with_map = lane.film.frames[index], mapped(lane.film.frames, index)
    shown = map_picture(with_map, lane.film.frames[-1].limit, recording.photo)
    y = 52
    canvas.paste(shown.resize((_WIDTH, tall), Image.Resampling.LANCZOS), (x, y))
    y += tall + 8
    names = directions(lane.settings)
    for d, uri in enumerate(states_at(lane, index)):
        left = x + d * (_WIDTH - _STATE)
        canvas.paste(picture_of(uri).convert("RGB").resize((_STATE, low), Image.Resampling.LANCZOS), (left, y))
        words = f"{names[d]['title']}: score {_score(lane, d, frame.move)}"
        draw.text((left, y + low + 4), words, _INK, _font(11))
        draw.text((left, y + low + 19), f"sum {with_map.sums[d]:+.3g}", _SOFT, _font(11))
    if not names:
        draw.text((x, y), "no path: its map comes in one piece", _SOFT, _font(11))


def _score(lane: Lane, direction: int, move: int) -> str:
    assert not isinstance(lane.film, Still)
    known = [s for s in lane.film.scores[direction][: move + 1] if s is not None]
    return f"{known[-1]:.1f}" if known else ""


def _short(text: str, font: ImageFont.FreeTypeFont, width: int) -> str:
    while text and font.getlength(text) > width:
        text = text[:-2].rstrip(" ,.") + "…"
    return text


def _mp4(pictures: list[Image.Image], each: float) -> bytes:
    try:
        import av  # noqa: PLC0415 - an extra
    except ImportError:
        raise ValueError(
            "A film as mp4 needs PyAV: pip install 'samp-core[video]'. WebP, GIF and html need nothing more."
        ) from None
    buffer = io.BytesIO()
    with av.open(buffer, "w", format="mp4") as container:
        stream = container.add_stream("libx264", rate=_FPS)
        stream.width, stream.height, stream.pix_fmt = *pictures[0].size, "yuv420p"
        for k, picture in enumerate(pictures):
            rest = _REST if k == len(pictures) - 1 else each
            frame = av.VideoFrame.from_ndarray(np.asarray(picture), format="rgb24")
            for _ in range(max(1, round(rest * _FPS))):
                container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return buffer.getvalue()

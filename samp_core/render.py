"""Maps to pictures and to words: colours, overlays, and what a gap means."""

from __future__ import annotations

import io
from functools import lru_cache
from typing import TYPE_CHECKING, Literal

import numpy as np
import torch
from jaxtyping import Float, UInt8
from numpy.typing import NDArray
from PIL import Image

from samp_core.metrics import top_share

if TYPE_CHECKING:
    from matplotlib.colors import Colormap

Mode = Literal["signed", "intensity"]

# Saturated ends, not dark ones: a single pixel of -a must be told from one of +a. Blue against orange is safe for
# colour-blind readers.
_SIGNED = ("#1746d1", "#7ea2f5", "#f8f6f3", "#f7a26c", "#d63f04")
STOPS = {"signed": _SIGNED, "intensity": "inferno"}
"""Colours of each mode: evenly spaced ones to go between, or the name of one of matplotlib's colour maps."""

LANES = {"light": ("#6d1fd0", "#0f766e", "#c2185b", "#4f7500"), "dark": ("#b98cf7", "#2dd4bf", "#f65d9f", "#c5f05a")}
"""Colours of lanes and their paths, on light and on dark ground; none is a hue of the signed maps, and colour-blind
readers can tell any two of them."""

ORDER = "viridis"
"""Colours of when a pixel moved, first to last; a colour map of matplotlib."""

PERCENTILE = 99.0
"""Colours saturate at this percentile of the magnitudes: the maps of searches have a few very large values."""


def colour_limit(pixel_map: Float[NDArray[np.floating], "h w"], percentile: float = PERCENTILE) -> float:
    """Return the magnitude at which colours saturate: a percentile of ``|a|``, never 0."""
    magnitude = np.abs(pixel_map)
    return float(np.percentile(magnitude, percentile) or magnitude.max() or 1.0)


def quantise(pixel_map: Float[NDArray[np.floating], "h w"], limit: float) -> UInt8[NDArray[np.uint8], "h w"]:
    """Return the map as grey levels: 1 for -limit and below, 128 for 0, 255 for limit and above."""
    levels: NDArray[np.uint8] = np.round(128 + 127 * np.clip(pixel_map / limit, -1, 1)).astype(np.uint8)
    return levels


def colour_map(mode: Mode) -> Colormap:
    """Return a mode's colours as a colour map of matplotlib."""
    from matplotlib import colormaps  # noqa: PLC0415 - nothing else here needs matplotlib
    from matplotlib.colors import LinearSegmentedColormap  # noqa: PLC0415

    if mode == "intensity":
        return colormaps[str(STOPS[mode])]
    return LinearSegmentedColormap.from_list("blue-orange", list(STOPS[mode]))


@lru_cache(maxsize=len(STOPS))
def palette(mode: Mode) -> UInt8[NDArray[np.uint8], "256 3"]:
    """Return the colour of each grey level of :func:`quantise`; not to be written into."""
    levels = (np.arange(256) - 128) / 127
    position = (levels + 1) / 2 if mode == "signed" else np.abs(levels)
    colours: NDArray[np.float64] = colour_map(mode)(np.clip(position, 0, 1))[:, :3]
    made = np.round(255 * colours).astype(np.uint8)
    made.flags.writeable = False
    return made


@lru_cache(maxsize=1)
def order_palette() -> UInt8[NDArray[np.uint8], "256 3"]:
    """Return the colours from what moved first to what moved last; not to be written into."""
    from matplotlib import colormaps  # noqa: PLC0415 - nothing else here needs matplotlib

    made = np.round(255 * colormaps[ORDER](np.linspace(0, 1, 256))[:, :3]).astype(np.uint8)
    made.flags.writeable = False
    return made


def colour(
    pixel_map: Float[NDArray[np.floating], "h w"], mode: Mode = "signed", limit: float | None = None
) -> Image.Image:
    """Return the map in colours; ``limit`` defaults to :func:`colour_limit`."""
    levels = quantise(pixel_map, limit or colour_limit(pixel_map))
    return Image.fromarray(palette(mode)[levels])


def overlay(
    photo: Image.Image,
    pixel_map: Float[NDArray[np.floating], "h w"],
    opacity: float = 0.6,
    mode: Mode = "signed",
    limit: float | None = None,
) -> Image.Image:
    """Return the map over a grey version of the photo, which must have the map's size; opacity is 0 to 1."""
    return Image.blend(photo.convert("L").convert("RGB"), colour(pixel_map, mode, limit), opacity)


def encode(image: Image.Image, kind: Literal["JPEG", "PNG"], quality: int = 85) -> bytes:
    """Return the picture as a file's bytes; ``quality`` is a JPEG's, 1 to 95."""
    buffer = io.BytesIO()
    image.save(buffer, kind, **({"quality": quality} if kind == "JPEG" else {"compress_level": 3}))
    return buffer.getvalue()


_PLACES = (
    ("upper left", "upper middle", "upper right"),
    ("middle left", "middle", "middle right"),
    ("lower left", "lower middle", "lower right"),
)


def map_in_words(pixel_map: Float[NDArray[np.floating], "h w"]) -> str:
    """Say what a map shows, for who cannot see it: how much is for and against, and in which ninth most of each is."""
    whole = float(np.abs(pixel_map).sum())
    if not whole:
        return "no pixel has any attribution"
    parts = []
    for sign, side in ((1, "for"), (-1, "against")):
        credit = np.clip(sign * pixel_map, 0, None)
        share = float(credit.sum()) / whole
        if share < 0.005:
            continue
        ninths = [[float(block.sum()) for block in np.array_split(row, 3, axis=1)] for row in np.array_split(credit, 3)]
        row, column = divmod(int(np.argmax(ninths)), 3)
        parts.append(f"{100 * share:.0f} % {side} the class, most of it {_PLACES[row][column]}")
    top = top_share(torch.from_numpy(pixel_map).unsqueeze(0), 0.05).item()
    return f"{'; '.join(parts)}; the top 5 % of pixels hold {100 * top:.0f} %"


def format_cancellation(value: float | None) -> str:
    """Return a map's cancellation as people read it; a map whose sum is zero has none."""
    return "none: the sum is 0" if value is None or not np.isfinite(value) else f"{value:.3g}"


def gap_in_words(relative: float) -> str:
    """Say what a relative completeness gap means for a reader."""
    if not np.isfinite(relative):
        return "the score did not change on this path, so there is nothing the map could add up to"
    if relative <= 0.001:
        return "the map adds up to the score's change"
    if relative <= 0.05:
        return "the map adds up to the score's change within 5 %"
    if relative < 1:
        return f"the map's sum misses the score's change by {100 * relative:.1f} %"
    return f"the map's sum misses the score's change by {_multiple(relative)} times its size: read it as a ranking"


def format_gap(relative: float) -> str:
    """Return a relative gap as people read it: per cent below 1, a multiple above, ``undefined`` without a change."""
    if not np.isfinite(relative):
        return "undefined"
    if relative < 0.0005:
        return "< 0.1 %"
    return f"{100 * relative:.1f} %" if relative < 1 else f"{_multiple(relative)}x"


def _multiple(value: float) -> str:
    return f"{value:.1f}" if value < 99.95 else f"{float(f'{value:.3g}'):,.0f}"

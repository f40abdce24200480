"""Maps to pictures: colours, overlays, and the figure that goes with a result."""

from __future__ import annotations

import io
from typing import Literal

import matplotlib
import numpy as np
import torch
from jaxtyping import Float, UInt8
from matplotlib.axes import Axes
from matplotlib.colors import Colormap, LinearSegmentedColormap, Normalize
from matplotlib.figure import Figure
from numpy.typing import NDArray
from PIL import Image

from samp_core.attribution import Explanation
from samp_core.metrics import top_share

Mode = Literal["signed", "intensity"]

# Saturated ends, not dark ones: a single pixel of -a must be told from one of +a. Blue against orange is safe for
# colour-blind readers.
_SIGNED = ("#1746d1", "#7ea2f5", "#f8f6f3", "#f7a26c", "#d63f04")
COLOURS: dict[str, Colormap] = {
    "signed": LinearSegmentedColormap.from_list("blue-orange", _SIGNED),
    "intensity": matplotlib.colormaps["inferno"],
}
"""Colour map of each mode."""

PERCENTILE = 99.0
"""Colours saturate at this percentile of the magnitudes: the maps of searches have a few very large values."""

_MARKS = {"deletion": "#c2410c", "insertion": "#0f766e", "map": "#4338ca"}


def colour_limit(pixel_map: Float[NDArray[np.floating], "h w"], percentile: float = PERCENTILE) -> float:
    """Return the magnitude at which colours saturate: a percentile of |a|, never 0."""
    magnitude = np.abs(pixel_map)
    return float(np.percentile(magnitude, percentile) or magnitude.max() or 1.0)


def quantise(pixel_map: Float[NDArray[np.floating], "h w"], limit: float) -> UInt8[NDArray[np.uint8], "h w"]:
    """Return the map as grey levels: 1 for -limit and below, 128 for 0, 255 for limit and above."""
    levels: NDArray[np.uint8] = np.round(128 + 127 * np.clip(pixel_map / limit, -1, 1)).astype(np.uint8)
    return levels


def palette(mode: Mode) -> UInt8[NDArray[np.uint8], "256 3"]:
    """Return the colour of each grey level of :func:`quantise`."""
    levels = (np.arange(256) - 128) / 127
    position = (levels + 1) / 2 if mode == "signed" else np.abs(levels)
    colours: NDArray[np.float64] = COLOURS[mode](np.clip(position, 0, 1))[:, :3]
    return np.round(255 * colours).astype(np.uint8)


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


def _show(axes: Axes, image: Image.Image, title: str) -> None:
    axes.imshow(image)
    axes.set_title(title, fontsize=10)
    axes.set_xticks([])
    axes.set_yticks([])


def figure(
    photo: Image.Image,
    explanation: Explanation,
    *,
    title: str,
    score: str,
    mode: Mode = "signed",
    opacity: float = 0.6,
) -> Figure:
    """Return photo, map, overlay, score curves and completeness of the first image as one figure.

    Args:
        photo: the photo as the network saw it, of the map's size.
        explanation: the result; only its first image is shown.
        title: method and settings, in words.
        score: what was explained, in words.
        mode: ``signed`` (diverging colours) or ``intensity`` (magnitude).
        opacity: of the map over the photo, 0 to 1.
    """
    pixel_map = explanation.maps[0].double().cpu().numpy()
    limit = colour_limit(pixel_map)
    made = Figure(figsize=(11, 6.6), layout="constrained", facecolor="white")
    grid = made.add_gridspec(2, 3, height_ratios=(1.35, 1))
    _show(made.add_subplot(grid[0, 0]), photo, "photo")
    axes = made.add_subplot(grid[0, 1])
    _show(axes, colour(pixel_map, mode, limit), "attribution")
    bounds = (-limit, limit) if mode == "signed" else (0, limit)
    mappable = matplotlib.cm.ScalarMappable(Normalize(*bounds), COLOURS[mode])
    bar = made.colorbar(mappable, ax=axes, shrink=0.85, extend="both" if mode == "signed" else "max")
    bar.set_label(
        f"{'a' if mode == 'signed' else '|a|'}, saturates at the {PERCENTILE:.0f}th percentile of |a|", fontsize=7
    )
    bar.ax.tick_params(labelsize=7)
    _show(made.add_subplot(grid[0, 2]), overlay(photo, pixel_map, opacity, mode), f"overlay, opacity {opacity:.1f}")
    _curves(made.add_subplot(grid[1, :2]), explanation, score)
    _facts(made.add_subplot(grid[1, 2]), explanation, pixel_map)
    made.suptitle(title, fontsize=11, fontweight="bold", parse_math=False)
    return made


def _curves(axes: Axes, explanation: Explanation, score: str) -> None:
    if not explanation.directions:
        axes.axis("off")
        axes.text(0, 0.95, "This method walks no path, so there is no score along it.", va="top")
        return
    for d, direction in enumerate(explanation.directions):
        values = explanation.scores[:, d, 0].double().cpu().numpy()
        values = values[~np.isnan(values)]
        line = _MARKS.get(direction, _MARKS["map"])
        axes.plot(values, color=line, lw=1.8)
        axes.annotate(
            direction, (len(values) - 1, values[-1]), (4, 0), textcoords="offset points", color=line, fontsize=9
        )
    axes.set_xlabel("step of the path")
    axes.set_ylabel(score, fontsize=8, parse_math=False)
    axes.set_title("score along the path", fontsize=10)
    axes.margins(x=0.12)
    axes.grid(alpha=0.25)
    axes.spines[["top", "right"]].set_visible(False)


def _facts(axes: Axes, explanation: Explanation, pixel_map: NDArray[np.float64]) -> None:
    axes.axis("off")
    lines = [] if explanation.finished else ["UNFINISHED: the map covers part of the way", ""]
    completeness = explanation.completeness
    if not explanation.promises:
        lines.append("The method promises no sum.")
    for d, name in enumerate(explanation.promises):
        words = "score change" if explanation.directions else "promised"
        lines += [
            f"{name}: sum {completeness.sums[d, 0]:+.3f}, {words} {completeness.targets[d, 0]:+.3f}",
            f"    completeness gap {format_gap(float(completeness.relative[d, 0]))}",
        ]
    lines += [
        "",
        f"Var(a) {pixel_map.var():.3g}  (over {pixel_map.size:,} pixels)",
        f"{explanation.cost.gradients} gradient evaluations, {explanation.seconds:.1f} s",
    ]
    axes.text(0, 0.95, "\n".join(lines), va="top", fontsize=9, linespacing=1.5)

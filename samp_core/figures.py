"""The figure that goes with a result."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from numpy.typing import NDArray
from PIL import Image

from samp_core.attribution import Explanation
from samp_core.render import PERCENTILE, Mode, colour, colour_limit, colour_map, format_gap, overlay

_INK = "#1c1b22"
_LINES = ("-", "--", "-.", ":")  # directions differ by line: colours are the lanes' and the map's


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
    mappable = ScalarMappable(Normalize(*bounds), colour_map(mode))
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
        axes.plot(values, color=_INK, lw=1.8, ls=_LINES[d % len(_LINES)])
        axes.annotate(
            direction, (len(values) - 1, values[-1]), (4, 0), textcoords="offset points", color=_INK, fontsize=9
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

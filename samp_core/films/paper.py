"""Figures of a recording for a paper: vector text, a journal's widths, told apart without colour."""

from __future__ import annotations

import io
from threading import Lock
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from PIL import Image

from samp_core.films.animation import LANE_COLOURS, frame_at, map_picture, picture_of, states_at
from samp_core.films.frames import Film, Still, mapped
from samp_core.films.recording import Lane, Recording
from samp_core.films.reel import Reel
from samp_core.render import colour_limit, overlay
from samp_core.words import directions

_drawing = Lock()  # matplotlib's settings are the whole process's

FIGURES: dict[str, str] = {
    "moments": "each lane's image and map at five moments",
    "maps": "the finished maps beside the photo",
    "plane": "the paths over the ground of the score",
    "curves": "the score along the way, and the running sums",
}
"""What can be drawn."""

WIDTHS = {"column": 3.35, "page": 6.9}
"""Widths in inches, of one column and of two."""

_STYLE: dict[Any, Any] = {
    "font.size": 7, "axes.titlesize": 7, "axes.labelsize": 7, "xtick.labelsize": 6, "ytick.labelsize": 6,
    "legend.fontsize": 6, "pdf.fonttype": 42, "svg.fonttype": "none", "axes.linewidth": 0.6, "lines.linewidth": 1.1,
}  # fmt: skip
_LINES, _MARKS = ("-", "--", "-.", ":"), ("o", "s", "^", "D")
_MOMENTS = (0.0, 0.25, 0.5, 0.75, 1.0)


def paper_figure(recording: Recording, kind: str = "moments", width: str = "page", ending: str = "pdf") -> bytes:
    """Return a figure as the bytes of a ``pdf``, ``svg`` or ``png`` (300 dpi) file.

    Args:
        recording: what is drawn; ``plane`` needs one that was surveyed.
        kind: one of :data:`FIGURES`.
        width: one of :data:`WIDTHS`.
        ending: the format.

    Raises:
        ValueError: there is no such figure or width, or no lane has what it shows.
    """
    if kind not in FIGURES or width not in WIDTHS:
        raise ValueError(f"Figures: {', '.join(FIGURES)}; widths: {', '.join(WIDTHS)}. Not {kind}, {width}.")
    draw = {"moments": _moments, "maps": _maps, "plane": _plane, "curves": _curves}[kind]
    buffer = io.BytesIO()
    with _drawing, mpl.rc_context(_STYLE):
        made = draw(recording, WIDTHS[width])
        made.savefig(buffer, format=ending, dpi=300)
    return buffer.getvalue()


def _walked(recording: Recording) -> list[tuple[int, Lane, Film | Reel]]:
    films = [(k, lane, lane.film) for k, lane in enumerate(recording.lanes)]
    found = [(k, lane, film) for k, lane, film in films if not isinstance(film, Still) and film.directions]
    if not found:
        raise ValueError("None of the lanes walks a path, so there is nothing to draw of it: draw the maps.")
    return found


def _show(axes: Axes, picture: Image.Image) -> None:
    axes.imshow(picture, interpolation="none")
    axes.set_xticks([])
    axes.set_yticks([])
    for spine in axes.spines.values():
        spine.set_linewidth(0.4)


def _name(lane: Lane, direction: str) -> str:
    """Return what people call one of a lane's directions."""
    return directions(lane.settings)[lane.film.directions.index(direction)]["title"].lower()


def _moments(recording: Recording, width: float) -> Figure:
    walked = _walked(recording)
    rows = sum(len(film.directions) + 1 for _, _, film in walked)
    columns, ratio = len(_MOMENTS), recording.photo.height / recording.photo.width
    layout = ConstrainedLayoutEngine(w_pad=0.01, h_pad=0.01, wspace=0.01, hspace=0.01)
    made = Figure(figsize=(width, (width - 0.6) / columns * ratio * rows + 0.3), layout=layout)
    grid = made.subplots(rows, columns, squeeze=False)
    row = 0
    for number, lane, film in walked:
        names = [d["title"] for d in directions(lane.settings)]
        for column, way in enumerate(_MOMENTS):
            index = frame_at(lane, way)
            states = states_at(lane, index)
            for d in range(len(names)):
                _show(grid[row + d, column], picture_of(states[d]))
            frame = mapped(film.frames, index)
            _show(grid[row + len(names), column], map_picture(frame, film.frames[-1].limit, recording.photo))
            if row == 0:
                grid[0, column].set_title(f"{100 * way:.0f} % of the way")
        for d, name in enumerate([*names, "map"]):
            grid[row + d, 0].set_ylabel(f"{lane.title}\n{name}", color=LANE_COLOURS[number])
        row += len(names) + 1
    return made


def _maps(recording: Recording, width: float) -> Figure:
    columns, ratio = len(recording.lanes) + 1, recording.photo.height / recording.photo.width
    made = Figure(figsize=(width, width / columns * ratio + 0.35), layout="constrained")
    grid = made.subplots(1, columns, squeeze=False)[0]
    _show(grid[0], recording.photo)
    grid[0].set_title("photo")
    for axes, lane in zip(grid[1:], recording.lanes, strict=True):
        pixel_map = lane.explanation.maps[0].double().cpu().numpy()
        _show(axes, overlay(recording.photo, pixel_map, 0.75))
        axes.set_title(lane.title)
        axes.set_xlabel(f"colours saturate at ±{colour_limit(pixel_map):.2g}", fontsize=5.5)
    return made


def _plane(recording: Recording, width: float) -> Figure:
    if not recording.views:
        raise ValueError("There is no plane: no path has arrived, or the recording was not surveyed.")
    views = recording.views
    made = Figure(figsize=(width, min(3.2, width / len(views) * 0.8)), layout="constrained")
    for axes, view in zip(made.subplots(1, len(views), squeeze=False)[0], views, strict=True):
        values = np.array(view.values, dtype=float)
        x = np.linspace(view.low[0], view.high[0], values.shape[1])
        y = np.linspace(view.low[1], view.high[1], values.shape[0])
        ground = axes.contourf(x, y, values, levels=11, cmap="Greys_r")
        made.colorbar(ground, ax=axes, shrink=0.8).set_label(view.score, parse_math=False)
        for track in view.tracks:
            number = int(track.run.removeprefix("run-"))
            places = np.array(track.places)
            axes.plot(*places.T, color="white", lw=2.6)
            axes.plot(
                *places.T, color=LANE_COLOURS[number], ls=_LINES[number], marker=_MARKS[number], ms=2.2,
                label=f"{recording.lanes[number].title}, {_name(recording.lanes[number], track.direction)}",
            )  # fmt: skip
        share = "" if view.share is None else f"second axis: {100 * view.share:.0f} % of what leaves the line"
        title = (f"{view.ends[0]} to {view.ends[1]}", *([share] if share else []))
        axes.set_title(("\n" if len(views) > 2 else "; ").join(title), fontsize=6)
        axes.set_xlabel("along the straight way")
        axes.set_ylabel("across it")
        axes.legend(frameon=True, loc="best")
    return made


def _curves(recording: Recording, width: float) -> Figure:
    walked = _walked(recording)
    beside = width > 5
    made = Figure(figsize=(width, 2.1 if beside else 4.0), layout="constrained")
    left, right = made.subplots(1 if beside else 2, 2 if beside else 1, squeeze=False).ravel()
    for number, lane, film in walked:
        style = {"color": LANE_COLOURS[number], "marker": _MARKS[number], "ms": 2, "markevery": 0.15}
        for d, name in enumerate(film.directions):
            line = _LINES[d % len(_LINES)]
            way = np.array([frame.way for frame in film.frames])
            moves = np.array([frame.move for frame in film.frames])
            known = [(k, s) for k, s in enumerate(film.scores[d]) if s is not None]
            at = np.interp([k for k, _ in known], moves, way)
            left.plot(100 * at, [s for _, s in known], ls=line, label=f"{lane.title}, {_name(lane, name)}", **style)
            credited = np.interp([frame.credited for frame in film.frames], moves, way)
            right.plot(100 * credited, [frame.sums[d] if frame.sums else 0 for frame in film.frames], ls=line, **style)
    left.set_ylabel(recording.score, parse_math=False)
    right.set_ylabel("running sum of the map")
    right.set_yscale("symlog")
    for axes in (left, right):
        axes.set_xlabel("% of the way")
        axes.grid(alpha=0.25, lw=0.4)
        axes.spines[["top", "right"]].set_visible(False)
    # Above both: inside, it hides what is compared.
    made.legend(*left.get_legend_handles_labels(), loc="outside upper center", ncols=4 if beside else 2, frameon=False)
    return made

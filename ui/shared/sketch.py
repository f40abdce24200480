"""Small grey drawings of what there is to come, where nothing is yet."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Mapping, Sequence

WIDTH, HEIGHT = 168, 52
"""Pixels of a drawing; what it holds has these coordinates."""
SIDE = 7
"""Rows and columns of a drawn map."""
_PLACES = [(row, column) for row in range(SIDE) for column in range(SIDE)]
_INK = "#85828f"  # to be seen on light and on dark; colours belong to methods and to maps


def sketch_uri(inside: str) -> str:
    """Return a drawing as a data URI, given the inside of an ``svg``; pages take no ``svg`` itself."""
    size = f'viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" height="{HEIGHT}"'
    svg = f'<svg xmlns="http://www.w3.org/2000/svg" {size} fill="{_INK}">{inside}</svg>'
    return f"data:image/svg+xml;base64,{base64.b64encode(svg.encode()).decode()}"


def picture(inside: str) -> str:
    """Return what stands in HTML for a drawing."""
    return f'<img class="sketch" alt="" width="{WIDTH}" height="{HEIGHT}" src="{sketch_uri(inside)}">'


def line(points: Iterable[tuple[float, float]], dash: str = "") -> str:
    """Draw a line through points."""
    path = " ".join(f"{x:g},{y:g}" for x, y in points)
    return f'<polyline points="{path}" fill="none" stroke="{_INK}" stroke-width="1.6" stroke-dasharray="{dash}"/>'


def box(x: float, y: float, width: float, height: float, opacity: float) -> str:
    """Draw a filled box."""
    return f'<rect x="{x:g}" y="{y:g}" width="{width:g}" height="{height:g}" opacity="{opacity:.2f}"/>'


def frame(x: float, y: float, width: float, height: float) -> str:
    """Draw the outline of a box."""
    return line([(x, y), (x + width, y), (x + width, y + height), (x, y + height), (x, y)])


def dots(points: Iterable[tuple[float, float]]) -> str:
    """Draw points."""
    return "".join(f'<circle cx="{x:g}" cy="{y:g}" r="2.4"/>' for x, y in points)


def pixel_map(x: float, y: float = 6, size: float = 40, disorder: float = 0.0, seed: int = 0) -> str:
    """Draw a map of :data:`SIDE` by ``SIDE`` pixels: a hill, any values (``disorder`` 1), or something between."""
    return _cells(x, y, size / SIDE, {place: _value(*place, disorder, seed) for place in _PLACES})


def _cells(x: float, y: float, cell: float, values: Mapping[tuple[int, int], float]) -> str:
    """Draw pixels by their values, 0 to 1, all of one shade as one shape: drawings travel with every run of a page."""
    shades: dict[float, list[str]] = {}
    for (row, column), value in values.items():
        shape = f"M{x + column * cell:.4g} {y + row * cell:.4g}h{cell:.3g}v{cell:.3g}h-{cell:.3g}z"
        shades.setdefault(round(0.08 + 0.87 * value, 1), []).append(shape)
    return "".join(f'<path d="{"".join(shapes)}" opacity="{shade:g}"/>' for shade, shapes in shades.items())


def _value(row: int, column: int, disorder: float = 0.0, seed: int = 0) -> float:
    hill = max(0.0, 1 - ((row - 2.6) ** 2 + (column - 3.2) ** 2) / 9)
    scattered = (row * 37 + column * 17 + seed * 23 + row * column * 5) % 31 / 30
    return (1 - disorder) * hill + disorder * scattered


def photos(shares: Sequence[float]) -> str:
    """Draw photos in a row with so much of their best pixels left, as shares from 0 to 1."""
    size = 28
    ranked = sorted(_PLACES, key=lambda place: -_value(*place))
    found = []
    for number, share in enumerate(shares):
        x, left = 4 + number * (size + 6), ranked[: round(share * len(ranked))]
        found += [box(x, 12, size, size, 0.08), _cells(x, 12, size / SIDE, dict.fromkeys(left, 0.8))]
    return "".join(found)

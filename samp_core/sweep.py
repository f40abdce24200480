"""One or two knobs of a method, swept: which settings, what they give, and which of them nothing beats.

The work is a benchmark's: every number is kept in its file as soon as it exists, and is not measured again.
"""

from __future__ import annotations

import base64
import io
import math
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from html import escape
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from samp_core.benchmark import COST, Plan, Store, heading, load
from samp_core.benchmark.report import INTERVALS, better, interval, page_head
from samp_core.classifiers import Classifier
from samp_core.compare import front
from samp_core.files import write_files
from samp_core.methods import METHODS, Method, Option, Settings
from samp_core.methods.options import Value
from samp_core.metrics import METRICS
from samp_core.render import LANES

MOST = 400
"""The most settings of one sweep."""
FORMATS = (".csv", ".html", ".png", ".pdf")
"""Endings of the files that a sweep can be written to."""


@dataclass(frozen=True)
class Axis:
    """A knob and the values that it is set to, in their order."""

    option: Option
    values: tuple[Value, ...]

    @property
    def words(self) -> list[str]:
        """The values as a person would write them."""
        return [self.option.write(value) for value in self.values]

    @property
    def places(self) -> NDArray[np.float64]:
        """Where the values stand on a picture's axis: by their size, or one after the other where they have none."""
        if all(isinstance(v, int | float) for v in self.values):
            return np.array(self.values, dtype=float)
        return np.arange(len(self.values), dtype=float)


def read_axis(method: Method, text: str) -> Axis:
    """Read ``momentum=0:0.9:0.1`` (from, to, step; both ends included) or ``ic=1/10,1/20,off``.

    Args:
        method: whose knob it is.
        text: a knob by its name, or by what it is called in a link, and its values.

    Raises:
        ValueError: the method has no such knob, or it cannot have these values.
    """
    name, _, given = text.partition("=")
    name = name.strip().replace("-", "_")
    option = next((o for o in method.options if name in (o.name, o.key)), None)
    if option is None:
        known = ", ".join(o.name for o in method.options) or "none"
        raise ValueError(f"{method.title} has no knob {name!r} to sweep. It has: {known}.")
    values = []
    for part in given.split(","):
        values += [option.read(word) for word in (_range(part) if ":" in part else [part])]
    if len(set(values)) < len(values):
        raise ValueError(f"{option.name} is set to the same value twice: {given}. Name each value once.")
    return Axis(option, tuple(values))


def suggestion(option: Option) -> str:
    """Return a few values of a knob to begin with, as :func:`read_axis` reads them."""
    if option.has_choices:
        return ",".join(list(option.titles)[:4])
    if option.stops:
        chosen: list[float] = list(option.stops)
    else:
        low, high = option.slider or (option.low, min(option.high, 100 * option.low + 1))
        step = option.step or 1.0
        chosen = [low + step * round((high - low) * k / 4 / step) for k in range(5)]
    values = dict.fromkeys(round(v) if option.is_whole else round(v, 10) for v in chosen)
    return ",".join([option.write(value) for value in values] + (["off"] if option.off else []))


def _range(text: str) -> list[str]:
    """Return the numbers from first to last, as texts; decimal, so that steps of 0.1 stay steps of 0.1."""
    try:
        first, last, step = (Decimal(part.strip()) for part in text.split(":"))
        count = (last - first) / step
    except (ValueError, ArithmeticError) as error:
        raise ValueError(f"{text!r} is no range: give first:last:step, such as 0:0.9:0.1.") from error
    if not count.is_finite() or not 0 <= count < MOST:
        raise ValueError(f"{text!r} has no values, or more than {MOST}: give first:last:step, such as 0:0.9:0.1.")
    return [str((first + k * step).normalize() + 0) for k in range(int(count) + 1)]


def settings_of(base: Settings, axes: Sequence[Axis]) -> tuple[Settings, ...]:
    """Return the settings at all points of one or two axes, the last axis fastest.

    Raises:
        ValueError: there are no axes, more than two, twice the same, too many points, or a point is impossible.
    """
    names = [axis.option.name for axis in axes]
    if not 1 <= len(axes) <= 2 or len(set(names)) < len(names):
        raise ValueError("A sweep has one knob or two different ones.")
    if (count := math.prod(len(axis.values) for axis in axes)) > MOST:
        raise ValueError(f"The sweep has {count} points; at most {MOST}. Take fewer values.")
    points = product(*(axis.values for axis in axes))
    return tuple(base.changed(**dict(zip(names, point, strict=True))).settled() for point in points)


@dataclass(frozen=True)
class Sweep:
    """What a sweep gave.

    Attributes:
        method: the method's name.
        axes: the knobs.
        frame: a row for each point: its knobs in words, then for each number its mean over photos and, of several
            photos, ``low`` and ``high`` of its interval; and ``front``, whether nothing beats it.
        numbers: names of the numbers, by their columns.
        trade: the two numbers of the trade-off.
        photos: how many photos.
        protocols: how the numbers came about, by their columns.
    """

    method: str
    axes: tuple[Axis, ...]
    frame: pd.DataFrame
    numbers: dict[str, str]
    trade: tuple[str, str]
    photos: int
    protocols: dict[str, str]

    @property
    def knobs(self) -> list[str]:
        """Columns of the knobs."""
        return [axis.option.name for axis in self.axes]

    def wins(self, number: str) -> str:
        """Return the best point of a number in words; empty where no way is better."""
        way = better(self.numbers[number])
        values = self.frame[number]
        if not way or values.isna().all():
            return ""
        row = self.frame.loc[values.idxmax() if way == "up" else values.idxmin()]
        return (
            f"{number} is best at " + ", ".join(f"{knob} {row[knob]}" for knob in self.knobs) + f": {row[number]:.4g}"
        )


def gathered(store: Store, plan: Plan, classifier: Classifier, axes: Sequence[Axis], trade: tuple[str, str]) -> Sweep:
    """Read a sweep's numbers from the file that its plan was carried out into.

    Args:
        store: the file.
        plan: its methods are :func:`settings_of` of the axes.
        classifier: what was explained.
        axes: the knobs.
        trade: names of two metrics' numbers that the front is of.
    """
    results = load(store)
    wanted = [c.name for m in plan.metrics for c in METRICS[m].columns] + list(COST)
    names = {photo.name for photo in plan.photos}
    here = results.frame[results.frame["name"].isin(names)]
    rows: list[dict[str, Any]] = []
    configurations = plan.configurations(classifier, plan.conditions(classifier))
    points = product(*(axis.words for axis in axes))
    for point, configuration in zip(points, configurations, strict=True):
        own = here[here["configuration"] == configuration.fingerprint]
        row: dict[str, Any] = dict(zip([axis.option.name for axis in axes], point, strict=True))
        for metric in wanted:
            values = own.loc[own["metric"] == metric, "value"].dropna().to_numpy(float)
            row[heading(metric)] = float(values.mean()) if len(values) else math.nan
            if len(names) > 1:
                row[f"{heading(metric)}, low"], row[f"{heading(metric)}, high"] = interval(values)
        rows.append(row)
    frame = pd.DataFrame(rows)
    columns = [heading(name) for name in trade]
    frame["front"] = front(frame[columns].to_numpy(float), [better(name) for name in trade])
    protocols = here[here["metric"].isin(wanted)].drop_duplicates("metric").set_index("metric")["protocol"].to_dict()
    return Sweep(
        plan.methods[0].method,
        tuple(axes),
        frame,
        {heading(metric): metric for metric in wanted},
        (columns[0], columns[1]),
        len(names),
        {heading(str(metric)): str(words) for metric, words in protocols.items()},
    )


def write(sweep: Sweep, path: Path) -> None:
    """Write a sweep as csv, as a page (html) that needs no other file, or as a figure (png, pdf).

    Raises:
        ValueError: the ending is none of :data:`FORMATS`.
        OSError: the file cannot be written.
    """
    ending = path.suffix.lower()
    if ending == ".csv":
        content = sweep.frame.to_csv(index=False).encode()
    elif ending == ".html":
        content = _html(sweep).encode()
    elif ending in (".png", ".pdf"):
        content = drawn(sweep, ending[1:])
    else:
        raise ValueError(f"{path}: the ending must be one of {', '.join(FORMATS)}.")
    write_files({path: content})


def _html(sweep: Sweep) -> str:
    picture = base64.b64encode(drawn(sweep, "png")).decode()
    title = f"{METHODS[sweep.method].title} by {' and '.join(sweep.knobs)}"
    wins = [words for number in sweep.numbers if (words := sweep.wins(number))]
    return "".join(
        (
            page_head(title),
            f"<h1>{escape(title)}</h1><p>{sweep.photos} photo{'s' * (sweep.photos != 1)}",
            f"; {INTERVALS}" if sweep.photos > 1 else "",
            f'.</p><img style="max-width:100%" alt="{escape("; ".join(wins))}" ',
            f'src="data:image/png;base64,{picture}"><ul>',
            *(f"<li>{escape(words)}</li>" for words in wins),
            f"</ul><p>Front: nothing is as good in both {escape(' and '.join(sweep.trade))} and better in one.</p>",
            sweep.frame.to_html(border=0, index=False, float_format=lambda x: f"{x:.4g}", na_rep="-"),
            "<h2>Protocols</h2><ul>",
            *(f"<li><b>{escape(c)}</b>: {escape(w)}</li>" for c, w in sweep.protocols.items()),
            "</ul>",
        )
    )


def drawn(sweep: Sweep, kind: str) -> bytes:
    """Return a figure of a sweep as png or pdf: each number by the knobs, and the trade-off with its front."""
    from matplotlib.figure import Figure  # noqa: PLC0415 - sweeps are planned and read without the drawing library

    shown = [n for n in sweep.numbers if sweep.frame[n].notna().any()]
    columns = min(4, len(shown) + 1)
    rows = math.ceil((len(shown) + 1) / columns)
    made = Figure(figsize=(3.1 * columns, 2.5 * rows), layout="constrained")
    axes = made.subplots(rows, columns, squeeze=False).ravel()
    for panel, number in zip(axes, shown, strict=False):
        (_slice if len(sweep.axes) == 1 else _grid)(panel, sweep, number)
        arrow = {"up": " (more is better)", "down": " (less is better)"}.get(better(sweep.numbers[number]), "")
        panel.set_title(f"{number}{arrow}", fontsize=8)
        panel.tick_params(labelsize=7)
    _trade(axes[len(shown)], sweep)
    for panel in axes[len(shown) + 1 :]:
        panel.set_visible(False)
    buffer = io.BytesIO()
    made.savefig(buffer, format=kind, dpi=150)
    return buffer.getvalue()


def _slice(panel: Any, sweep: Sweep, number: str) -> None:
    axis = sweep.axes[0]
    places, values = axis.places, sweep.frame[number]
    panel.plot(places, values, "o-", color=LANES["light"][0], markersize=3, linewidth=1.2)
    if sweep.photos > 1:
        low, high = (sweep.frame[f"{number}, {end}"] for end in ("low", "high"))
        panel.fill_between(places, low, high, color=LANES["light"][0], alpha=0.18, linewidth=0)
    panel.set_xticks(places, axis.words, rotation=45 if len(places) > 6 else 0)
    panel.set_xlabel(axis.option.title, fontsize=7)


def _grid(panel: Any, sweep: Sweep, number: str) -> None:
    first, second = sweep.axes
    values = sweep.frame[number].to_numpy(float).reshape(len(first.values), len(second.values))
    panel.imshow(values, cmap="cividis", aspect="auto")
    middle = (np.nanmin(values) + np.nanmax(values)) / 2
    for (row, column), value in np.ndenumerate(values):
        if np.isfinite(value) and values.size <= 80:
            panel.text(column, row, f"{value:.2g}", ha="center", va="center", fontsize=6,
                       color="black" if value > middle else "white")  # fmt: skip
    panel.set_xticks(range(len(second.values)), second.words, rotation=45)
    panel.set_yticks(range(len(first.values)), first.words)
    panel.set_xlabel(second.option.title, fontsize=7)
    panel.set_ylabel(first.option.title, fontsize=7)


def _trade(panel: Any, sweep: Sweep) -> None:
    across, up = sweep.trade[1], sweep.trade[0]
    x, y = sweep.frame[across].to_numpy(float), sweep.frame[up].to_numpy(float)
    best = sweep.frame["front"].to_numpy(bool)
    panel.plot(x[~best], y[~best], "o", color="#8a8794", markersize=3)
    order = np.argsort(x[best])
    panel.plot(x[best][order], y[best][order], "s-", color="#b45309", markersize=4, linewidth=1)
    for k in np.flatnonzero(best):
        words = ", ".join(str(sweep.frame[knob][k]) for knob in sweep.knobs)
        side = "left" if x[k] <= (np.nanmin(x) + np.nanmax(x)) / 2 else "right"  # words stay inside
        panel.annotate(words, (x[k], y[k]), textcoords="offset points", xytext=(0, 4), fontsize=6, ha=side)
    panel.set_xlabel(across, fontsize=7)
    panel.set_ylabel(up, fontsize=7)
    panel.set_title("trade-off; squares: nothing beats them", fontsize=8)
    panel.tick_params(labelsize=7)

"""Several methods on one photo: what they agree on, what they cost, and one figure, table and report of all."""

from __future__ import annotations

import base64
import csv
import io
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from html import escape
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Float
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from samp_core.attribution import Explanation
from samp_core.classifiers import Classifier
from samp_core.methods import METHODS, Settings
from samp_core.metrics import Curve, calibrated, cancellation, curve_step, deletion, insertion, top_share, variance
from samp_core.render import Mode, colour_limit, format_gap, map_in_words, overlay
from samp_core.rules import Completeness
from samp_core.runs import describe, place_in_words

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SCALES = {
    "shared": "shared: all maps saturate at the same |a|",
    "map": "per map: each saturates at its own 99th percentile of |a|",
    "percentile": "per map: each saturates at its own 95th percentile of |a|",
    "rank": "rank: colour is the pixel's rank by |a| within its map, the amount is not shown",
}
"""Ways to colour several maps; the words go on every figure."""

CALIBRATED = "Maps calibrated by their own curves: in units of the score, each in its method's order of pixels."
"""What a figure of calibrated maps says."""


@dataclass(frozen=True)
class Entry:
    """One method's result on the photo: its settings, its explanation, and its curves once they are measured.

    ``is_calibrated`` says that the map is not as the method gave it, but calibrated by its curves.
    """

    settings: Settings
    explanation: Explanation
    deletion: Curve | None = None
    insertion: Curve | None = None
    is_calibrated: bool = False

    @cached_property
    def in_units(self) -> Entry | None:
        """The same with its map calibrated, in units of the score; None while it has no curves.

        See :func:`~samp_core.metrics.calibrated`. The map adds up to what both curves span, and the curves' passes
        count as its cost.
        """
        if self.deletion is None or self.insertion is None or self.is_calibrated:
            return self if self.is_calibrated else None
        own, (fall, rise) = self.explanation, (self.deletion, self.insertion)
        found = calibrated(own.attributions, own.attributions, fall, rise)
        target = fall.raw[:, 0] - fall.raw[:, -1] + rise.raw[:, -1] - rise.raw[:, 0]
        channels = own.attributions.shape[1]
        explanation = replace(
            own,
            attributions=found.unsqueeze(1).expand(-1, channels, -1, -1) / channels,
            by_direction=own.by_direction[:0],
            directions=(),
            scores=own.scores[:, :0],  # of the way, which is not what this map is made of
            steps=own.steps[:0],
            completeness=Completeness(found.sum((1, 2)).unsqueeze(0), target.double().unsqueeze(0)),
            cost=replace(own.cost, forwards=own.cost.forwards + fall.raw.numel() + rise.raw.numel()),
        )
        return replace(self, explanation=explanation, is_calibrated=True)

    @property
    def title(self) -> str:
        """The method's title."""
        return METHODS[self.settings.method].title

    @property
    def map(self) -> NDArray[np.float64]:
        """The pixel map, (H, W)."""
        pixel_map: NDArray[np.float64] = self.explanation.maps[0].double().cpu().numpy()
        return pixel_map

    @property
    def firm(self) -> NDArray[np.bool_] | None:
        """On which pixels nearly all copies of the photo agree, (H, W); None of one copy, or once calibrated."""
        belief = self.explanation.belief
        if belief is None or self.is_calibrated:
            return None
        firm: NDArray[np.bool_] = belief.firm[0].cpu().numpy()
        return firm

    @cached_property
    def in_words(self) -> str:
        """What the map shows, in words; kept, for a grid under way asks again and again."""
        return map_in_words(self.map)


def measure(classifier: Classifier, image: Image.Image, entry: Entry) -> Entry:
    """Return the entry with its deletion and insertion curves (the paper's protocol), for the score it explains."""
    inputs = classifier.inputs(image)
    attributions = entry.explanation.attributions.to(inputs.device)

    def curve(of: Callable[..., Curve]) -> Curve:
        return of(
            classifier.network,
            inputs,
            attributions,
            entry.settings.target,
            pixels_per_step=curve_step(inputs),
            score=entry.settings.make_score(),
            batch_size=min(entry.settings.batch_size, 8),  # larger ones leave the processor's caches
        )

    return replace(entry, deletion=curve(deletion), insertion=curve(insertion))


def told_apart(asked: Sequence[Settings], labels: Sequence[str] | None = None) -> list[str]:
    """Return one name each: the method's title, and where a method is there more than once, what differs.

    Args:
        asked: the settings.
        labels: what to call the methods instead of by their titles, one each.
    """
    labels = [METHODS[settings.method].title for settings in asked] if labels is None else labels
    values = [settings.to_dict() | dict(settings.options) for settings in asked]
    names: list[str] = []
    for own, label, settings in zip(values, labels, asked, strict=True):
        twins = [v for v, other in zip(values, asked, strict=True) if other.method == settings.method]
        differing = [k for k in own if k != "options" and any(twin.get(k) != own[k] for twin in twins)]
        words = ", ".join(f"{k.replace('_', ' ')} {_value(own[k])}" for k in differing)
        name = f"{label} ({words})" if words else label
        names.append(name if name not in names else f"{name} #{len(names) + 1}")
    return names


def _value(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:g}"
    return "off" if value is None else " and ".join(value) if isinstance(value, list | tuple) else str(value)


def _ranks(values: NDArray[Any]) -> NDArray[np.float64]:
    from scipy.stats import rankdata  # noqa: PLC0415 - runs are packed and measured without it

    ranks: NDArray[np.float64] = rankdata(values, axis=None).reshape(values.shape)
    return ranks


def disagreement(
    a: Float[NDArray[np.floating], "h w"], b: Float[NDArray[np.floating], "h w"]
) -> Float[NDArray[np.float64], "h w"]:
    """Return how much further up ``a`` ranks each pixel than ``b``: 1 first against last, 0 the same rank, -1 last."""
    difference: NDArray[np.float64] = _ranks(a) - _ranks(b)
    return difference / max(1, a.size - 1)


def scaled(maps: Sequence[NDArray[np.float64]], scale: str) -> list[NDArray[np.float64]]:
    """Return maps in [-1, 1] for colouring by one of :data:`SCALES`.

    Raises:
        ValueError: the scale is unknown.
    """
    if scale == "shared":
        limit = max(colour_limit(m) for m in maps)
        return [np.clip(m / limit, -1, 1) for m in maps]
    if scale == "rank":
        return [np.sign(m) * (_ranks(np.abs(m)) / m.size) ** 4 for m in maps]
    if scale in ("map", "percentile"):
        return [np.clip(m / colour_limit(m, 99 if scale == "map" else 95), -1, 1) for m in maps]
    raise ValueError(f"There is no colour scale {scale!r}. Choose one of: {', '.join(SCALES)}.")


COLUMNS = {
    "method": "method",
    "seconds": "seconds",
    "gradients": "gradient evaluations",
    "forwards": "forward evaluations",
    "gap": "largest relative completeness gap",
    "cancellation": "cancellation, sum of |a| over |sum of a|",
    "variance": "Var(a)",
    "top_share": "share of |a| in the top 5 % of pixels",
    "deletion": "deletion AUC",
    "insertion": "insertion AUC",
    "difference": "insertion minus deletion",
}
"""Key and heading of each column of :func:`table`."""

BETTER = {
    **dict.fromkeys(("seconds", "gradients", "forwards", "gap", "cancellation", "deletion"), "down"),
    **dict.fromkeys(("top_share", "insertion", "difference"), "up"),
}
"""Which way a column's numbers are better."""


def front(values: NDArray[np.float64], ways: Sequence[str]) -> NDArray[np.bool_]:
    """Return which rows nothing beats (Pareto): no other row is as good in every column and better in one.

    Args:
        values: (rows, columns); a row that is not finite is beaten.
        ways: for each column ``up`` where more is better, or ``down``.
    """
    good = values * np.array([1.0 if way == "up" else -1.0 for way in ways])
    finite = np.isfinite(good).all(1)
    as_good = (good[:, None] >= good[None]).all(2)  # is row i as good as row j in every column
    beats = as_good & (good[:, None] > good[None]).any(2) & finite[:, None]
    found: NDArray[np.bool_] = finite & ~beats.any(0)
    return found


def _number(value: Float[Tensor, " 1"]) -> float | None:
    return value.item() if value.isfinite() else None


def table(entries: Sequence[Entry]) -> list[dict[str, Any]]:
    """Return one row an entry with the keys of :data:`COLUMNS`; None where a method has no such figure."""
    rows = []
    for name, entry in zip(told_apart([e.settings for e in entries]), entries, strict=True):
        relative = entry.explanation.completeness.relative
        low = None if entry.deletion is None else _number(entry.deletion.auc)
        high = None if entry.insertion is None else _number(entry.insertion.auc)
        rows.append(
            {
                "method": name,
                "seconds": round(entry.explanation.seconds, 2),
                "gradients": entry.explanation.cost.gradients,
                "forwards": entry.explanation.cost.forwards,
                "gap": float(relative.max()) if relative.numel() else None,
                "cancellation": _number(cancellation(entry.explanation.maps)),
                "variance": float(variance(entry.explanation.maps)[0]),
                "top_share": _number(top_share(entry.explanation.maps, 0.05)),
                "deletion": low,
                "insertion": high,
                "difference": None if low is None or high is None else high - low,
            }
        )
    return rows


def to_csv(classifier: Classifier, entries: Sequence[Entry]) -> str:
    """Return the table as csv, with score, network, settings (JSON) and the curves' protocol in its last columns."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    more = ("explained score", "network", "weights", "settings", "protocol of the curves", "map")
    writer.writerow([*COLUMNS.values(), *more])
    for entry, row in zip(entries, table(entries), strict=True):
        writer.writerow(
            [
                *("" if row[k] is None else row[k] for k in COLUMNS),
                describe(classifier, entry.settings)[1],
                classifier.name,
                classifier.fingerprint,
                json.dumps(entry.settings.to_dict()),
                "" if entry.deletion is None else str(entry.deletion.protocol),
                "calibrated" if entry.is_calibrated else "as given",
            ]
        )
    return buffer.getvalue()


def figure(
    classifier: Classifier,
    image: Image.Image,
    entries: Sequence[Entry],
    *,
    scale: str = "map",
    mode: Mode = "signed",
    opacity: float = 0.75,
    columns: int = 5,
) -> Figure:
    """Return photo and maps at equal size, each with its cost and gap, the colour scale in words below."""
    from matplotlib.figure import Figure  # noqa: PLC0415 - comparisons are measured and told apart without it

    photo = classifier.preprocessing.crop_image(image).convert("RGB")
    cells: list[tuple[Image.Image, str, str]] = [(photo, "photo", describe(classifier, entries[0].settings)[1])]
    for entry, values, row in zip(entries, scaled([e.map for e in entries], scale), table(entries), strict=True):
        gap = "no gap" if row["gap"] is None else f"gap {format_gap(row['gap'])}"
        curves = "" if row["difference"] is None else f"\ninsertion - deletion {row['difference']:.2f}"
        picture = overlay(photo, values, opacity, mode, limit=1.0)
        words = f"{place_in_words(entry.settings)}\n{row['gradients']} gradients, {gap}{curves}"
        cells.append((picture, row["method"].replace(" (", "\n(", 1), words))
    columns = min(columns, len(cells))
    rows = -(-len(cells) // columns)
    made = Figure(figsize=(2.3 * columns, 2.95 * rows + 0.5), layout="constrained", facecolor="white")
    for n, (picture, title, words) in enumerate(cells):
        axes = made.add_subplot(rows, columns, n + 1)
        axes.imshow(picture)
        axes.set_title(title, fontsize=9, fontweight="bold")
        axes.set_xlabel(words, fontsize=6.5, parse_math=False)
        axes.set_xticks([])
        axes.set_yticks([])
    signs = "blue against, orange for the class" if mode == "signed" else "magnitude |a|"
    units = f" {CALIBRATED}" if any(entry.is_calibrated for entry in entries) else ""
    made.supxlabel(f"{classifier.name}. Colours: {SCALES[scale]}; {signs}.{units}", fontsize=7)
    return made


def maps_npz(classifier: Classifier, image: Image.Image, name: str, entries: Sequence[Entry]) -> bytes:
    """Return all pixel maps as the bytes of an npz file, one array (H, W) a method's name, and what they belong to.

    Names of methods that are there twice say what differs.

    What they belong to is ``photo`` (H, W, 3; uint8), ``photo_name``, ``score`` and ``network`` in words, ``weights``
    (fingerprint) and ``settings`` (JSON: name to settings).
    """
    buffer = io.BytesIO()
    asked = [e.settings for e in entries]
    names = told_apart(asked, [settings.method for settings in asked])
    arrays: dict[str, Any] = {n: e.map.astype(np.float32) for n, e in zip(names, entries, strict=True)}
    arrays |= {
        "photo": np.asarray(classifier.preprocessing.crop_image(image).convert("RGB")),
        "photo_name": np.array(name),
        "score": np.array(describe(classifier, entries[0].settings)[1]),
        "network": np.array(classifier.name),
        "weights": np.array(classifier.fingerprint),
        "settings": np.array(json.dumps({n: s.to_dict() for n, s in zip(names, asked, strict=True)})),
    }
    np.savez_compressed(buffer, **arrays)
    return buffer.getvalue()


def _parts(classifier: Classifier, entries: Sequence[Entry]) -> Iterator[str]:
    rows = table(entries)
    yield "<table><thead><tr>" + "".join(f"<th>{escape(h)}</th>" for h in COLUMNS.values()) + "</tr></thead><tbody>"
    for row in rows:
        cells = (
            "-" if v is None else f"{v:.4g}" if isinstance(v, float) else escape(str(v))
            for v in (row[k] for k in COLUMNS)
        )
        yield "<tr>" + "".join(f"<td>{c}</td>" for c in cells) + "</tr>"
    yield "</tbody></table><h2>Settings</h2><ul>"
    for entry in entries:
        citation = METHODS[entry.settings.method].citation
        yield f"<li><b>{escape(describe(classifier, entry.settings)[0])}</b><br>{escape(citation)}</li>"
    yield "</ul>"


def report_html(
    classifier: Classifier, image: Image.Image, name: str, entries: Sequence[Entry], scale: str = "map"
) -> str:
    """Return one html page that needs no other file: figure, table, protocol, settings and citations."""
    buffer = io.BytesIO()
    figure(classifier, image, entries, scale=scale).savefig(buffer, dpi=150)
    picture = base64.b64encode(buffer.getvalue()).decode()
    score = describe(classifier, entries[0].settings)[1]
    protocol = next((str(e.deletion.protocol) for e in entries if e.deletion is not None), "curves were not measured")
    return (
        '<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">'
        f"<title>Attribution methods on {escape(name)}</title><style>body{{font:15px/1.5 system-ui,sans-serif;"
        "max-width:1100px;margin:2rem auto;padding:0 1rem;color:#1c1b22}img{max-width:100%}table{border-collapse:"
        "collapse;font-size:13px;display:block;overflow-x:auto}td,th{padding:.35rem .6rem;border-bottom:1px solid #ddd;"
        "text-align:right}td:first-child,th:first-child{text-align:left}</style>"
        f"<h1>Attribution methods on {escape(name)}</h1><p>All explain the {escape(score)} of "
        f"{escape(classifier.name)} (weights {classifier.fingerprint[:12]}).</p>"
        f'<img alt="maps of all methods" src="data:image/png;base64,{picture}"><h2>Figures</h2>'
        f"<p>Curves: {escape(protocol)}.</p>{''.join(_parts(classifier, entries))}"
    )

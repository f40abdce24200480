"""What the results say: means with intervals, paired tests, ranks, and files of them."""

from __future__ import annotations

import hashlib
import io
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from html import escape
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.stats import bootstrap, false_discovery_control, wilcoxon

from samp_core.benchmark.plan import COST
from samp_core.benchmark.store import FAILED, Store, conditions_in_words, intake_in_words
from samp_core.files import write_files
from samp_core.methods import METHODS
from samp_core.metrics import COLUMNS

HEADINGS = {"seconds": "Seconds", "gradients": "Gradients", "forwards": "Forwards"}
FORMATS = (".csv", ".parquet", ".html", ".tex")
INTERVALS = "95 % percentile bootstrap intervals over photos, 2,000 resamples"
_CHUNK = 64  # resamples at a time, so that thousands of photos need no gigabytes


def heading(metric: str) -> str:
    """Return what people call a metric's number."""
    return HEADINGS.get(metric) or (COLUMNS[metric].title if metric in COLUMNS else metric)


def better(metric: str) -> str:
    """Return ``up``, ``down`` or nothing: which way a number is better."""
    return "down" if metric in COST else COLUMNS[metric].better if metric in COLUMNS else ""


@dataclass(frozen=True)
class Results:
    """All numbers of a store, methods and columns named so that nothing mixes.

    Attributes:
        frame: one row a number: photo, name, configuration, method, metric, seed, protocol, value, note, conditions,
            label, column, network, settings. A method with several configurations is several labels; a metric with
            several protocols is several columns.
        photos: the photos, those that could not be read with the reason.
        protocols: column to protocol in words.
        versions: configuration's label to settings and versions, as JSON.
        planned: configuration's label to network, preprocessing and conditions, in words.
        fingerprints: configuration's label to its fingerprint.
    """

    frame: pd.DataFrame
    photos: pd.DataFrame
    protocols: dict[str, str]
    versions: dict[str, tuple[str, str]]
    planned: dict[str, str]
    fingerprints: dict[str, str]

    @cached_property
    def content(self) -> str:
        """Return the SHA-256 (hexadecimal) of all numbers and of what they belong to."""
        known = self.frame[["photo", "label", "column", "value"]]
        return hashlib.sha256(pd.util.hash_pandas_object(known, index=False).to_numpy().tobytes()).hexdigest()

    @property
    def conditions(self) -> dict[str, int]:
        """Return under what conditions the numbers were made, in words, and how many under each."""
        return {str(words): int(count) for words, count in self.frame["conditions"].value_counts().items()}

    @property
    def failures(self) -> list[str]:
        """Return a sentence for every reason why numbers could not be measured."""
        failed = self.frame[self.frame["protocol"].str.startswith(FAILED)]
        return [
            f"{words.removeprefix(f'{FAILED}: ')} on {part['photo'].nunique()} "
            f"photo{'s' * (part['photo'].nunique() != 1)}: {note}"
            for (words, note), part in failed.groupby(["protocol", "note"])
        ]

    @property
    def labels(self) -> list[str]:
        """Return the methods' labels, in the registry's order."""
        order = {name: n for n, name in enumerate(METHODS)}
        found = self.frame[["label", "method"]].drop_duplicates().set_index("label")["method"]
        return sorted(found.index, key=lambda x: order.get(found[x], len(order)))

    @property
    def columns(self) -> list[str]:
        """Return the columns, in the registry's order."""
        order = {name: n for n, name in enumerate([*COLUMNS, *COST])}
        found = self.frame[["column", "metric", "protocol"]].drop_duplicates("column")
        place = {c: (order.get(m, len(order)), p) for c, m, p in found.itertuples(index=False)}
        return sorted(place, key=lambda c: place[c])

    def wide(self, column: str) -> pd.DataFrame:
        """Return one column's numbers, photos by methods; NaN where there is none."""
        part = self.frame[self.frame["column"] == column]
        return part.pivot_table(index="photo", columns="label", values="value", dropna=False).reindex(
            columns=[x for x in self.labels if x in set(part["label"])]
        )

    def metric(self, column: str) -> str:
        """Return the name of a column's metric."""
        found: str = self.frame.loc[self.frame["column"] == column, "metric"].iloc[0]
        return found


def title(method: str) -> str:
    """Return what people call a method; its name, if this version does not know it."""
    return METHODS[method].title if method in METHODS else method


def load(store: Store) -> Results:
    """Read a store; configurations and protocols that differ get names that differ."""
    frame = store.results()
    known = store.configurations().set_index("fingerprint")
    rows = {str(f): row for f, row in known.to_dict("index").items()}
    count = Counter(row["method"] for row in rows.values())
    labels = {
        fingerprint: title(row["method"]) + (f" {fingerprint[:6]}" if count[row["method"]] > 1 else "")
        for fingerprint, row in rows.items()
    }
    frame["label"] = frame["configuration"].map(labels)
    # A failed method's words are no protocol; its numbers are missing under whatever protocol the others have.
    failed = frame["protocol"].str.startswith(FAILED)
    numbers = frame[~failed].groupby("metric")["protocol"].unique().to_dict()
    columns, protocols = [], {}
    for metric, words, missing in zip(frame["metric"], frame["protocol"], failed, strict=True):
        choices = sorted(numbers.get(metric, [words]))
        place = 0 if missing else choices.index(words)
        name = heading(metric) + (f" [{place + 1}]" if len(choices) > 1 else "")
        columns.append(name)
        protocols[name] = choices[place]
    frame["column"] = columns
    for key in ("network", "settings"):
        frame[key] = frame["configuration"].map({f: row[key] for f, row in rows.items()})
    return Results(
        frame,
        store.photos(),
        protocols,
        {labels[f]: (row["settings"], row["versions"]) for f, row in rows.items()},
        {
            labels[f]: f"{row['network']}, {intake_in_words(row['preprocessing'])}; "
            f"{conditions_in_words(row['conditions'])}"
            for f, row in rows.items()
        },
        {label: f for f, label in labels.items()},
    )


def interval(values: NDArray[np.float64], seed: int = 0) -> tuple[float, float]:
    """Return the 95 % percentile bootstrap interval of the mean of (n,) numbers; (NaN, NaN) for less than two."""
    if len(values) < 2:
        return np.nan, np.nan
    found = bootstrap(
        (values,), np.mean, n_resamples=2000, batch=_CHUNK, method="percentile", rng=np.random.default_rng(seed)
    ).confidence_interval
    return float(found.low), float(found.high)


def summary(results: Results, against: str | None = None) -> pd.DataFrame:
    """Return one row for each column and method: how many photos, mean, interval, rank, and a paired test.

    Args:
        results: see :func:`load`.
        against: label of the method that the others are tested against, photo by photo.

    Returns:
        ``column``, ``method``, ``photos``, ``missing``, ``mean``, ``low``, ``high``, ``rank`` (mean over the photos
        that all methods have; 1 is best; NaN where neither way is better), and with ``against`` also ``difference``
        (mean of method minus the other), ``wins`` (share of photos that are better) and ``p`` (Wilcoxon signed-rank,
        two-sided, Benjamini-Hochberg over the methods of a column).

    Raises:
        ValueError: there is no such method.
    """
    if against is not None and against not in results.labels:
        raise ValueError(f"There is no method {against!r} in the results. Choose one of: {', '.join(results.labels)}.")
    rows: list[dict[str, Any]] = []
    for column in results.columns:
        wide, way = results.wide(column), better(results.metric(column))
        ranks = wide.dropna().rank(axis=1, ascending=way == "down").mean() if way else pd.Series(dtype=float)
        tests: dict[str, dict[str, float]] = {}
        for label in wide.columns:
            values = wide[label].dropna().to_numpy()
            low, high = interval(values)
            tests[label] = _paired(wide, label, against, way) if against else {}
            rows.append(
                {
                    "column": column,
                    "method": label,
                    "photos": len(values),
                    "missing": int(wide[label].isna().sum()),
                    "mean": values.mean() if len(values) else np.nan,
                    "low": low,
                    "high": high,
                    "rank": ranks.get(label, np.nan),
                    **tests[label],
                }
            )
        tested = [label for label, found in tests.items() if np.isfinite(found.get("p", np.nan))]
        if tested:
            adjusted = false_discovery_control([tests[label]["p"] for label in tested])
            for row in rows[-len(tests) :]:
                if row["method"] in tested:
                    row["p"] = float(adjusted[tested.index(row["method"])])
    return pd.DataFrame(rows)


def _paired(wide: pd.DataFrame, label: str, against: str, way: str) -> dict[str, float]:
    nothing = {"difference": np.nan, "wins": np.nan, "p": np.nan}
    if label == against or against not in wide:
        return nothing
    pairs = wide[[label, against]].dropna()
    difference = (pairs[label] - pairs[against]).to_numpy()
    if len(difference) < 2:
        return nothing
    p = float(wilcoxon(difference).pvalue) if np.any(difference) else 1.0
    wins = float(np.mean(difference < 0 if way == "down" else difference > 0)) if way else np.nan
    return {"difference": float(difference.mean()), "wins": wins, "p": p}


def table(results: Results, columns: Sequence[str] | None = None) -> pd.DataFrame:
    """Return methods by columns, each cell ``mean [low, high]``, or what is missing, in words."""
    cells = {
        (row["method"], row["column"]): "none"
        if not row["photos"]
        else f"{row['mean']:.3g}" + (f" [{row['low']:.3g}, {row['high']:.3g}]" if np.isfinite(row["low"]) else "")
        for row in summary(results).to_dict("records")
    }
    wanted = list(columns) if columns is not None else results.columns
    return pd.DataFrame(
        [[cells.get((label, c), "") for c in wanted] for label in results.labels],
        index=pd.Index(results.labels, name="method"),
        columns=wanted,
    )


def markdown(results: Results, columns: Sequence[str] | None = None) -> str:
    """Return :func:`table` in Markdown."""
    made = table(results, columns)
    lines = ["| method | " + " | ".join(made.columns) + " |", "|---" * (len(made.columns) + 1) + "|"]
    lines += [f"| {label} | " + " | ".join(row) + " |" for label, row in zip(made.index, made.to_numpy(), strict=True)]
    return "\n".join(lines)


def export(results: Results, path: Path, against: str | None = None) -> None:
    """Write the results as the file's ending says.

    ``.csv`` and ``.parquet`` hold every number with its protocol, ``.html`` and ``.tex`` the means with intervals.

    Raises:
        ValueError: another ending.
        OSError: the file cannot be written.
    """
    ending = path.suffix.lower()
    if ending not in FORMATS:
        raise ValueError(f"{path.name} has an ending that is no format. Use one of: {', '.join(FORMATS)}.")
    write_files({path: _built(results, ending, against)})


def _built(results: Results, ending: str, against: str | None) -> bytes:
    if ending == ".parquet":
        buffer = io.BytesIO()
        try:
            results.frame.to_parquet(buffer, index=False)
        except ImportError as error:
            raise ValueError(
                "Parquet cannot be written: it needs pyarrow. Install that (pip install pyarrow), or export csv."
            ) from error
        return buffer.getvalue()
    if ending == ".csv":
        return str(results.frame.to_csv(index=False)).encode()
    return (html(results, against) if ending == ".html" else latex(results)).encode()


def latex(results: Results) -> str:
    """Return :func:`table` as LaTeX, the protocols as comments above."""
    notes = [f"% {column}: {words}" for column, words in results.protocols.items()]
    body: str = table(results).style.to_latex(hrules=True, convert_css=False)
    # The styler leaves text as it is.
    for sign in ("%", "_", "#", "&amp;"):
        body = body.replace(sign, "\\" + sign)
    return "\n".join([*notes, f"% {INTERVALS}".replace("95 %", "95 percent"), body])


def page_head(title: str) -> str:
    """Return what a page of tables begins with, up to its first heading; it needs no other file."""
    return (
        '<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">'
        f"<title>{escape(title)}</title><style>body{{font:15px/1.5 system-ui,sans-serif;"
        "max-width:1200px;margin:2rem auto;padding:0 1rem;color:#1c1b22}table{border-collapse:collapse;font-size:13px;"
        "display:block;overflow-x:auto}td,th{padding:.35rem .6rem;border:0;border-bottom:1px solid #ddd;"
        "text-align:right}"
        "th:first-child,td:first-child{text-align:left}</style>"
    )


def html(results: Results, against: str | None = None) -> str:
    """Return one page that needs no other file: table, test, protocols, versions, photos that could not be read."""
    made = summary(results, against)
    readable = results.photos[results.photos["error"].isna()]  # a row for each network
    parts = [
        page_head("Benchmark of attribution methods"),
        f"<h1>Benchmark of attribution methods</h1><p>{readable['sha256'].nunique()} photos. {INTERVALS}.</p>",
        table(results).to_html(border=0),
        "<h2>All figures</h2>",
        made.to_html(border=0, index=False, float_format=lambda x: f"{x:.4g}", na_rep="-"),
    ]
    if against:
        parts.append(
            f"<p>Tested against {escape(against)}: Wilcoxon signed-rank over photos, two-sided, Benjamini-Hochberg "
            "over the methods of a column.</p>"
        )
    parts.append("<h2>Protocols</h2><ul>")
    parts += [f"<li><b>{escape(c)}</b>: {escape(w)}</li>" for c, w in results.protocols.items()]
    parts.append("</ul><h2>Settings and versions</h2><ul>")
    parts += [f"<li><b>{escape(m)}</b>: {escape(s)} {escape(v)}</li>" for m, (s, v) in results.versions.items()]
    parts.append("</ul><h2>Networks and conditions</h2><p>What decides the rounding decides a search's path.</p><ul>")
    parts += [f"<li><b>{escape(m)}</b>: {escape(words)}</li>" for m, words in results.planned.items()]
    parts += [f"<li>{count} numbers: {escape(words)}</li>" for words, count in results.conditions.items()]
    parts.append("</ul>")
    if results.failures:
        parts.append("<h2>What could not be measured</h2><ul>")
        parts += [f"<li>{escape(words)}</li>" for words in results.failures]
        parts.append("</ul>")
    bad = results.photos[results.photos["error"].notna()].drop_duplicates(["name", "error"])
    if len(bad):
        parts.append("<h2>Photos that could not be read</h2><ul>")
        parts += [f"<li><b>{escape(n)}</b>: {escape(e)}</li>" for n, e in zip(bad["name"], bad["error"], strict=True)]
        parts.append("</ul>")
    return "".join(parts)

"""What a finished run says, in figures with their meaning, and the files to take home."""

from __future__ import annotations

import json
from html import escape
from typing import Any

import numpy as np
import streamlit as st

from samp_core.archive import as_python
from samp_core.attribution import FIRM
from samp_core.compare import Entry
from samp_core.films import Reel
from samp_core.images import SAMPLES
from samp_core.metrics import cancellation, variance
from samp_core.render import Mode, format_cancellation, format_gap, gap_in_words
from samp_core.runs import as_settled, describe, figure_png, maps_npz, record
from ui.shared import travel
from ui.shared.state import Photo
from ui.shared.words import plain
from ui.work.lane_run import LaneRun, planes_of


def _grade(relative: float) -> str:
    if not np.isfinite(relative):
        return "fair"
    return "good" if relative <= 0.05 else "fair" if relative < 1 else "poor"


def _fact(title: str, value: str, words: str, grade: str = "") -> str:
    return (
        f'<div class="fact"><h4>{escape(title)}</h4><div class="value {grade}">{escape(value)}</div>'
        f"<p>{escape(words)}</p></div>"
    )


def result(job: LaneRun, display: dict[str, Any] | None) -> None:
    """Show the figures of a finished or stopped run and offer its files."""
    explanation = job.explanation
    assert explanation is not None
    for note in explanation.notes:
        st.warning(plain(note))
    title, score = describe(job.classifier, job.settings)
    facts = []
    for d, promise in enumerate(explanation.promises):
        relative = float(explanation.completeness.relative[d, 0])
        total = float(explanation.completeness.sums[d, 0])
        change = float(explanation.completeness.targets[d, 0])
        words = f"{gap_in_words(relative).capitalize()}. Sum {total:+.4g}, score change {change:+.4g}."
        heading = f"Completeness gap, {promise}" if len(explanation.promises) > 1 else "Completeness gap"
        facts.append(_fact(heading, format_gap(relative), words, _grade(relative)))
    maps = explanation.maps
    facts.append(
        _fact(
            "Var(a), concentration",
            f"{float(variance(maps)[0]):.3g}",
            f"Variance over the map's {maps[0].numel():,} pixels, squared units of the score. Comparable only between "
            "maps of the same sum.",
        )
    )
    facts.append(
        _fact(
            "Cancellation",
            format_cancellation(float(cancellation(maps)[0])),
            "Sum of |a| over |sum of a|, pixel by pixel: 1 if every pixel has the same sign. Says nothing about "
            "whether the sum is right.",
        )
    )
    if (belief := explanation.belief) is not None:
        facts.append(
            _fact(
                "Firm pixels",
                f"{100 * float(belief.firm[0].double().mean()):.0f} %",
                f"On their sign at least {100 * FIRM:.0f} % of the {belief.copies} copies of the photo agree. “firm "
                "only” leaves the others bare.",
            )
        )
    cost = explanation.cost
    facts.append(
        _fact(
            "Cost",
            f"{explanation.seconds:.1f} s",
            f"{cost.gradients} gradient and {cost.forwards} forward evaluations"
            + (f", {int(explanation.steps.max())} moves." if explanation.steps.numel() else "."),
        )
    )
    st.html(f'<div class="facts">{"".join(facts)}</div>')
    st.caption(f"{plain(title)}. Explains the {plain(score)} of {plain(job.classifier.name)}.")
    if len(explanation.promises) and not bool(explanation.completeness.holds().all()):
        st.caption(
            "A gap does not make a ranking wrong, it makes the sum unfaithful: which pixels come first and how much "
            "they add up to are different questions."
        )
    _downloads(job, display or {})


def _downloads(job: LaneRun, display: dict[str, Any]) -> None:
    explanation = job.explanation
    assert explanation is not None
    stem = f"{job.photo.name.rsplit('.', 1)[0]}-{job.settings.method}".replace("+", "p")
    mode: Mode = "intensity" if display.get("mode") == "intensity" else "signed"
    opacity = float(display.get("opacity", 0.75))
    with st.container(horizontal=True):
        st.download_button(
            "Map (npz)", lambda: maps_npz(job.classifier, job.photo.image, explanation), f"{stem}.npz",
            "application/octet-stream", on_click="ignore", key=f"npz-{job.identity}",
        )  # fmt: skip
        st.download_button(
            "Figure (png)",
            lambda: figure_png(job.classifier, job.photo.image, job.settings, explanation, mode, opacity),
            f"{stem}.png", "image/png", on_click="ignore", key=f"png-{job.identity}",
        )  # fmt: skip
        st.download_button(
            "Settings (json)",
            lambda: json.dumps(
                record(
                    job.classifier, job.photo.image, job.photo.name, job.settings, explanation, job.threads
                ),
                indent=2,
            ),
            f"{stem}.json", "application/json", on_click="ignore", key=f"json-{job.identity}",
        )  # fmt: skip
        with st.popover("As Python"):
            name = job.photo.name.rsplit(".", 1)[0]
            is_sample = name in SAMPLES and Photo.sample(name).fingerprint == job.photo.fingerprint
            settled = as_settled(job.settings, explanation)
            shown = name if is_sample else job.photo.name
            st.code(as_python(job.classifier, shown, settled, is_sample), language="python")
    entry = Entry(as_settled(job.settings, explanation), explanation)
    travel.download(
        job.classifier, job.photo, [entry], job.threads, stem, f"samp-{job.identity}",
        films=[Reel.of(job.film)], planes=planes_of([job]),
    )  # fmt: skip

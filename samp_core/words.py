"""What a lane says in words: its path's directions, its settings, and its result in a sentence or two."""

from __future__ import annotations

import numpy as np

from samp_core.attribution import Explanation
from samp_core.baselines import BASELINES
from samp_core.methods import METHODS, Settings
from samp_core.render import gap_in_words
from samp_core.rules import RULES
from samp_core.runs import options_in_words

_RISE = 1.15  # a score this many times above the end's is said to overshoot


def ways(settings: Settings) -> list[tuple[str, str]]:
    """Return the names of the two ends of each direction that a method walks, for people."""
    names = {name: baseline.title.split(" (")[0].lower() for name, baseline in BASELINES.items()}
    found = METHODS[settings.method].ways(settings.options)
    return [(names.get(start, start), names.get(end, end)) for start, end in found]


def directions(settings: Settings) -> list[dict[str, str]]:
    """Return title and way of each direction, for people."""
    walked = METHODS[settings.method].walked(settings.options)
    return [
        {"title": direction.title, "way": f"{start} → {end}"}
        for direction, (start, end) in zip(walked, ways(settings), strict=True)
    ]


def start_of(settings: Settings) -> str:
    """Return where a method's walk to the photo begins, in words; empty if it walks none."""
    starts = [start for start, end in ways(settings) if end == "photo"]
    return starts[-1] if starts else ""


NO_SETTINGS = "no settings"
"""What stands where a method has none."""


def settings_in_words(settings: Settings) -> str:
    """Return a method's settings, shortly."""
    return options_in_words(settings) or NO_SETTINGS


def result_in_words(settings: Settings, explanation: Explanation) -> list[str]:
    """Return what a result is worth, in sentences: does it add up, does it cancel, did the path overshoot."""
    if not explanation.finished:
        return [note for note in explanation.notes if note]
    sentences = []
    relative = explanation.completeness.relative[:, 0].tolist()
    if not relative:
        sentences.append("Promises no sum, so there is no gap to show.")
    else:
        worst = max(relative)
        if worst <= 0.05:
            sentences.append(f"Adds up: {gap_in_words(worst)}.")
        else:
            sums, targets = explanation.completeness.sums[:, 0], explanation.completeness.targets[:, 0]
            times = float((sums.abs() / targets.abs()).max())
            much = f"up to {times:.0f} times" if times >= 10 else f"{times:.1f} times"
            sentences.append(
                f"Ranks pixels; its amounts do not add up: its sum is {much} the score's change."
                if np.isfinite(times)
                else f"Ranks pixels; {gap_in_words(worst)}."
            )
    sentences.append(_signs(explanation))
    if (rule := settings.options.get("accumulation")) and not RULES[str(rule)].is_integral:
        sentences.append("It deals out measured score changes; it is no line integral.")
    return sentences


def _signs(explanation: Explanation) -> str:
    pixels = explanation.maps[0].double()
    whole, net = float(pixels.abs().sum()), abs(float(pixels.sum()))
    if not whole:
        return "No pixel has any credit."
    times = whole / net if net else np.inf
    if times < 1.25:
        return "Nearly all credit has one sign."
    if not np.isfinite(times):
        return "Credit and debit cancel to nothing."
    return (
        f"It credits and debits {times:.1f} times what is left."
        if times < 10
        else (f"It credits and debits {times:.0f} times what is left.")
    )


def overshoot_in_words(settings: Settings, explanation: Explanation) -> str:
    """Say why a search's score climbs above the photo's own and comes back, if it does; else nothing."""
    if not METHODS[settings.method].is_search or "insertion" not in explanation.directions:
        return ""
    trace = explanation.scores[:, explanation.directions.index("insertion"), 0]
    trace = trace[~trace.isnan()]
    if len(trace) < 3 or not explanation.finished:
        return ""
    top, end = float(trace.max()), float(trace[-1])
    if top <= max(end, 0) * _RISE + 1e-9:
        return ""
    return (
        f"{METHODS[settings.method].title}'s insertion climbs to {top:.1f} and comes back to the photo's {end:.1f}: "
        "pixels that raise the score move first, and those left for the end speak against the class."
    )

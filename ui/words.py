"""Words that several pages use."""

from __future__ import annotations


def seconds_in_words(value: float) -> str:
    """Return a duration as people say it."""
    if value < 1:
        return "a second"
    return f"{value:.0f} s" if value < 90 else f"{value / 60:.1f} min"

"""SAMP instant: a few large moves, for a first answer at once."""

from samp_core.methods.greedy import PAPER, greedy

METHOD = greedy(
    "samp-instant",
    "SAMP instant",
    summary="This project's quick search: six large moves each way, and the measured score changes dealt out, so the "
    "map always adds up.",
    citation=f"Search: {PAPER}. Accumulation: this project.",
    rule="half",
    steps=6,
    momentum=0.0,
    ic_tolerance=None,
)

"""SAMP isotonic: this project's variant of SAMP++, whose map always adds up."""

from samp_core.methods.greedy import PAPER, greedy

METHOD = greedy(
    "samp-isotonic",
    "SAMP isotonic",
    summary="This project's variant: more momentum, fewer moves, and the measured score changes dealt out, so the map "
    "always adds up.",
    citation=f"Search: {PAPER}. Accumulation: this project.",
    rule="isotonic",
    momentum=0.8,
    ic_tolerance=0.05,
)

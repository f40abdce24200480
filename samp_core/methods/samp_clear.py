"""SAMP clear: the Concentration Principle kept, with a map that adds up and has one sign."""

from samp_core.methods.greedy import PAPER, greedy

METHOD = greedy(
    "samp-clear",
    "SAMP clear",
    summary="This project's clearest search: no credit is cancelled by another, the map adds up, and much of it lies "
    "on few pixels.",
    citation=f"Search: {PAPER}. Accumulation: this project.",
    rule="monotone",
    momentum=0.8,
    ic_tolerance=0.05,
)

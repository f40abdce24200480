"""SAMP: the greedy search as first published."""

from samp_core.methods.greedy import greedy

METHOD = greedy(
    "samp",
    "SAMP",
    summary="Greedy search: each move takes the pixels that promise to change the score most; momentum and constraint "
    "off.",
    momentum=0.0,
    ic_tolerance=None,
)

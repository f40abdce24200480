"""SAMP++: the greedy search with infinitesimal constraint and momentum strategy."""

from samp_core.methods.greedy import greedy

METHOD = greedy(
    "samp++",
    "SAMP++",
    summary="SAMP with short moves (infinitesimal constraint 1/50) and a steadier direction (momentum 0.5).",
    momentum=0.5,
    ic_tolerance=0.02,
)

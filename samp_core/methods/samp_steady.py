"""SAMP steady: many short searches on copies of the photo, whose mean holds still."""

from samp_core.methods.greedy import PAPER, greedy

METHOD = greedy(
    "samp-steady",
    "SAMP steady",
    summary="This project's steady search: short searches on seven copies of the photo with a little noise. Their mean "
    "adds up and holds still, and a second map says how far they agree.",
    citation=f"Search: {PAPER}. Copies and accumulation: this project.",
    rule="half",
    copies=7,
    steps=4,
    momentum=0.3,
    ic_tolerance=None,
)

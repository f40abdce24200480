"""SAMP refined: an order of the pixels found by searching, and bettered by what the score does on the whole way."""

from samp_core import paths
from samp_core.methods.declaration import both_ways, path_method
from samp_core.methods.greedy import PAPER
from samp_core.methods.options import SEARCH, Option, steps

METHOD = path_method(
    "samp-refined",
    "SAMP refined",
    summary="This project's own: short searches give an order of the pixels, and sweeps along the whole path better it "
    "by what the score does everywhere on the way.",
    citation=f"Principle and search: {PAPER}. Sweeps and accumulation: this project.",
    limits="The order is made to do well by curves of the very kind that maps are ranked by, so these judge it too "
    "kindly; look at the other measures as well. Nothing can be seen of its path before it is found, which takes most "
    "of the time.",
    path=lambda o: paths.RefinedPath(
        paths.GreedyPath(steps=4, momentum=0.3), o.steps, o.searches, o.sweeps, o.pull, o.noise, o.seed
    ),
    ends=both_ways(),
    rule="ordered",
    options=(
        Option(
            "searches", "Searches", "How many short searches, each on a copy of the photo with a little noise, give "
            "the first order; more are steadier.", 16, 1, 1000, slider=(1, 24), whole=True, phrase="{value} searches",
        ),
        Option(
            "sweeps", "Sweeps", "How often the order is refined along the whole path; 0 keeps the first order.", 3, 0,
            1000, slider=(0, 20), whole=True, phrase="{value} sweep{s}",
        ),
        Option(
            "pull", "Pull", "How far one sweep changes the order, in standard deviations of what stood before. "
            "More ranks better by the network's own curves, and holds still less.", 0.1, 0.0, 10.0, 0.05,
            slider=(0.0, 1.0),
        ),
        steps(6, "Into how many moves the pixels are shared out in the end.", slider=(2, 30)),
        Option(
            "noise", "Noise", "Standard deviation of the noise on copies and on states, in the network's units: "
            "0.02 is one to three grey levels.", 0.02, 0.0, 10.0, 0.01, slider=(0.0, 0.2), minor=True, phrase="",
        ),
        *(option for option in SEARCH if option.name in ("directions", "deletion_baseline", "insertion_baseline")),
    ),
    sketch={"searches": 1, "sweeps": 0, "steps": 4},
)  # fmt: skip

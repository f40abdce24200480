"""RISE: random masks."""

from samp_core import maps
from samp_core.methods.declaration import FORWARD, direct_method
from samp_core.methods.options import Option, fill

METHOD = direct_method(
    "rise",
    "RISE",
    family="Perturbation",
    summary="Many random masks; a pixel counts as far as the score is higher when it is shown.",
    citation="Petsiuk, Das and Saenko. RISE: Randomized Input Sampling for Explanation. BMVC 2018. arXiv:1806.07421",
    limits="A sampled mean: few masks leave blotches that mean nothing.",
    work=lambda task, o: maps.rise(task, o.fill, o.masks, o.cells, o.shown),
    gradients=lambda asked, o: FORWARD * o.masks,
    options=(
        Option("masks", "Masks", "Number of random masks; the paper uses 4000 to 8000.", 500, 2, 10000, 1),
        Option("cells", "Cells", "Cells of the coarse grid along a side.", 7, 2, 32, 1),
        Option("shown", "Shown", "Probability that a cell is shown.", 0.5, 0.05, 0.95, 0.05),
        fill(),
    ),
)

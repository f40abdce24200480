"""XRAI: regions of integrated gradients."""

from samp_core import maps
from samp_core.methods.declaration import direct_method
from samp_core.methods.options import Option

METHOD = direct_method(
    "xrai",
    "XRAI",
    family="Perturbation",
    summary="Integrated gradients from black and white, gathered into regions of the photo, best region first.",
    citation="Kapishnikov, Bolukbasi, Viégas and Terry. XRAI: Better Attributions Through Regions. ICCV 2019. "
    "arXiv:1906.02825",
    limits="Depends on how the photo was cut into regions; sums channels, where the authors take the largest.",
    work=lambda task, o: maps.xrai(task, o.steps),
    gradients=lambda asked, o: 2 * o.steps,
    options=(Option("steps", "Steps", "Moves along the line from each baseline.", 20, 2, 500, 1),),
)

"""A control: where the photo has edges."""

from samp_core import maps
from samp_core.methods.declaration import direct_method

METHOD = direct_method(
    "edges",
    "Edges",
    family="Controls",
    summary="Where the photo has edges, whatever the network thinks: a map that merely looks convincing.",
    citation="A control as in Adebayo, Gilmer, Muelly, Goodfellow, Hardt and Kim. Sanity Checks for Saliency Maps. "
    "NeurIPS 2018. arXiv:1810.03292",
    limits="Explains nothing, on purpose: it is the same for every class.",
    work=lambda task, o: maps.edges(task),
    gradients=lambda asked, o: 0,
)

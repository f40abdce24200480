"""Integrated Gradients: the straight line."""

from samp_core import paths
from samp_core.methods.declaration import path_method, toward_image
from samp_core.methods.options import steps

METHOD = path_method(
    "ig",
    "Integrated Gradients",
    summary="The straight line: all pixels fade in together. The reference that path choice is measured against.",
    citation="Sundararajan, Taly and Yan. Axiomatic Attribution for Deep Networks. ICML 2017. arXiv:1703.01365",
    path=lambda o: paths.StraightPath(o.steps),
    ends=toward_image(title="Straight line"),
    rule="trapezoid",
    options=(steps(50),),
)

"""Guided Integrated Gradients: near the straight line, around large gradients."""

from samp_core import paths
from samp_core.methods.declaration import path_method, toward_image
from samp_core.methods.options import Option, steps

METHOD = path_method(
    "guided-ig",
    "Guided IG",
    summary="Near the straight line, but values of small gradient move first: the path goes around noise.",
    citation="Kapishnikov, Venugopalan, Avci, Wedin, Terry and Bolukbasi. Guided Integrated Gradients: an Adaptive "
    "Path Method for Removing Noise. CVPR 2021. arXiv:2106.09788",
    path=lambda o: paths.GuidedPath(o.steps, o.fraction, o.max_dist),
    ends=toward_image(title="Around noise"),
    rule="paper",
    options=(
        steps(50),
        Option(
            "fraction",
            "Fraction",
            "Share of the values that moves at once; 1 is the straight line.",
            0.25,
            0.05,
            1.0,
            0.05,
        ),
        Option(
            "max_dist",
            "Corridor",
            "Half width of the corridor around the straight line; 0 is the line.",
            0.02,
            0.0,
            1.0,
            0.02,
        ),
    ),
)

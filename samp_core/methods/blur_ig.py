"""Blur Integrated Gradients: the image comes into focus."""

from samp_core import paths
from samp_core.methods.declaration import path_method, toward_image
from samp_core.methods.options import Option, steps

METHOD = path_method(
    "blur-ig",
    "Blur IG",
    summary="The image comes into focus: from very blurred to sharp, coarse features are credited before fine ones.",
    citation="Xu, Venugopalan and Sundararajan. Attribution in Scale and Space. CVPR 2020. arXiv:2004.03383",
    path=lambda o: paths.BlurPath(o.steps, o.max_sigma),
    ends=toward_image(
        title="Blur to sharp",
        words="blur, sigma {max_sigma:g}",
        start=lambda o: paths.BlurPath(max_sigma=o.max_sigma).start,
    ),
    rule="trapezoid",
    options=(
        steps(50),
        Option("max_sigma", "First blur", "Standard deviation of the first blur, in pixels.", 50.0, 5.0, 100.0, 5.0),
    ),
)

"""Path-Weighted Integrated Gradients: the straight line, early or late parts of which count more."""

from samp_core import paths
from samp_core.methods.declaration import path_method, toward_image
from samp_core.methods.options import Option, steps

METHOD = path_method(
    "pwig",
    "Path-Weighted IG",
    summary="The straight line, but gradients near the photo (or near the start) count more than the others.",
    citation="Kamalov, Al Falasi and Thabtah. Path-Weighted Integrated Gradients for Interpretable Dementia "
    "Classification. 2025. arXiv:2509.17491",
    limits="Not complete with its own rule, unless emphasis is 0 or the score linear along the line; with another rule "
    "nothing is weighed. The paper leaves the weight open: a power of the share of the way is this project's choice.",
    path=lambda o: paths.WeightedPath(o.steps, o.emphasis),
    ends=toward_image(title="Weighted line"),
    rule="paper",
    options=(
        steps(50),
        Option(
            "emphasis",
            "Emphasis",
            "Where along the line gradients count: 0 evenly (Integrated Gradients), above 0 near the photo, below 0 "
            "near the start.",
            1.0,
            -20.0,
            20.0,
            0.5,
            slider=(-4.0, 4.0),
        ),
    ),
)

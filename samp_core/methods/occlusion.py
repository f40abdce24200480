"""Occlusion: a window is hidden, place by place."""

from samp_core import maps
from samp_core.methods.declaration import FORWARD, direct_method
from samp_core.methods.options import Option, fill

METHOD = direct_method(
    "occlusion",
    "Occlusion",
    family="Perturbation",
    summary="How far the score falls when a window over the pixel is hidden.",
    citation="Zeiler and Fergus. Visualizing and Understanding Convolutional Networks. ECCV 2014. arXiv:1311.2901",
    limits="Cannot see what hides behind a second copy: hiding one of two cats changes little.",
    work=lambda task, o: maps.occlusion(task, o.fill, o.window, o.stride),
    gradients=lambda asked, o: FORWARD * (1 + maps.occlusion_windows(asked.height, asked.width, o.window, o.stride)),
    options=(
        Option("window", "Window", "Side of the hidden square, in pixels.", 32, 1, 128, 1),
        Option("stride", "Stride", "How far the window moves, in pixels; at most its side.", 16, 1, 128, 1),
        fill(),
    ),
)

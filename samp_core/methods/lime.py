"""LIME: a linear model of superpixels."""

from samp_core import maps
from samp_core.methods.declaration import FORWARD, direct_method
from samp_core.methods.options import Option, fill

METHOD = direct_method(
    "lime",
    "LIME",
    family="Perturbation",
    summary="Hides random superpixels and fits a linear model to the scores near the whole image.",
    citation="Ribeiro, Singh and Guestrin. Why Should I Trust You? Explaining the Predictions of Any Classifier. "
    "KDD 2016. arXiv:1602.04938",
    limits="Sees nothing smaller than a superpixel, and depends on how the image was cut.",
    work=lambda task, o: maps.lime(task, o.fill, o.samples, o.segments),
    gradients=lambda asked, o: FORWARD * o.samples,
    options=(
        Option("samples", "Samples", "Number of images with random superpixels hidden.", 300, 10, 10000, 2),
        Option("segments", "Superpixels", "About how many superpixels the image is cut into.", 50, 2, 500, 1),
        fill("mean"),
    ),
)

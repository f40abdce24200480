"""Kernel SHAP: Shapley values of superpixels."""

from samp_core import maps
from samp_core.methods.declaration import FORWARD, direct_method
from samp_core.methods.options import Option, fill

METHOD = direct_method(
    "kernel-shap",
    "Kernel SHAP",
    family="Perturbation",
    summary="Hides random superpixels and fits their Shapley values, which add up to the score.",
    citation="Lundberg and Lee. A Unified Approach to Interpreting Model Predictions. NeurIPS 2017. arXiv:1705.07874",
    limits="Sees nothing smaller than a superpixel; exact only with many more samples than superpixels.",
    work=lambda task, o: maps.kernel_shap(task, o.fill, o.samples, o.segments),
    gradients=lambda asked, o: FORWARD * o.samples,
    options=(
        Option("samples", "Samples", "Number of images with random superpixels hidden.", 300, 10, 10000, 2),
        Option("segments", "Superpixels", "About how many superpixels the image is cut into.", 50, 2, 500, 1),
        fill("mean"),
    ),
)

"""SmoothGrad: the mean gradient of noisy copies."""

from samp_core import maps
from samp_core.methods.declaration import direct_method
from samp_core.methods.options import Option

METHOD = direct_method(
    "smoothgrad",
    "SmoothGrad",
    family="Gradients",
    summary="The mean gradient of noisy copies of the image, which is calmer than the gradient itself.",
    citation="Smilkov, Thorat, Kim, Viégas and Wattenberg. SmoothGrad: removing noise by adding noise. 2017. "
    "arXiv:1706.03825",
    limits="Like the gradient it measures sensitivity, averaged over a neighbourhood whose size is a choice.",
    work=lambda task, o: maps.smoothgrad(task, o.samples, o.noise),
    gradients=lambda asked, o: o.samples,
    options=(
        Option("samples", "Samples", "Number of noisy copies.", 25, 1, 500, 1),
        Option("noise", "Noise", "Standard deviation as a fraction of the image's range.", 0.15, 0.0, 1.0, 0.01),
    ),
)

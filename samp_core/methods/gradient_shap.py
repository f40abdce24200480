"""GradientSHAP, as expected gradients."""

from samp_core import maps
from samp_core.methods.declaration import FORWARD, direct_method
from samp_core.methods.options import Option

METHOD = direct_method(
    "gradient-shap",
    "GradientSHAP (expected gradients)",
    family="Gradients",
    summary="Integrated Gradients from many random baselines at once: zero, blur and noise.",
    citation="Erion, Janizek, Sturmfels, Lundberg and Lee. Improving performance of deep learning models with "
    "axiomatic attribution priors and expected gradients. Nature Machine Intelligence 2021. arXiv:1906.10670",
    limits="Adds up to the score's rise above the mean of its baselines, up to sampling noise.",
    work=lambda task, o: maps.expected_gradients(task, o.samples),
    gradients=lambda asked, o: o.samples + FORWARD * (3 + o.samples // 3),
    options=(Option("samples", "Samples", "Random points on lines from a random baseline.", 48, 3, 1000, 1),),
)

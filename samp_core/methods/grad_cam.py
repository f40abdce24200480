"""Grad-CAM."""

from samp_core import maps
from samp_core.methods.declaration import direct_method
from samp_core.methods.options import Option

METHOD = direct_method(
    "grad-cam",
    "Grad-CAM",
    family="Class activation",
    summary="The last feature maps, weighted by the mean gradient of the score; only what speaks for the class.",
    citation="Selvaraju, Cogswell, Das, Vedantam, Parikh and Batra. Grad-CAM. ICCV 2017. arXiv:1610.02391",
    limits="Only as fine as the layer's feature maps (7 x 7 places in many networks), and needs a convolutional "
    "network, or a transformer over patches.",
    work=lambda task, o: maps.grad_cam(task, o.layer),
    gradients=lambda asked, o: 1,
    options=(Option("layer", "Layer", "Name of the layer whose feature maps are used; empty means the last one.", ""),),
)

"""Grad-CAM++."""

from samp_core import maps
from samp_core.methods.declaration import direct_method
from samp_core.methods.options import Option

METHOD = direct_method(
    "grad-cam++",
    "Grad-CAM++",
    family="Class activation",
    summary="Grad-CAM that gives several objects of one class their due.",
    citation="Chattopadhyay, Sarkar, Howlader and Balasubramanian. Grad-CAM++. WACV 2018. arXiv:1710.11063",
    limits="Only as fine as the layer's feature maps (7 x 7 places in many networks), and needs a convolutional "
    "network, or a transformer over patches.",
    work=lambda task, o: maps.grad_cam_plus_plus(task, o.layer),
    gradients=lambda asked, o: 1,
    options=(Option("layer", "Layer", "Name of the layer whose feature maps are used; empty means the last one.", ""),),
)

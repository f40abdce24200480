"""CAM: the last feature maps, weighted by the dense layer."""

from samp_core import maps
from samp_core.methods.declaration import FORWARD, direct_method

METHOD = direct_method(
    "cam",
    "CAM",
    family="Class activation",
    summary="The last feature maps, weighted as the final dense layer weights them for the class.",
    citation="Zhou, Khosla, Lapedriza, Oliva and Torralba. Learning Deep Features for Discriminative "
    "Localization. CVPR 2016. arXiv:1512.04150",
    limits="Only for networks that end in a global mean and one dense layer, and only for logits.",
    work=lambda task, o: maps.cam(task),
    gradients=lambda asked, o: 2 * FORWARD,
)

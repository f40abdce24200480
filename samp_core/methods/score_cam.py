"""Score-CAM: feature maps, weighted by what is left of the score."""

from samp_core import maps
from samp_core.methods.declaration import FORWARD, direct_method
from samp_core.methods.options import Option

METHOD = direct_method(
    "score-cam",
    "Score-CAM",
    family="Class activation",
    summary="Feature maps weighted by how much of the score remains when only their places are shown; no gradients.",
    citation="Wang, Wang, Du, Yang, Zhang, Ding, Mardziel and Hu. Score-CAM. CVPR workshop 2020. arXiv:1910.01279",
    limits="Only as fine as the layer's feature maps (7 x 7 places in many networks), and needs a convolutional "
    "network, or a transformer over patches. The published method uses all feature maps, at one evaluation each.",
    work=lambda task, o: maps.score_cam(task, o.channels, o.layer),
    gradients=lambda asked, o: FORWARD * (2 + min(o.channels, maps.feature_maps(asked.network, o.layer))),
    options=(
        Option("channels", "Feature maps", "How many feature maps, those that vary most first.", 256, 1, 4096, 1),
        Option("layer", "Layer", "Name of the layer whose feature maps are used; empty means the last one.", ""),
    ),
)

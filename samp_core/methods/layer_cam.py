"""LayerCAM."""

from samp_core import maps
from samp_core.methods.declaration import direct_method
from samp_core.methods.options import Option

METHOD = direct_method(
    "layer-cam",
    "LayerCAM",
    family="Class activation",
    summary="Feature maps weighted by the gradient place by place, so that earlier, finer layers make sense too.",
    citation="Jiang, Zhang, Hou, Cheng and Wei. LayerCAM. IEEE Transactions on Image Processing 2021",
    limits="Only as fine as the layer's feature maps (7 x 7 places in many networks), and needs a convolutional "
    "network, or a transformer over patches.",
    work=lambda task, o: maps.layer_cam(task, o.layer),
    gradients=lambda asked, o: 1,
    options=(Option("layer", "Layer", "Name of the layer whose feature maps are used; empty means the last one.", ""),),
)

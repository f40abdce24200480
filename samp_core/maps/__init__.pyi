from .activation import cam, feature_maps, grad_cam, grad_cam_plus_plus, layer_cam, score_cam
from .attention import legrad, rollout
from .backward import deeplift, guided_backprop, lrp
from .controls import edges, random
from .gradients import expected_gradients, gradient, input_x_gradient, smoothgrad
from .masks import occlusion, occlusion_windows, rise
from .regions import xrai
from .reveal import reveal_ig
from .surrogate import kernel_shap, lime

__all__ = [
    "cam",
    "deeplift",
    "edges",
    "expected_gradients",
    "feature_maps",
    "grad_cam",
    "grad_cam_plus_plus",
    "gradient",
    "guided_backprop",
    "input_x_gradient",
    "kernel_shap",
    "layer_cam",
    "legrad",
    "lime",
    "lrp",
    "occlusion",
    "occlusion_windows",
    "random",
    "reveal_ig",
    "rise",
    "rollout",
    "score_cam",
    "smoothgrad",
    "xrai",
]

"""MFABA: from the photo to the nearest boundary of its class."""

from samp_core import paths
from samp_core.methods.declaration import leaving_image, path_method
from samp_core.methods.options import Option, steps

METHOD = path_method(
    "mfaba",
    "MFABA",
    summary="From the photo, by tiny steps that every value makes, to where the network no longer sees the class: what "
    "was lost on the way spoke for it.",
    citation="Zhu, Chen, Zhang, Wang, Jin, Xue, Zhu and Choo. MFABA: A More Faithful and Accelerated Boundary-based "
    "Attribution Method for Deep Neural Networks. AAAI 2024. arXiv:2312.13630",
    limits="Explains a class only where the network's first choice is it: else it makes no move. Where it ends is not "
    "known before; an ordinary network gives way after one or two steps, and the map is then a gradient times a sign. "
    "The paper derives a second order (the trapezoid rule), its code adds up the first, as here; it explains the "
    "probability.",
    path=lambda o: paths.BoundaryPath(
        tuple(o.step / std for std in o.preprocessing.std),
        o.steps,
        o.preprocessing.value(0.0),
        o.preprocessing.value(1.0),
    ),
    ends=(leaving_image("boundary", "Toward the class's boundary", "boundary of its class"),),
    rule="paper",
    exclusive=True,
    options=(
        steps(50, "The most moves that are made; each takes two gradients."),
        Option(
            "step", "Step", "How far every value moves in a step, of the range 0 to 1 that images have.", 0.001, 0.0001,
            1.0, 0.0005, slider=(0.0005, 0.02), phrase="step {value}",
        ),
    ),
)  # fmt: skip

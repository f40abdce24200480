"""IG2: from the photo to an image with another photo's features."""

from __future__ import annotations

from typing import TYPE_CHECKING

from samp_core import paths
from samp_core.methods.declaration import Options, leaving_image, path_method
from samp_core.methods.options import Option, steps

if TYPE_CHECKING:
    from samp_core.paths import OpenPath

PHOTOS = {
    "chelsea": "Cat",
    "coffee": "Coffee",
    "rocket": "Rocket",
    "astronaut": "Astronaut",
    "camera": "Photographer",
    "motorcycle": "Motorcycle",
}
"""Name and title of each photo that comes with the project."""


def _path(o: Options) -> OpenPath:
    from samp_core.baselines import SamplePhoto  # noqa: PLC0415 - methods are listed without torch

    given = o.preprocessing
    return paths.FeaturePath(
        SamplePhoto(o.reference, given),
        o.steps,
        o.step,
        given.std,
        given.value(0.0),
        given.value(1.0),
    )


METHOD = path_method(
    "ig2",
    "IG2",
    summary="From the photo to an image that the network sees as it sees another photo: what was lost on the way "
    "spoke for the class.",
    citation="Zhuo and Ge. IG2: Integrated Gradient on Iterative Gradient Path for Feature Attribution. IEEE TPAMI "
    "2024. arXiv:2406.10852",
    limits="Where it ends is not known before, and another reference photo gives another map; the paper averages over "
    "several. The paper makes 201 moves of 0.0026; here fewer, longer ones cover as much. Every move follows steep "
    "slopes, so the published sum is some 30 times the change. A photo that is its own reference makes no move.",
    path=_path,
    ends=(leaving_image("counterfactual", "Toward another photo's features", "features of {reference}"),),
    rule="paper",
    options=(
        Option("reference", "Other photo", "The photo whose features it walks to.", "rocket", choices=PHOTOS,
               short="to", phrase="to {value}"),
        steps(50, "How many moves are made; each takes two gradients."),
        Option(
            "step", "Step", "Length of a move: the root mean square over all values, of the range 0 to 1 that images "
            "have.", 0.01, 0.0001, 1.0, 0.001, slider=(0.001, 0.05), phrase="step {value}",
        ),
    ),
    sketch={"steps": 8},
)  # fmt: skip

"""Integrated Decision Gradients: the straight line, weighed by how fast the score changes along it."""

from samp_core import paths
from samp_core.methods.declaration import path_method, toward_image
from samp_core.methods.options import steps

METHOD = path_method(
    "idg",
    "Integrated Decision Gradients",
    summary="The straight line, with most gradients taken where the score rises, and weighed by how fast it does.",
    citation="Walker, Jha, Chen and Ewetz. Integrated Decision Gradients: Compute Your Attributions Where the Model "
    "Makes Its Decision. AAAI 2024. arXiv:2305.20052",
    limits="Not complete with its own rule, unless the score is linear along the line: what is credited where the "
    "score changes fast counts more. As in the authors' code, parts of the line without a gradient take no room, so "
    "the others lie nearer to the start than they were measured. With another rule nothing is weighed.",
    path=lambda o: paths.DecisionPath(o.steps),
    ends=toward_image(title="Line, by slope"),
    rule="paper",
    options=(steps(50, "How many gradients are taken; as many scores are measured before.", low=2),),
)

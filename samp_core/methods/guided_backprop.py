"""Guided backpropagation."""

from samp_core import maps
from samp_core.methods.declaration import direct_method

METHOD = direct_method(
    "guided-backprop",
    "Guided backpropagation",
    family="Gradients",
    summary="A gradient that is cut off at every ReLU where it would be negative: crisp, but partly an edge detector.",
    citation="Springenberg, Dosovitskiy, Brox and Riedmiller. Striving for Simplicity. ICLR workshop 2015. "
    "arXiv:1412.6806",
    limits="Hardly depends on the class or the upper layers; needs ReLUs that are modules, and says how many are none.",
    work=lambda task, o: maps.guided_backprop(task),
    gradients=lambda asked, o: 1,
)

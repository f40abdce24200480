"""The gradient of the score."""

from samp_core import maps
from samp_core.methods.declaration import direct_method

METHOD = direct_method(
    "gradient",
    "Gradient",
    family="Gradients",
    summary="How much the score changes when a pixel changes a little.",
    citation="Simonyan, Vedaldi and Zisserman. Deep Inside Convolutional Networks. ICLR workshop 2014. arXiv:1312.6034",
    limits="Says how sensitive the score is, not what it is made of; where the score saturates, it is near zero.",
    work=lambda task, o: maps.gradient(task),
    gradients=lambda asked, o: 1,
)

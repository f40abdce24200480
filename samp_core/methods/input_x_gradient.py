"""Input times gradient."""

from samp_core import maps
from samp_core.methods.declaration import direct_method

METHOD = direct_method(
    "input-x-gradient",
    "Input × gradient",
    family="Gradients",
    summary="The gradient times the pixel's value: what a linear network would owe to each pixel.",
    citation="Shrikumar, Greenside, Shcherbina and Kundaje. Not Just a Black Box. 2016. arXiv:1605.01713",
    limits="Pixels of the training data's mean colour get nothing, because their normalised value is zero.",
    work=lambda task, o: maps.input_x_gradient(task),
    gradients=lambda asked, o: 1,
)

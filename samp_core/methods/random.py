"""A control: noise."""

from samp_core import maps
from samp_core.methods.declaration import direct_method

METHOD = direct_method(
    "random",
    "Random",
    family="Controls",
    summary="Noise that knows neither image nor network: the floor of every comparison.",
    citation="A control as in Hooker, Erhan, Kindermans and Kim. A Benchmark for Interpretability Methods in Deep "
    "Neural Networks. NeurIPS 2019. arXiv:1806.10758",
    limits="Explains nothing, on purpose.",
    work=lambda task, o: maps.random(task),
    gradients=lambda asked, o: 0,
)

"""DeepLIFT, the rescale rule."""

from samp_core import maps
from samp_core.methods.declaration import direct_method
from samp_core.methods.options import fill

METHOD = direct_method(
    "deeplift",
    "DeepLIFT",
    family="Gradients",
    summary="Compares every activation with that of a baseline image and hands the differences back (rescale rule).",
    citation="Shrikumar, Greenside and Kundaje. Learning Important Features Through Propagating Activation "
    "Differences. ICML 2017. arXiv:1704.02685",
    limits="No rule for attention, gates and layer norms, and only for logits. What a network computes without a rule "
    "(a product of activations is refused) passes its gradient on, which shows in the gap.",
    work=lambda task, o: maps.deeplift(task, o.fill),
    gradients=lambda asked, o: 2,
    options=(fill(),),
)

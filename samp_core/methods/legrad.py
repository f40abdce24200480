"""LeGrad: the gradient with respect to attention."""

from samp_core import maps
from samp_core.methods.declaration import direct_method
from samp_core.methods.options import Option

METHOD = direct_method(
    "legrad",
    "LeGrad",
    family="Attention",
    summary="Where more attention of a transformer's last blocks would raise the score, never what lowers it.",
    citation="Bousselham, Boggust, Chaybouti, Strobelt and Kuehne. LeGrad: An Explainability Method for Vision "
    "Transformers via Feature Formation Sensitivity. ICCV 2025. arXiv:2404.03214",
    limits="For transformers that are built as torchvision's. Only as fine as the patches, it sees nothing that speaks "
    "against the class, and it explains the mean of a block's tokens, which is not what the network classifies by.",
    work=lambda task, o: maps.legrad(task, o.blocks),
    gradients=lambda asked, o: 1,
    options=(Option("blocks", "Last blocks", "How many of the last blocks are looked at.", 4, 1, 100, slider=(1, 12)),),
)

"""Layer-wise relevance propagation."""

from samp_core import maps
from samp_core.methods.declaration import direct_method

METHOD = direct_method(
    "lrp",
    "LRP",
    family="Gradients",
    summary="Hands the logit back layer by layer, in proportion to what each input gave (rules epsilon and z+).",
    citation="Bach, Binder, Montavon, Klauschen, Müller and Samek. On Pixel-Wise Explanations for Non-Linear "
    "Classifier Decisions by Layer-Wise Relevance Propagation. PLOS ONE 2015; Montavon et al. 2019",
    limits="No rule for attention, gates and layer norms, batch norms must be folded, and only for logits. Hands back "
    "the score itself, not its rise above a baseline.",
    work=lambda task, o: maps.lrp(task),
    gradients=lambda asked, o: 1,
)

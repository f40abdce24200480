"""Attention rollout."""

from samp_core import maps
from samp_core.methods.declaration import FORWARD, direct_method

METHOD = direct_method(
    "rollout",
    "Attention rollout",
    family="Attention",
    summary="How much of each patch a transformer's class token has taken in, over all its layers.",
    citation="Abnar and Zuidema. Quantifying Attention Flow in Transformers. ACL 2020. arXiv:2005.00928",
    limits="For transformers alone. It is the same for every class and score, and only as fine as the patches: it says "
    "where the network looked, not what for.",
    work=lambda task, o: maps.rollout(task),
    gradients=lambda asked, o: FORWARD,
)

"""SAMP refined: an order of the pixels found by searching, and bettered by what the score does on the whole way."""

from samp_core.methods.options import Value
from samp_core.methods.refined import refined


def earlier(name: str, options: dict[str, Value]) -> tuple[str, dict[str, Value]]:
    """Return what a file means: its first version knew one number of states a sweep and of moves a search."""
    return name, {"states": 10, "search_steps": 4, **options}


METHOD = refined(
    "samp-refined",
    "SAMP refined",
    summary="This project's own: short searches give an order of the pixels, and sweeps along the whole path better it "
    "by what the score does everywhere on the way.",
    limits="The order is made to do well by curves of the very kind that maps are ranked by, so these judge it too "
    "kindly; look at the other measures as well. Its path is walked when it has been found, which takes most of the "
    "time; until then drafts of it are shown.",
    earlier=earlier,
)

"""SAMP steady: the refined order for fewer gradients than a search, as what is looked at first."""

from samp_core.methods.options import Value
from samp_core.methods.refined import refined


def earlier(name: str, options: dict[str, Value]) -> tuple[str, dict[str, Value]]:
    """Return what a file means: once this was the quick search with momentum, on the copies that its options say."""
    return ("samp-instant" if "momentum" in options else name), options


METHOD = refined(
    "samp-steady",
    "SAMP steady",
    summary="This project's steady map for a third of SAMP refined's gradients: five searches of three moves on "
    "copies of the photo with a little noise, and short sweeps along the whole path. It adds up and holds still.",
    limits="As for SAMP refined, curves of insertion and deletion judge it too kindly, because its sweeps climb such "
    "curves; and two runs with other seeds agree less than two of SAMP refined.",
    earlier=earlier,
    published={"searches": 5, "states": 3, "steps": 3, "pull": 0.1},
)

"""SAMP clear: the Concentration Principle kept, with a map that adds up and has one sign each way."""

from samp_core.methods.options import Value
from samp_core.methods.refined import refined


def earlier(name: str, options: dict[str, Value]) -> tuple[str, dict[str, Value]]:
    """Return what a file means: once this was one search under a constraint, which its options say."""
    return ("samp++" if "momentum" in options else name), options


METHOD = refined(
    "samp-clear",
    "SAMP clear",
    summary="This project's clearest map: it adds up, all credit of one direction has one sign, and much of it lies on "
    "few pixels. An order found by short searches, bettered by sweeps along the whole path, and walked in more moves.",
    limits="Pixels that move when the score has reached its end get next to nothing, and differ by their place on the "
    "path alone. As its sweeps climb curves of insertion and deletion, such curves judge it too kindly.",
    earlier=earlier,
    published={"searches": 14, "search_steps": 4, "states": 6, "steps": 12, "pull": 0.1},
)

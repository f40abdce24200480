"""A picture for each point of a plot, shown beside it while the point is pointed at."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from ui.components.mount import component

_FOLDER = Path(__file__).parent


@dataclass(frozen=True)
class Picture:
    """What is shown of a point: a data URI, what it is called, and what is seen in it."""

    uri: str
    name: str
    words: str


def glance(key: str, plot: str, pictures: Sequence[Picture], chosen: int | None, hint: str, skip: int = 0) -> None:
    """Show the picture of the point that is pointed at, else that of the chosen one, else a hint.

    Args:
        key: what the session calls this.
        plot: key of the plotly chart whose points have pictures: one of each trace.
        pictures: of its traces, in their order.
        chosen: which of them is shown while nothing is pointed at.
        hint: what is said where none is.
        skip: how many of the chart's first traces have none.
    """
    shown = [asdict(picture) for picture in pictures]
    data = {"plot": plot, "pictures": shown, "chosen": chosen, "hint": hint, "skip": skip}
    component(_FOLDER, with_kit=True)(key=key, data=data)

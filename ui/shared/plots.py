"""How plots look on every page, and what a queue under way says of itself."""

from __future__ import annotations

from ui.shared.words import seconds_in_words
from ui.work.queue import Queue

# Without the hues of for and against. Where there are more lines they come again, dashed; a hover names each.
COLOURS = ("#6366f1", "#14a08f", "#be185d", "#a16207", "#65a30d", "#a21caf", "#64748b", "#15803d", "#7c3aed", "#9f1239")
PLAIN = {"displayModeBar": False}


def progress_in_words(queue: Queue, doing: str = "curves") -> str:
    """Return how far a queue is and how long it will take by the pace so far; ``doing`` is what follows a map."""
    words = f"{sum(item.final for item in queue.items)} of {len(queue.items)} done"
    now = next((item for item in queue.items if item.status in ("running", "measuring")), None)
    if now is None:
        return f"{words}, waiting for its turn"
    words += f", {now.title}: {'map' if now.status == 'running' else doing}"
    left = queue.pace.left()
    return words if left is None else f"{words}, about {seconds_in_words(left)} left"

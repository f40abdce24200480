"""What a view in the browser was sent and what it has, so that every picture goes there once."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Any

PATIENCE = 5.0  # seconds after which something sent and not acknowledged is sent again


@dataclass
class Ledger:
    """What was sent to the browser, and what it said to have.

    A *series* is anything that arrives in order and only grows: the pictures of a run, or one picture alone.

    Attributes:
        mount: the browser's name for its player; a new one has nothing.
        sent: number of things of each series that were sent.
        had: number that the browser has.
        wants: series that what is shown now consists of.
        now: what the message that is being made brings of each series.
    """

    mount: str | None = None
    sent: dict[str, int] = field(default_factory=dict)
    had: dict[str, int] = field(default_factory=dict)
    wants: list[str] = field(default_factory=list)
    now: dict[str, int] = field(default_factory=dict)
    _when: dict[str, float] = field(default_factory=dict)
    _heard: int = -1

    def hear(self, have: dict[str, Any] | None) -> bool:
        """Take in what the browser says to have, and begin a new message; return whether it was mounted anew."""
        self.wants, self.now = [], {}
        if not have or (have.get("mount") == self.mount and have.get("number", 0) <= self._heard):
            return False
        new: bool = have.get("mount") != self.mount
        self.mount, self._heard = have.get("mount"), have.get("number", 0)
        self.had = {str(k): int(v) for k, v in (have.get("counts") or {}).items() if isinstance(v, int | float)}
        if new or have.get("missing"):
            self.sent = dict(self.had)
        return new

    def fresh(self, series: str, total: int = 1) -> range:
        """Return which of a series' ``total`` things are to be sent now."""
        self.wants.append(series)
        sent = min(self.sent.get(series, 0), total)
        had = self.had.get(series, 0)
        if self.mount is not None and had < sent and time.monotonic() - self._when.get(series, 0) > PATIENCE:
            sent = had
        if sent < total:
            self.sent[series] = self.now[series] = total
            self._when[series] = time.monotonic()
        return range(sent, total)

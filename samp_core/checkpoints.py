"""A place between two evaluations of a network, at which long work can be interrupted.

A step of a run can hold many evaluations. Whoever carries out long work for several people says with :func:`reach` what
to do between two of them (let somebody else pass, give up); everything that evaluates a network calls
:func:`checkpoint` right before. Both belong to the thread that works, so runs do not meet.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

_ACTION: ContextVar[Callable[[], None] | None] = ContextVar("action at a checkpoint", default=None)


def checkpoint() -> None:
    """Do what :func:`reach` asked for in this thread, if anything; what it raises goes to whoever evaluates."""
    action = _ACTION.get()
    if action is not None:
        action()


@contextmanager
def reach(action: Callable[[], None]) -> Iterator[None]:
    """Call ``action`` at every checkpoint that this thread comes to inside this context."""
    token = _ACTION.set(action)
    try:
        yield
    finally:
        _ACTION.reset(token)

"""Settings of the whole process that make networks faster on a processor; for applications, not for a library."""

from __future__ import annotations

import ctypes
import os
import sys

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD, _M_ARENA_MAX = -1, -3, -8  # from glibc's malloc.h


def keep_freed_memory() -> bool:
    """Let glibc keep what tensors free for the next ones; return whether it could be told.

    By default it returns large blocks to the kernel at once and asks for them again at the next layer, page by page:
    a quarter of the time of a small network's forward pass. Applies to the whole process, which then stays at its
    highest use of memory; so applications call this, the library never does. Nothing happens outside Linux.

    Source: mallopt(3); the PyTorch performance tuning guide gives the same reason for replacing malloc.
    """
    if not sys.platform.startswith("linux"):
        return False
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)  # musl has none
    if mallopt is None:
        return False
    # One arena, because threads get arenas of their own that are trimmed whatever the thresholds say.
    return all([mallopt(_M_MMAP_THRESHOLD, 2**30), mallopt(_M_TRIM_THRESHOLD, 2**31 - 1), mallopt(_M_ARENA_MAX, 1)])


def sleep_when_idle() -> bool:
    """Let threads that wait for others of the same layer sleep instead of spin; return whether it can still be told.

    A forward pass is a few hundred short pieces of work that all threads share, and the OpenMP library lets those that
    are done spin until the last one is. On a busy machine the last one is waiting for the very core that another spins
    on: beside two other busy processes on two cores, the same searches and curves took 106 seconds instead of 15. With
    the machine to itself no difference was seen. Has to come before torch is imported; a value that the user has set
    stays.

    Source: OpenMP 5.2, section 21.1.5 (``OMP_WAIT_POLICY``).
    """
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    return "torch" not in sys.modules

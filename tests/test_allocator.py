"""Asking the C library to keep memory, in a process of its own because it cannot be taken back."""

from __future__ import annotations

import subprocess
import sys

import pytest

PROGRAM = """
import resource
from samp_core.allocator import keep_freed_memory
assert keep_freed_memory()
import torch
def faults():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(100):
        torch.ones(10_000_000)  # 40 MB; glibc keeps up to 32 by itself
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before
faults()
print(faults())
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="glibc's setting")
def test_freed_memory_is_used_again():
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True)
    assert int(done.stdout) < 50_000  # given back, every tensor costs 9,766 pages of 4 KiB


def test_elsewhere_nothing_happens(monkeypatch):
    from samp_core.allocator import keep_freed_memory

    monkeypatch.setattr(sys, "platform", "darwin")
    assert not keep_freed_memory()

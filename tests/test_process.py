"""Settings of a whole process, tried in processes of their own because they cannot be taken back."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from tests.serving import ROOT

PROGRAM = """
import resource
from samp_core.process import keep_freed_memory
assert keep_freed_memory()
import torch
def faults():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(20):
        torch.ones(10_000_000)  # 40 MB; glibc keeps up to 32 by itself
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before
faults()
print(faults())
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="glibc's setting")
def test_freed_memory_is_used_again():
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True)
    assert int(done.stdout) < 10_000  # given back, every tensor costs 9,766 pages of 4 KiB


def test_elsewhere_nothing_happens(monkeypatch):
    from samp_core.process import keep_freed_memory

    monkeypatch.setattr(sys, "platform", "darwin")
    assert not keep_freed_memory()


@pytest.mark.parametrize("entry", ["import app", "from samp_core.cli import main; main(['explain', '--help'])"])
def test_threads_are_told_to_sleep_before_torch_comes(entry):
    program = f"""
import os, sys
sys.argv[0] = "samp"
class Look:
    def find_spec(self, name, path=None, target=None):
        if name == "torch":
            assert os.environ.get("OMP_WAIT_POLICY") == "PASSIVE", "torch came first"
            print("told", flush=True)
            os._exit(0)  # what comes after that is nothing to this
sys.meta_path.insert(0, Look())
try:
    {entry}
except SystemExit:
    pass
import torch
"""
    environment = {name: value for name, value in os.environ.items() if name != "OMP_WAIT_POLICY"}
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, env=environment, check=True)
    assert "told" in done.stdout.splitlines(), done.stdout + done.stderr


def test_what_the_user_set_stays(monkeypatch):
    from samp_core.process import sleep_when_idle

    monkeypatch.setenv("OMP_WAIT_POLICY", "ACTIVE")
    assert not sleep_when_idle()  # torch is there already
    assert os.environ["OMP_WAIT_POLICY"] == "ACTIVE"


def test_what_plots_look_for_is_there_before_a_page_draws():
    """A module that one thread is still importing is in sys.modules without what it has; plotly takes it as it is."""
    program = """
import sys
from ui.shared import loading
for _, work, _ in loading._STAGES[:-1]:
    work()
missing = {"numpy", "pandas", "pyarrow", "narwhals", "PIL", "plotly"} - set(sys.modules)
assert not missing, missing
"""
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr

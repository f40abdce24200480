"""Files are there whole or not at all."""

from __future__ import annotations

import ast
import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest

from samp_core.files import write_files
from tests.test_house import CORE, name

ROOT = Path(__file__).parents[1]


def no_space(descriptor: int) -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


@pytest.fixture
def full_disk(monkeypatch):
    """A disk that is full from the second file on."""
    room = [True]
    monkeypatch.setattr("samp_core.files.os.fsync", lambda descriptor: room.pop() if room else no_space(descriptor))


def contents(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def test_all_files_are_written_with_their_folders(tmp_path):
    write_files({tmp_path / "a" / "b.txt": b"one", tmp_path / "c.txt": b""})
    assert contents(tmp_path) == {"a/b.txt": b"one", "c.txt": b""}
    write_files({tmp_path / "c.txt": b"two"})
    assert contents(tmp_path)["c.txt"] == b"two"


def test_a_full_disk_leaves_everything_as_it_was(tmp_path, full_disk):
    (tmp_path / "new.txt").write_bytes(b"old")
    with pytest.raises(OSError, match=r"second\.txt could not be written: No space left on device.*Free space"):
        write_files({tmp_path / "new.txt": b"new", tmp_path / "second.txt": b"second"})
    assert contents(tmp_path) == {"new.txt": b"old"}


def test_a_limit_on_the_size_of_files_leaves_everything_as_it_was(tmp_path):
    (tmp_path / "large").write_bytes(b"old")
    script = (
        "import resource, runpy, pathlib; resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000)); "
        f"write = runpy.run_path({str(ROOT / 'samp_core' / 'files.py')!r})['write_files']; "
        f"folder = pathlib.Path({str(tmp_path)!r}); write({{folder / 'small': b'x', folder / 'large': b'x' * 2000}})"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert "large could not be written: File too large" in done.stderr
    assert contents(tmp_path) == {"large": b"old"}


def test_what_a_link_points_to_is_replaced_and_keeps_its_mode(tmp_path):
    (tmp_path / "real").mkdir()
    (tmp_path / "real" / "file").write_bytes(b"old")
    (tmp_path / "real" / "file").chmod(0o640)
    (tmp_path / "link").symlink_to(tmp_path / "real" / "file")
    write_files({tmp_path / "link": b"new"})
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "real" / "file").read_bytes() == b"new"
    assert (tmp_path / "real" / "file").stat().st_mode & 0o777 == 0o640


def test_a_folder_in_the_way_is_said(tmp_path):
    (tmp_path / "taken").mkdir()
    with pytest.raises(OSError, match="taken could not be written: a folder has that name"):
        write_files({tmp_path / "first": b"1", tmp_path / "taken": b"2"})
    assert contents(tmp_path) == {}


@pytest.mark.parametrize("path", [p for p in CORE if p.stem != "files"], ids=name)
def test_nothing_in_the_core_writes_a_file_by_itself(path):
    calls = [n for n in ast.walk(ast.parse(path.read_text())) if isinstance(n, ast.Call)]
    used = {n.func.attr for n in calls if isinstance(n.func, ast.Attribute)}
    assert not used & {"write_text", "write_bytes", "tofile", "savetxt"}
    for call in calls:
        kind = call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")
        if kind in ("savefig", "savez_compressed", "to_parquet"):
            target = ast.unparse(call.args[0])
            assert target == "buffer", f"{name(path)}: {kind}({target}) goes past write_files"

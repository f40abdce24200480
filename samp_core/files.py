"""Files that are there whole or not at all."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from uuid import uuid4


def write_files(contents: Mapping[Path, bytes]) -> None:
    """Write files, with their folders, so that a full disk or a kill leaves none of them by half.

    Each is written in full under a temporary name beside its place, and only when all of them are safely on the disk
    do they take their names. What was there before stays until then.

    Args:
        contents: the bytes of each file.

    Raises:
        OSError: a file cannot be written; the message says which, why and what to do.
    """
    places: dict[Path, Path] = {}  # temporary file to the place it is for
    path = Path()
    try:
        for path, content in contents.items():
            path.parent.mkdir(parents=True, exist_ok=True)
            place = path.resolve()  # what a link points to is replaced, not the link
            if place.is_dir():
                raise IsADirectoryError(None, "a folder has that name")
            temporary = place.with_name(f".{uuid4().hex}.part")
            places[temporary] = place
            with temporary.open("xb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            if place.exists():
                shutil.copymode(place, temporary)
        for temporary, path in places.items():
            temporary.replace(path)
    except OSError as error:
        raise OSError(
            f"{path} could not be written: {error.strerror or error}. Nothing of it was left by half, and what was "
            "there before is as it was. Free space on the disk, or choose a folder that may be written to."
        ) from error
    finally:
        for temporary in places:
            with suppress(OSError):
                temporary.unlink(missing_ok=True)

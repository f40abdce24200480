"""Photos that were uploaded for a benchmark: kept by the session, for an uploader forgets its files with its page."""

from __future__ import annotations

import hashlib
from collections.abc import Container, Sequence
from dataclasses import dataclass, field
from pathlib import PurePath
from typing import Protocol

import streamlit as st

from samp_core.benchmark import Photo
from samp_core.images import ImageError, load_image
from ui.shared.sidebar import MOST, PHOTOS
from ui.shared.words import plain


class _File(Protocol):
    file_id: str
    name: str

    def getvalue(self) -> bytes: ...


@dataclass
class Uploads:
    """The photos that a session keeps.

    Attributes:
        photos: every photo under a name of its own, in the order of arrival.
        hashes: the fingerprint of each.
        refused: name and reason of the files of the newest upload that are no photos, by the uploader's id.
        number: how many times all were removed.
    """

    photos: dict[str, bytes] = field(default_factory=dict)
    hashes: dict[str, str] = field(default_factory=dict)
    refused: dict[str, tuple[str, str]] = field(default_factory=dict)
    number: int = 0
    _names: dict[str, str] = field(default_factory=dict)  # of the files that the uploader shows, by its ids

    @property
    def key(self) -> str:
        """Key of the uploader; another one is an empty uploader."""
        return f"bench-uploads-{self.number}" if self.number else "bench-uploads"

    def receive(self, files: Sequence[_File]) -> None:
        """Take in what is new in the uploader, and drop what was taken out of it."""
        ids = {file.file_id for file in files}
        for gone in self._names.keys() - ids:
            name = self._names.pop(gone)
            del self.photos[name], self.hashes[name]
        new = [file for file in files if file.file_id not in self._names and file.file_id not in self.refused]
        self.refused = {} if new else {i: words for i, words in self.refused.items() if i in ids}
        for file in new:
            name, data = PurePath(file.name).name, file.getvalue()
            try:
                load_image(data)
            except ImageError as error:
                self.refused[file.file_id] = name, str(error)
                continue
            own = _own_name(name, self.photos)
            self._names[file.file_id] = own
            self.photos[own], self.hashes[own] = data, hashlib.sha256(data).hexdigest()

    def shown(self, files: Sequence[_File]) -> None:
        """Say which files the uploader shows: after another page none, and then none was taken out."""
        ids = {file.file_id for file in files}
        self._names = {i: name for i, name in self._names.items() if i in ids}
        self.refused = {i: words for i, words in self.refused.items() if i in ids}

    def same(self) -> dict[str, str]:
        """Return the name of each photo that is the same file as an earlier one, with that one's name."""
        first: dict[str, str] = {}
        return {name: first[h] for name, h in self.hashes.items() if first.setdefault(h, name) != name}


def _own_name(name: str, taken: Container[str]) -> str:
    path, number = PurePath(name), 1
    while name in taken:
        number += 1
        name = f"{path.stem} ({number}){path.suffix}"
    return name


def uploads() -> tuple[Photo, ...]:
    """Show the uploader and what is kept; return the photos."""
    kept: Uploads = st.session_state.setdefault("bench-kept", Uploads())
    files = st.file_uploader(
        "Photos", PHOTOS, accept_multiple_files=True, key=kept.key, max_upload_size=MOST,
        on_change=lambda: kept.receive(st.session_state[kept.key] or []),
    )  # fmt: skip
    kept.shown(files or [])
    for name, why in kept.refused.values():
        st.warning(f"{plain(name)} is left out: {plain(why)}")
    if kept.photos:
        count = len(kept.photos)
        with st.expander(f"{count} photo{'s' * (count != 1)} kept while this tab is open"):
            same = kept.same()
            st.dataframe([{"photo": name, "same file as": same.get(name, "")} for name in kept.photos], hide_index=True)
            if same:
                st.caption("The same file counts once in the results.")
            st.button("Remove all", on_click=_clear, args=(kept,), key="bench-clear")
    return tuple(Photo(name, data) for name, data in kept.photos.items())


def photo_source(key: str) -> tuple[str, tuple[Photo, ...]]:
    """Let people name a folder or upload photos; return the folder, or the photos.

    Args:
        key: what the page's widgets are called by.
    """
    source = st.segmented_control(
        "Photos", ["Folder", "Uploads"], default="Folder", key=f"{key}-source", required=True, persist_state="session"
    )
    if source == "Uploads":
        return "", uploads()
    folder = st.text_input(
        "Folder on the machine that the app runs on", key=f"{key}-folder", persist_state="session",
        placeholder="/home/me/photos", help="Its subfolders are searched, too.",
    )  # fmt: skip
    return folder.strip(), ()


def _clear(kept: Uploads) -> None:
    st.session_state["bench-kept"] = Uploads(number=kept.number + 1)

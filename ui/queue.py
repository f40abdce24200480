"""Many methods on one photo, one after the other, in a thread of their own."""

from __future__ import annotations

import logging
import os
import threading
import time
from dataclasses import dataclass
from typing import Literal

import torch
from PIL import Image

from samp_core.classifiers import Classifier
from samp_core.compare import Entry, measure
from samp_core.methods import METHODS, Settings, UnsupportedError
from samp_core.runs import begin, describe
from samp_core.scores import PathError
from ui.jobs import FORGOTTEN, Turn

Status = Literal["waiting", "running", "measuring", "done", "cached", "failed", "cancelled"]
FINAL: tuple[Status, ...] = ("done", "cached", "failed", "cancelled")


@dataclass
class Item:
    """One method in the queue.

    Attributes:
        key: what its result belongs to: photo, network and settings.
        settings: what is asked, target filled in.
        status: where it is.
        progress: fraction done, 0 to 1.
        entry: the result, once there is one.
        error: why there is none, for a user.
    """

    key: str
    settings: Settings
    status: Status = "waiting"
    progress: float = 0.0
    entry: Entry | None = None
    error: str | None = None

    @property
    def title(self) -> str:
        """The method's title."""
        return METHODS[self.settings.method].title

    @property
    def final(self) -> bool:
        """Whether nothing more will happen to it."""
        return self.status in FINAL

    def cancel(self) -> None:
        """Take it off the queue, or stop it after the piece of work in hand."""
        if not self.final:
            self.status = "cancelled"


class Queue:
    """Works through its items; a failed or cancelled one does not hold up the others."""

    def __init__(
        self,
        classifier: Classifier,
        image: Image.Image,
        name: str,
        items: list[Item],
        turn: Turn,
        photo_key: str = "",
    ) -> None:
        self.classifier, self.image, self.name, self.items = classifier, image, name, items
        self.photo_key = photo_key
        self.score = describe(classifier, items[0].settings)[1]
        self._turn = turn
        self._seen = time.monotonic()
        self._thread = threading.Thread(target=self._work, name="samp-queue", daemon=True)

    def start(self) -> Queue:
        """Start the thread."""
        self._thread.start()
        return self

    def look(self) -> None:
        """Tell the queue that somebody is watching."""
        self._seen = time.monotonic()

    def cancel(self) -> None:
        """Cancel everything that is not done."""
        for item in self.items:
            item.cancel()

    def wait(self, seconds: float | None = None) -> None:
        """Wait until the thread has ended."""
        self._thread.join(seconds)

    @property
    def active(self) -> bool:
        """Whether anything is still to be done."""
        return any(not item.final for item in self.items)

    @property
    def version(self) -> tuple[Status, ...]:
        """Changes whenever a card has to be drawn anew."""
        return tuple(item.status for item in self.items)

    def _work(self) -> None:
        # Between its few messages the queue has the machine to itself: no moving picture wants a core.
        torch.set_num_threads(os.cpu_count() or 2)
        for item in self.items:
            if item.final:
                continue
            try:
                self._run(item)
            except (UnsupportedError, PathError, ValueError) as error:
                item.error, item.status = str(error), "failed"
            except Exception as error:
                logging.getLogger(__name__).exception("%s failed", item.settings.method)
                item.error = f"{type(error).__name__}: {error}. The terminal has the details."
                item.status = "failed"

    def _run(self, item: Item) -> None:
        with self._turn():
            if item.final:
                return
            item.status = "running"
            _, run = begin(self.classifier, self.image, item.settings)
        while item.status == "running":
            with self._turn():
                if next(iter(run), None) is None:
                    break
            item.progress = run.progress
            if time.monotonic() - self._seen > FORGOTTEN:
                self.cancel()
        if item.status != "running":
            run.stop()
            next(iter(run), None)  # lets a direct method put its network copy away
            return
        with self._turn():
            entry = Entry(item.settings, run.result())
            item.status = "measuring"
            item.entry = measure(self.classifier, self.image, entry)
        item.progress, item.status = 1.0, "done"

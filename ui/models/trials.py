"""Which methods serve a network: each is begun on a photo, in a thread of its own."""

from __future__ import annotations

from PIL import Image

from samp_core.attribution import UnsupportedError
from samp_core.classifiers import Classifier
from samp_core.methods import METHODS, default_settings, make_method
from samp_core.scores import PathError
from ui.work.turns import Turns
from ui.work.worker import Worker


class Trials(Worker):
    """Begins every method on a photo and walks none of them.

    Attributes:
        refused: why a method does not serve the network, by its name.
        tried: methods that were tried so far.
        error: why the rest was not tried, for a user.
    """

    def __init__(self, turns: Turns, classifier: Classifier, image: Image.Image, target: int) -> None:
        super().__init__(turns, "trying every method", "Models")
        self.classifier, self.image, self.target = classifier, image, target
        self.refused: dict[str, str] = {}
        self.tried = 0
        self.error = ""

    @property
    def active(self) -> bool:
        """Whether there are methods to try."""
        return self.tried < len(METHODS) and not self.error

    @property
    def progress(self) -> float:
        """Fraction done, 0 to 1."""
        return self.tried / len(METHODS)

    def _work(self) -> None:
        inputs = self.classifier.inputs(self.image)
        for method in METHODS.values():
            if self._cancelled.is_set():
                self.error = "Stopped before every method was tried."
                return
            try:
                with self.turn():
                    run = make_method(self.classifier, default_settings(method.name)).start(inputs, self.target)
                    if not method.has_path:  # which look into the network with their first piece of work
                        next(iter(run), None)
                    run.stop()
                    next(iter(run), None)
            except (UnsupportedError, PathError, ValueError) as error:
                self.refused[method.name] = str(error)
            self.tried += 1
            self.pace.note(self.progress)

    def _fail(self, why: str) -> None:
        self.error = why

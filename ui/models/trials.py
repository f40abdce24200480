"""Which methods serve a network, and what it sees in the sample photos: tried in a thread of its own."""

from __future__ import annotations

from PIL import Image

from samp_core.attribution import UnsupportedError
from samp_core.classifiers import Classifier
from samp_core.images import SAMPLES, load_sample
from samp_core.methods import METHODS, default_settings, make_method
from samp_core.scores import PathError
from ui.work.turns import Turns
from ui.work.worker import Worker


class Trials(Worker):
    """Begins every method on a photo and walks none of them.

    Attributes:
        refused: why a method does not serve the network, by its name.
        tried: methods that were tried so far.
        sight: on how many of the sample photos its first choice is right, in a sentence; empty until it is known.
        error: why the rest was not tried, for a user.
    """

    def __init__(self, turns: Turns, classifier: Classifier, image: Image.Image, target: int) -> None:
        super().__init__(turns, "trying every method", "Models")
        self.classifier, self.image, self.target = classifier, image, target
        self.refused: dict[str, str] = {}
        self.tried = 0
        self.sight = ""
        self.error = ""

    @property
    def active(self) -> bool:
        """Whether it is under way."""
        return not self.sight and not self.error

    @property
    def progress(self) -> float:
        """Fraction done, 0 to 1."""
        return self.tried / (len(METHODS) + 1)

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

        self.sight = self._looked()

    def _looked(self) -> str:
        known = {sample.name: set(sample.shows) & set(self.classifier.labels) for sample in SAMPLES.values()}
        asked = {name: labels for name, labels in known.items() if labels}
        if not asked:
            return "None of the sample photos shows one of its classes."
        right = 0
        for name, labels in asked.items():
            with self.turn():
                right += self.classifier.predict(self.classifier.inputs(load_sample(name)), 1)[0].label in labels
        return (
            f"**Its first choice is right on {right} of the {len(asked)} sample photos** that show one of its classes."
        )

    def _fail(self, why: str) -> None:
        self.error = why

"""Many methods on one photo, one after the other, in a thread of their own."""

from __future__ import annotations

import itertools
import logging
import time
from collections.abc import Container, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from typing import Literal

import torch
from PIL import Image
from torch import Tensor, nn

from samp_core.attribution import Run, UnsupportedError
from samp_core.classifiers import Classifier
from samp_core.compare import Entry, measure
from samp_core.films import compand, data_uri
from samp_core.methods import METHODS, Settings, make_method
from samp_core.metrics import METRICS, Measurement, Subject, calibrate, curve_step
from samp_core.runs import as_settled, begin, describe
from samp_core.scores import PathError
from ui.work.cost import Work
from ui.work.limits import require_affordable
from ui.work.turns import Turns
from ui.work.worker import Abandoned, Pace, Worker

Status = Literal["waiting", "running", "measuring", "done", "cached", "failed", "cancelled"]
FINAL: tuple[Status, ...] = ("done", "cached", "failed", "cancelled")


_PICTURES = 0.3  # seconds between two pictures of a map that grows


class Cancelled(Exception):
    """An item was taken off the queue while it was worked on."""


@dataclass(frozen=True)
class Growing:
    """A map so far.

    Attributes:
        number: counts a run's pictures.
        levels: grey levels of :func:`~samp_core.films.compand`, a data URI.
        peak: magnitude of the strongest, in units of the score.
    """

    number: int
    levels: str
    peak: float


_numbers = itertools.count()


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
        growing: the map so far, while a path is walked.
        number: tells it from every other item of this server.
        measured: of :class:`Measuring`, what each metric gave.
        missing: of :class:`Measuring`, why a metric gave nothing.
    """

    key: str
    settings: Settings
    status: Status = "waiting"
    progress: float = 0.0
    entry: Entry | None = None
    error: str | None = None
    growing: Growing | None = None
    number: int = field(default_factory=_numbers.__next__)
    measured: dict[str, tuple[Measurement, ...]] = field(default_factory=dict)
    missing: dict[str, str] = field(default_factory=dict)

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


def missing(metrics: Sequence[str], measured: Container[str]) -> list[str]:
    """Return the metrics that are still to be measured."""
    return [name for name in metrics if name not in measured]


class Queue(Worker):
    """Works through its items; a failed or cancelled one does not hold up the others."""

    kind = "Compare"

    def __init__(
        self,
        classifier: Classifier,
        image: Image.Image,
        name: str,
        items: list[Item],
        turns: Turns,
        photo_key: str = "",
        metrics: list[str] | None = None,
        in_units: bool = False,
    ) -> None:
        super().__init__(turns, f"{len(items)} methods", self.kind)
        self.classifier, self.image, self.name, self.items = classifier, image, name, items
        self.photo_key = photo_key
        self.score = describe(classifier, items[0].settings)[1]
        self.work = [
            Work.of(
                classifier,
                item.settings,
                None if metrics is None else missing(metrics, item.measured),
                has_map=item.entry is not None,
                calibrates=in_units,
            )
            for item in items
        ]
        self._fresh = [not i.final for i in items]
        self.threads: int | None = None  # torch's, in the turns that make the maps

    def cancel(self) -> None:
        """Cancel everything that is not done."""
        super().cancel()
        for item in self.items:
            item.cancel()

    def cancel_item(self, key: str) -> None:
        """Cancel the item with this key, if there is one that is not done."""
        for item in self.items:
            if item.key == key:
                item.cancel()
        self.pace = Pace()  # less to do is no faster pace

    def remove(self, key: str) -> None:
        """Drop the item with this key, once nothing is under way."""
        if not self.active:
            left = [k for k, item in enumerate(self.items) if item.key != key]
            self.items, self.work, self._fresh = ([of[k] for k in left] for of in (self.items, self.work, self._fresh))  # type: ignore[assignment]

    @property
    def active(self) -> bool:
        """Whether anything is still to be done."""
        return any(not item.final for item in self.items)

    @property
    def progress(self) -> float:
        """Fraction of the expected work that is done, 0 to 1; what was remembered is no work."""
        done = left = 0.0  # in gradient evaluations
        for item, work, fresh in zip(self.items, self.work, self._fresh, strict=True):
            if fresh:
                done += item.progress * (work.map + work.rest)
                left += 0.0 if item.final else (1 - item.progress) * (work.map + work.rest)
        return done / (done + left) if done + left else 1.0

    @property
    def version(self) -> tuple[Status, ...]:
        """Changes whenever a card has to be drawn anew."""
        return tuple(item.status for item in self.items)

    def _work(self) -> None:
        for item in self.items:
            if item.final:
                continue
            try:
                self._run(item)
            except Cancelled:
                pass
            except Abandoned:
                self.cancel()
            except (UnsupportedError, PathError, ValueError) as error:
                item.error, item.status = str(error), "failed"
            except Exception as error:
                logging.getLogger(__name__).exception("%s failed", item.settings.method)
                item.error = f"{type(error).__name__}: {error}. The terminal has the details."
                item.status = "failed"

    def _run(self, item: Item) -> None:
        with self.turn():
            if item.final:
                return
            item.status = "running"
        if item.entry is None:
            method = make_method(self.classifier, item.settings)
            require_affordable(method.estimate(*self.classifier.preprocessing.crop).gradients)
            settings, run = begin(self.classifier, self.image, item.settings)
            self.threads = torch.get_num_threads()
            self._walk(item, run, self._share(item), grows=True)
            with self.turn():
                explanation = run.result()
            self._turns.learn(self.classifier, explanation.cost.gradients, explanation.seconds)
            item.entry, item.growing = Entry(as_settled(settings, explanation), explanation.cpu()), None
        if not item.final:
            item.status = "measuring"
            self._measure(item, item.entry)
        if not item.final:
            item.progress, item.status = 1.0, "done"
            self.pace.note(self.progress)

    def _share(self, item: Item) -> float:
        return self.work[self.items.index(item)].map_share

    def _walk(self, item: Item, run: Run, part: float, grows: bool = False) -> None:
        """Carry a run out, turn by turn; it is this part of the item's work, 0 to 1.

        Where the map ``grows``, the item has pictures of it on the way; they cost no evaluation.

        Raises:
            Cancelled: somebody took the item off the queue.
        """
        begun, seen = item.progress, 0.0
        while not item.final:
            with self.turn():
                if next(iter(run), None) is None:
                    return
            if grows and time.monotonic() - seen > _PICTURES and (attributions := run.partial()) is not None:
                levels, peak = compand(attributions[0].sum(0).double().cpu().numpy())
                number = item.growing.number + 1 if item.growing is not None else 1
                item.growing = Growing(number, data_uri(Image.fromarray(levels), quality=72), peak)
                seen = time.monotonic()
            item.progress = begun + part * run.progress
            self.pace.note(self.progress)
        item.growing = None
        run.stop()
        next(iter(run), None)  # lets a direct method put its network copy away
        raise Cancelled

    def _measure(self, item: Item, entry: Entry) -> None:
        with self.turn():
            item.entry = measure(self.classifier, self.image, entry)

    def _fail(self, why: str) -> None:
        for item in self.items:
            if not item.final:
                item.error, item.status = why, "failed"


class Sweeping(Queue):
    """A queue over the settings of one method."""

    kind = "Tune"


class Measuring(Queue):
    """A queue that measures each map by metrics of one's choice instead of only drawing its curves."""

    kind = "Metrics"

    def __init__(
        self,
        classifier: Classifier,
        image: Image.Image,
        name: str,
        items: list[Item],
        turns: Turns,
        photo_key: str = "",
        *,
        metrics: list[str],
        box: tuple[float, float, float, float] | None = None,
        in_units: bool = False,
    ) -> None:
        super().__init__(classifier, image, name, items, turns, photo_key, metrics, in_units)
        self.metrics, self.box, self.in_units = metrics, box, in_units
        self.now = ""

    def shown(self, item: Item) -> Entry | None:
        """Return an item's result as it is shown and measured: as its method gave it, or calibrated."""
        return item.entry.in_units if item.entry is not None and self.in_units else item.entry

    def _measure(self, item: Item, entry: Entry) -> None:
        inputs = self.classifier.inputs(self.image)
        if self.in_units and entry.in_units is None:
            super()._measure(item, entry)  # calibration is by the curves
        shown = self.shown(item)
        assert shown is not None
        explanation = shown.explanation
        relative = explanation.completeness.relative
        wanted = missing(self.metrics, item.measured)
        begun = item.progress

        def explain(network: nn.Module, images: Tensor) -> Tensor:
            method = make_method(replace(self.classifier, network=network), item.settings)
            again = method.start(images, item.settings.target)
            part = (1 - begun) / len(wanted) / max(1, METRICS[self.now].explanations)
            self._walk(item, again, part)
            attributions = again.result().attributions
            return self._calibrated(item, network, images, attributions) if self.in_units else attributions

        subject = Subject(
            self.classifier.network,
            inputs,
            torch.tensor([item.settings.target], device=inputs.device),
            explanation.attributions.to(inputs.device),
            item.settings.make_score(),
            relative.amax(0).to(inputs.device) if len(relative) else None,
            explain,
            self.box,
            min(item.settings.batch_size, 8),
            item.settings.seed,
            self.classifier.multi_label,
        )
        for k, name in enumerate(wanted):
            if item.final:
                raise Cancelled
            self.pace.note(self.progress)
            self.now, item.progress = name, begun + (1 - begun) * k / len(wanted)
            try:
                # What explains again takes its turns step by step, so that other tabs move meanwhile.
                with nullcontext() if METRICS[name].needs == "explain" else self.turn():
                    item.measured[name] = METRICS[name].compute(subject)
            except (UnsupportedError, PathError, ValueError) as error:
                item.missing[name] = str(error)

    def _calibrated(self, item: Item, network: nn.Module, images: Tensor, attributions: Tensor) -> Tensor:
        """Return a further map as the first is: in units of the score, in equal parts for all channels."""
        with self.turn():
            maps = calibrate(
                network,
                images,
                attributions,
                item.settings.target,
                pixels_per_step=curve_step(images),
                score=item.settings.make_score(),
                batch_size=min(item.settings.batch_size, 8),
            )
        channels = attributions.shape[1]
        return maps.unsqueeze(1).expand(-1, channels, -1, -1) / channels

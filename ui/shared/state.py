"""What a browser session remembers, and what all sessions share (bounded caches only)."""

from __future__ import annotations

import hashlib
import json
import time
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, TypeVar

import streamlit as st
import torch
from PIL import Image
from streamlit.runtime.scriptrunner import get_script_run_ctx

from samp_core.classifiers import Classifier, ClassifierError, Prediction, load_classifier
from samp_core.compare import Entry
from samp_core.devices import devices as devices_here
from samp_core.images import load_image, load_sample, sha256
from samp_core.methods import METHODS, Settings, default_settings, make_method
from samp_core.metrics import METRICS, Measurement
from samp_core.process import keep_freed_memory
from ui.shared import kept
from ui.shared.server import owner
from ui.work.queue import Item, Measuring, Queue, Status, Sweeping
from ui.work.turns import QUESTION, Turns, pace_key

Q = TypeVar("Q", bound=Queue)

SAMPLE = "chelsea"  # the photo of a new session
BROUGHT = 3  # networks of one's own in a session
KEPT_ENTRIES = 60  # maps of comparisons kept in a session


@dataclass(frozen=True)
class Photo:
    """The photo in hand: what it is called, its pixels (a working copy of bounded size) and their fingerprint."""

    name: str
    image: Image.Image
    fingerprint: str

    @property
    def size(self) -> str:
        """Its size in words, and that of the working copy where it is smaller."""
        original = self.image.info.get("original_size", self.image.size)
        words = "{} x {} pixels".format(*original)
        return words if original == self.image.size else words + ", worked on at {} x {}".format(*self.image.size)

    @cached_property
    def thumbnail(self) -> Image.Image:
        """A small picture for the sidebar, made once and not at every rerun."""
        small = self.image.copy()
        small.thumbnail((264, 1024))
        return small

    @classmethod
    def sample(cls, name: str) -> Photo:
        """Return one of the sample photos."""
        return _sample(name)

    @classmethod
    def read(cls, name: str, content: bytes) -> Photo:
        """Read an uploaded or photographed image.

        Raises:
            ImageError: it cannot be used; the message says why.
        """
        image = load_image(content)
        return cls(name, image, sha256(image))


@st.cache_resource(max_entries=12, show_spinner=False)
def _sample(name: str) -> Photo:
    image = load_sample(name)
    return Photo(f"{name}.png", image, sha256(image))


@st.cache_resource(max_entries=1, show_spinner=False)
def turns() -> Turns:
    """Return the lock by which all sessions' work takes turns."""
    return Turns()


@st.cache_resource(max_entries=1, show_spinner=False)
def devices() -> list[str]:
    """Return where this server can compute, the fastest kind first."""
    return devices_here()


def device() -> str:
    """Return where this browser's networks compute: what it chose, or the fastest."""
    names = devices()
    if len(names) == 1 or get_script_run_ctx(suppress_warning=True) is None:
        return names[0]
    return kept.Choice("device", names[0], names).value()


@st.cache_resource(max_entries=3, show_spinner=False)
def _loaded(name: str, device: str) -> Classifier:
    return load_classifier(name).to(device).prepare()


def network(name: str) -> Classifier:
    """Return a prepared network, shared by all sessions and never changed by any, or one that this browser brought.

    Raises:
        ClassifierError: it cannot be loaded; the message says why.
    """
    if "~" not in name:
        return _loaded(name, device())
    try:
        own = brought()
        own[name] = own[name].to(device())
        return own[name]
    except KeyError:
        raise ClassifierError(
            f"The network {name} was brought to this app in another browser, or is not remembered here any more. "
            "Bring its weights again, on Models."
        ) from None


@st.cache_resource(max_entries=1, show_spinner=False)
def _brought() -> OrderedDict[tuple[str, str], Classifier]:
    return OrderedDict()


def bring(classifier: Classifier) -> str:
    """Take in a network of somebody's own, for this browser alone; return what it is called in links."""
    # Equal weights with other labels or another intake are another network.
    order = type(classifier.network).__name__
    words = f"{classifier.fingerprint} {classifier.labels} {classifier.preprocessing} {order}"
    name = f"{classifier.name.partition(' ')[0]}~{hashlib.sha256(words.encode()).hexdigest()[:8]}"
    _take_in(name, classifier)
    return name


def _take_in(name: str, classifier: Classifier) -> None:
    own: dict[str, Classifier] = st.session_state.setdefault("brought", {})
    own[name] = classifier.to(device()).prepare()
    while len(own) > BROUGHT:
        del own[next(iter(own))]
    if (who := owner()) is not None:
        everybody = _brought()
        everybody[who, name] = own[name]
        while len(everybody) > 2 * BROUGHT:
            everybody.popitem(last=False)


def brought() -> dict[str, Classifier]:
    """Return the networks that this browser brought, by what they are called in links, oldest first."""
    own: dict[str, Classifier] = st.session_state.setdefault("brought", {})
    if (who := owner()) is not None:
        own |= {name: found for (whose, name), found in _brought().items() if whose == who and name not in own}
        if not own and "brought-before" not in st.session_state:
            st.session_state["brought-before"] = True
            from ui.shared.shelf import networks_back  # noqa: PLC0415 - which needs this module

            for name, classifier in networks_back().items():
                _take_in(name, classifier)
    return own


def name_of(classifier: Classifier) -> str:
    """Return what a network is called in links and among results."""
    own = next((name for name, found in brought().items() if found is classifier), None)
    return classifier.name if own is None else own


def fetch(name: str) -> None:
    """Fetch a torchvision network's weights, because the user asked for it.

    Raises:
        ClassifierError: they could not be fetched; the message says why.
    """
    load_classifier(name, download=True)


def _warm_up(classifier: Classifier) -> float:
    """Return the seconds of one gradient evaluation, after one for warming up."""
    keep_freed_memory()
    method = make_method(classifier, default_settings("gradient"))
    blank = torch.ones((1, classifier.preprocessing.channels, *classifier.preprocessing.crop), device=classifier.device)
    method.explain(blank, 0)
    began = time.perf_counter()
    cost = method.explain(blank, 0).cost
    return (time.perf_counter() - began) / (cost.gradients or 1)


def seconds_per_gradient(name: str) -> float:
    """Return the time of one gradient evaluation, for estimates: measured once, then learned from every run."""
    classifier, pace = network(name), turns().pace
    key = pace_key(classifier)
    if key not in pace:
        with turns()(urgency=QUESTION):
            if key not in pace:
                pace[key] = _warm_up(classifier)
    return pace[key]


@st.cache_data(max_entries=64, show_spinner=False)
def predictions(network_name: str, fingerprint: str, _image: Image.Image, k: int = 5) -> list[Prediction]:
    """Return the network's first ``k`` choices for a photo, best first."""
    # Where it computes moves them by a rounding; nobody need wait for them again.
    classifier = network(network_name)
    with turns()(urgency=QUESTION):
        return classifier.predict(classifier.inputs(_image), k)


def photo() -> Photo:
    """Return the session's photo; the cat until somebody chooses another."""
    chosen: Photo | None = st.session_state.get("photo")
    return Photo.sample(SAMPLE) if chosen is None else chosen


def run_key(network_name: str, of: Photo, settings: Settings) -> str:
    """Return what identifies a result: photo, network and every setting that makes a difference to it."""
    values = settings.to_dict()
    for option in METHODS[settings.method].options:
        if not option.counts(settings.options):
            values["options"].pop(option.name, None)
    words = f"{of.fingerprint} {network_name} {json.dumps(values, sort_keys=True)}"
    if (place := device()) != "cpu":  # rounding decides a search's path
        words += f" {place}"
    return hashlib.sha256(words.encode()).hexdigest()[:24]  # short, for it travels to the browser and back


def queue() -> Queue | None:
    """Return the session's newest comparison."""
    return st.session_state.get("queue")


def start_queue(classifier: Classifier, of: Photo, network_name: str, wanted: list[Settings]) -> Queue:
    """Start a comparison; maps and curves that the session remembers are taken as they are."""
    return _start(Queue, "queue", classifier, of, network_name, wanted)


def tuning() -> Sweeping | None:
    """Return the session's newest sweep."""
    return st.session_state.get("tuning")


def start_tuning(classifier: Classifier, of: Photo, network_name: str, wanted: list[Settings]) -> Sweeping:
    """Start a sweep; maps and curves that the session remembers are taken as they are."""
    return _start(Sweeping, "tuning", classifier, of, network_name, wanted)


def _start(
    kind: type[Q], place: str, classifier: Classifier, of: Photo, network_name: str, wanted: list[Settings]
) -> Q:
    if (old := st.session_state.get(place)) is not None:
        old.cancel()
    remembered = entries()
    items = []
    for settings in wanted:
        key = run_key(network_name, of, settings)
        item = Item(key, settings, entry=remembered.get(key))
        if item.entry is not None and item.entry.deletion is not None:
            item.status, item.progress = "cached", 1.0
        items.append(item)
    new = kind(classifier, of.image, of.name, items, turns(), of.fingerprint)
    new.link = kept.link()
    st.session_state[place] = new
    return new.start()


def show_queue(
    kind: type[Q], place: str, classifier: Classifier, of: Photo, found: Sequence[tuple[str, Entry]], **more: Any
) -> Q:
    """Put finished results, each with its key, where those of a page are, as if they were made there.

    ``more`` is what this kind of work wants to know beside them.
    """
    if (old := st.session_state.get(place)) is not None:
        old.cancel()
    items = []
    for key, entry in found:
        # Without its curves they are measured with the next Run.
        status: Status = "done" if entry.deletion is None else "cached"
        items.append(Item(key, entry.settings, status, 1.0, entry))
    new = kind(classifier, of.image, of.name, items, turns(), of.fingerprint, **more)
    st.session_state[place] = new
    entries()
    return new


def entries() -> OrderedDict[str, Entry]:
    """Return the maps that the session remembers, those of the newest comparison and measuring included."""
    remembered: OrderedDict[str, Entry] = st.session_state.setdefault("entries", OrderedDict())
    for worker in (measuring(), tuning(), queue()):
        for item in worker.items if worker is not None else ():
            known = remembered.get(item.key)
            # A measuring draws no curves: it must not put a map without them in the place of one that has them.
            if item.entry is not None and (known is None or item.entry.deletion is not None):
                remembered[item.key] = item.entry
                remembered.move_to_end(item.key)
    while len(remembered) > KEPT_ENTRIES:
        remembered.popitem(last=False)
    return remembered


def measuring() -> Measuring | None:
    """Return the session's newest measuring of one photo."""
    return st.session_state.get("measuring")


def numbers(
    key: str, box: tuple[float, float, float, float] | None, in_units: bool
) -> dict[str, tuple[Measurement, ...]]:
    """Return what the session's newest measuring has found of a result, as far as it is asked in the same way."""
    old = measuring()
    if old is None or old.in_units != in_units:
        return {}
    found = next((item.measured for item in old.items if item.key == key), {})
    # A number that depends on the box is as old as the box.
    return {name: found[name] for name in found if METRICS[name].needs != "box" or old.box == box}


def start_measuring(
    classifier: Classifier,
    of: Photo,
    network_name: str,
    wanted: list[Settings],
    metrics: list[str],
    box: tuple[float, float, float, float] | None,
    in_units: bool,
) -> Measuring:
    """Start measuring; maps and numbers that the session remembers are taken as they are."""
    old = measuring()
    if old is not None:
        old.cancel()
    remembered = entries()
    keys = [run_key(network_name, of, settings) for settings in wanted]
    items = [
        Item(key, settings, entry=remembered.get(key), measured=numbers(key, box, in_units))
        for key, settings in zip(keys, wanted, strict=True)
    ]
    new = Measuring(
        classifier, of.image, of.name, items, turns(), of.fingerprint, metrics=metrics, box=box, in_units=in_units
    )
    new.link = kept.link()
    st.session_state["measuring"] = new
    return new.start()

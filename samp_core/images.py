"""Pictures in and out: any file to an upright RGB picture, and that to a network's input and back.

Files are opened with Pillow's own readers, chosen here by their first bytes, and not by ``PIL.Image.open``:
that one warns of decompression bombs through the process-wide warning filters, which no thread can set aside
for itself, and it also tries readers that start other programs (EPS).
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from io import BufferedReader, BytesIO
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal, Protocol, runtime_checkable

import numpy as np
import skimage.data
import torch
from jaxtyping import Float
from numpy.typing import NDArray
from PIL import ExifTags, Image, ImageCms, ImageOps
from PIL.AvifImagePlugin import AvifImageFile
from PIL.BmpImagePlugin import BmpImageFile
from PIL.GifImagePlugin import GifImageFile
from PIL.ImageFile import ImageFile
from PIL.Jpeg2KImagePlugin import Jpeg2KImageFile
from PIL.JpegImagePlugin import JpegImageFile
from PIL.PngImagePlugin import PngImageFile
from PIL.PpmImagePlugin import PpmImageFile
from PIL.TiffImagePlugin import TiffImageFile
from PIL.WebPImagePlugin import WebPImageFile
from torch import Tensor

MAX_PIXELS = 50_000_000
"""The largest picture that is decoded, in pixels (150 MB as RGB)."""

MIN_SIDE = 8
"""The shortest side, in pixels, that still shows something to classify."""

_READERS: Mapping[type[ImageFile], re.Pattern[bytes]] = {
    JpegImageFile: re.compile(rb"\xff\xd8\xff"),
    PngImageFile: re.compile(rb"\x89PNG\r\n\x1a\n"),
    WebPImageFile: re.compile(rb"RIFF....WEBP", re.DOTALL),
    GifImageFile: re.compile(rb"GIF8[79]a"),
    TiffImageFile: re.compile(rb"II[*+]\0|MM\0[*+]"),
    BmpImageFile: re.compile(rb"BM"),
    AvifImageFile: re.compile(rb"....ftyp(avi[fs]|mi[fa]1|msf1)", re.DOTALL),
    Jpeg2KImageFile: re.compile(rb"\xff\x4f\xff\x51|\0\0\0\x0cjP  \r\n\x87\n"),
    PpmImageFile: re.compile(rb"P[1-6fy]\s"),
}


class ImageError(ValueError):
    """A picture that cannot be used; the message tells a user what happened and what to do."""


@runtime_checkable
class Readable(Protocol):
    """An open binary file, an upload or a response: whatever can be read to its end."""

    def read(self) -> bytes:
        """Return all bytes that are left."""
        ...


def load_image(source: str | Path | bytes | Readable | Image.Image) -> Image.Image:
    """Return a picture as the eye sees it: upright, 8-bit "RGB", without metadata and detached from its file.

    The EXIF orientation is applied, transparency is laid over white, and of an animation or a multi-page file
    the first frame is taken. CMYK goes through its colour profile if it has one that works. 16-bit grey is
    scaled from 0..65535. Integer and float pixels, which do not say what white is, are scaled from the
    smallest of 0..1 (float only), 0..255 and 0..65535 that holds them all, failing that from their own range;
    NaN becomes black.

    Safe to call from several threads at once.

    Args:
        source: a path, the bytes of a file, a binary file (read from where it stands to its end, left open),
            or a picture of Pillow's (left as it is). Files are JPEG, PNG, WebP, GIF, TIFF, BMP, AVIF,
            JPEG 2000 or PPM.

    Raises:
        ImageError: there is no such file, it is no picture, it is damaged or cut short, it has more than
            ``MAX_PIXELS`` pixels (found out before it is decoded) or a side shorter than ``MIN_SIDE``.
    """
    try:
        if isinstance(source, Image.Image):
            return _upright_rgb(source)
        if isinstance(source, str | Path):
            with _open_file(Path(source)) as file:
                return _upright_rgb(_read_header(file))
        return _upright_rgb(_read_header(BytesIO(source if isinstance(source, bytes) else source.read())))
    except ImageError:
        raise
    # Pillow's decoders raise a dozen kinds of exceptions on malformed bytes, and document none.
    except Exception as error:
        raise ImageError(
            f"The image cannot be decoded ({error or type(error).__name__}). The file is probably damaged or "
            "cut short: download it again, or open it in an image editor and save it as PNG or JPEG."
        ) from error


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


def _read_header(file: BufferedReader | BytesIO) -> ImageFile:
    head = file.read(16)
    if not head:
        raise ImageError(
            "The file holds no bytes. It is empty, or an open file that was read to its end before: upload "
            "it again, or rewind it with seek(0)."
        )
    for reader, signature in _READERS.items():
        if signature.match(head):
            file.seek(0)
            return reader(file)
    raise ImageError(
        "This is not an image of a known format. Its name may promise one, its content decides: give a JPEG, "
        "PNG, WebP, GIF, TIFF, BMP, AVIF, JPEG 2000 or PPM, and convert others (HEIC, RAW, SVG, PDF) to PNG "
        "or JPEG first."
    )


def _upright_rgb(image: Image.Image) -> Image.Image:
    width, height = image.size
    if width * height > MAX_PIXELS:
        raise ImageError(
            f"The image is too large: {width} x {height} pixels are {width * height / 1e6:.1f} megapixels, "
            f"the limit is {MAX_PIXELS / 1e6:.0f}. Scale it down; networks look at far smaller pictures."
        )
    if min(width, height) < MIN_SIDE:
        raise ImageError(
            f"The image is too small: {width} x {height} pixels, each side needs at least {MIN_SIDE}. "
            "Give a larger picture; enlarging this one would not add to what can be seen."
        )
    # Converting palettes writes to the image it converts, so a copy is converted.
    rgb = _rgb(image.copy())
    rgb.info.clear()
    orientation = _orientation(image)
    if orientation == 1:
        return rgb
    # With a fresh tag alone, transposing does not have to rewrite the file's own, often malformed, metadata.
    rgb.getexif()[ExifTags.Base.Orientation] = orientation
    return ImageOps.exif_transpose(rgb)


def _orientation(image: Image.Image) -> int:
    """Return the EXIF orientation 1..8. To be asked after decoding: the TIFF reader applies it by itself."""
    try:
        orientation = image.getexif().get(ExifTags.Base.Orientation, 1)
    except Exception:  # Malformed metadata does not make the pixels worse.
        return 1
    return orientation if orientation in range(1, 9) else 1


def _rgb(image: Image.Image) -> Image.Image:
    if image.mode == "F" or image.mode.startswith("I"):
        return Image.fromarray(_to_8_bit(np.asarray(image))).convert("RGB")
    if image.has_transparency_data:
        straight = image.convert("LA") if image.mode == "La" else image
        rgba = straight.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", rgba.size, "white"), rgba).convert("RGB")
    if image.mode == "CMYK" and (profile := image.info.get("icc_profile")):
        with suppress(ImageCms.PyCMSError, OSError):
            return _cmyk_to_srgb(image, profile)
    return image.convert("RGB")


def _cmyk_to_srgb(image: Image.Image, profile: bytes) -> Image.Image:
    source, srgb = ImageCms.ImageCmsProfile(BytesIO(profile)), ImageCms.createProfile("sRGB")
    return ImageCms.buildTransform(source, srgb, "CMYK", "RGB").apply(image)


def _to_8_bit(pixels: NDArray[Any]) -> NDArray[np.uint8]:
    """Scale grey pixels of any type to 0..255, see :func:`load_image`."""
    low, high = (0.0, 65535.0) if pixels.dtype.kind == "u" else _value_range(pixels)
    finite = np.nan_to_num(pixels.astype(np.float64), nan=low, posinf=high, neginf=low)
    return np.rint((finite - low) * (255 / (high - low))).astype(np.uint8)


def _value_range(pixels: NDArray[Any]) -> tuple[float, float]:
    finite = pixels[np.isfinite(pixels)]
    if not finite.size:
        raise ImageError("The image has no finite pixel, only NaN and infinity. Export it again.")
    low, high = float(finite.min()), float(finite.max())
    for white in (1.0, 255.0, 65535.0) if pixels.dtype.kind == "f" else (255.0, 65535.0):
        if low >= 0 and high <= white:
            return 0.0, white
    return (low, high) if low < high else (low, low + 1)


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
        levels = ((pixels * std + mean) * 255).round().clamp(0, 255).to(torch.uint8).permute(0, 2, 3, 1)
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
    """A photo that comes with scikit-image: how to call it, and whom to thank for it."""

    name: str
    title: str
    filename: str
    credit: str


SAMPLES: Mapping[str, Sample] = MappingProxyType(
    {
        sample.name: sample
        for sample in (
            Sample("chelsea", "Cat", "chelsea.png", "Stefan van der Walt, CC0"),
            Sample("coffee", "Coffee", "coffee.png", "Rachel Michetti, courtesy of Pikolo Espresso Bar, CC0"),
            Sample("rocket", "Rocket", "rocket.jpg", "SpaceX, public domain"),
            Sample("astronaut", "Astronaut", "astronaut.png", "NASA (Eileen Collins), public domain"),
            Sample("camera", "Photographer", "camera.png", "Lav Varshney, CC0"),
            Sample(
                "motorcycle",
                "Motorcycle",
                "motorcycle_left.png",
                "Middlebury 2014 stereo benchmark: N. Nesic, P. Westling, X. Wang, Y. Kitajima, "
                "G. Krathwohl, D. Scharstein",
            ),
        )
    }
)
"""The sample photos by name, in the order to offer them in."""


def load_sample(name: str) -> Image.Image:
    """Return a sample photo as :func:`load_image` would.

    Raises:
        ImageError: there is no sample of that name.
    """
    if name not in SAMPLES:
        raise ImageError(f"There is no sample {name!r}. The samples are {', '.join(SAMPLES)}.")
    return load_image(Path(skimage.data.__file__).parent / SAMPLES[name].filename)

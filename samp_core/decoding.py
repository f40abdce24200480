"""From the bytes of a file to an upright RGB picture of bounded size; also a program that does it for others.

Files come from anywhere. A small one can keep a decoder busy for hours or ask for gigabytes, and no thread can be
stopped from outside, so :func:`samp_core.images.load_image` runs this file as a program of its own, with a limit of
memory, and ends it when its time is over. It starts quickly because it imports no more than Pillow and NumPy.

Files are opened with Pillow's own readers, chosen here by their first bytes, and not by ``PIL.Image.open``:
that one warns of decompression bombs through the process-wide warning filters, which no thread can set aside
for itself, and it also tries readers that start other programs (EPS).
"""

from __future__ import annotations

import json
import math
import os
import re
import signal
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from io import BufferedReader, BytesIO
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import AvifImagePlugin, ExifTags, Image, ImageCms, ImageOps
from PIL.BmpImagePlugin import BmpImageFile
from PIL.GifImagePlugin import GifImageFile
from PIL.ImageFile import ImageFile
from PIL.Jpeg2KImagePlugin import Jpeg2KImageFile
from PIL.JpegImagePlugin import JpegImageFile
from PIL.PngImagePlugin import PngImageFile
from PIL.PpmImagePlugin import PpmImageFile
from PIL.TiffImagePlugin import TiffImageFile
from PIL.WebPImagePlugin import WebPImageFile

MAX_PIXELS = 50_000_000
"""The largest picture that is decoded, in pixels (150 MB as RGB)."""

WORKING_PIXELS = 2048 * 2048
"""The largest picture that is handed over, in pixels; larger ones are scaled down to it."""

MIN_SIDE = 8
"""The shortest side, in pixels, that still shows something to classify."""

MAX_SCANS = 100
"""How often a JPEG may draw its picture over; progressive ones do it about ten times."""

MAX_MEMORY = 5 * 2**28
"""What the program may take, in bytes of address space, where the operating system can hold it to that."""

_READERS: Mapping[type[ImageFile], re.Pattern[bytes]] = {
    JpegImageFile: re.compile(rb"\xff\xd8\xff"),
    PngImageFile: re.compile(rb"\x89PNG\r\n\x1a\n"),
    WebPImageFile: re.compile(rb"RIFF....WEBP", re.DOTALL),
    GifImageFile: re.compile(rb"GIF8[79]a"),
    TiffImageFile: re.compile(rb"II[*+]\0|MM\0[*+]"),
    BmpImageFile: re.compile(rb"BM"),
    AvifImagePlugin.AvifImageFile: re.compile(rb"....ftyp(avi[fs]|mi[fa]1|msf1)", re.DOTALL),
    Jpeg2KImageFile: re.compile(rb"\xff\x4f\xff\x51|\0\0\0\x0cjP  \r\n\x87\n"),
    PpmImageFile: re.compile(rb"P[1-6fy]\s"),
}


# In coded data a byte FF is followed by 00, and FFD0 to FFD7 only restart the decoder.
_MARKER = re.compile(rb"\xff+([^\x00\x01\xff\xd0-\xd7])")


class ImageError(ValueError):
    """A picture that cannot be used; the message tells a user what happened and what to do."""


def decode(file: BufferedReader | BytesIO) -> Image.Image:
    """Return the picture in a file that can seek and stands at its beginning, see :func:`samp_core.images.load_image`.

    Raises:
        ImageError: it cannot be used, or the memory does not suffice.
    """
    with _errors_in_words():
        return _upright_rgb(_read_header(file), keep=False)


def convert(image: Image.Image) -> Image.Image:
    """Return a picture of Pillow's, which stays as it is, as :func:`decode` would.

    Raises:
        ImageError: it cannot be used.
    """
    with _errors_in_words():
        return _upright_rgb(image, keep=True)


@contextmanager
def _errors_in_words() -> Iterator[None]:
    try:
        yield
    except ImageError:
        raise
    except MemoryError as error:
        raise ImageError(
            f"The image takes more memory to decode than the {MAX_MEMORY / 2**20:.0f} MiB it may take. Scale it down, "
            "or save it as an ordinary JPEG or PNG."
        ) from error
    # Pillow's decoders raise a dozen kinds of exceptions on malformed bytes, and document none.
    except Exception as error:
        raise ImageError(
            f"The image cannot be decoded ({error or type(error).__name__}). The file is probably damaged or "
            "cut short: download it again, or open it in an image editor and save it as PNG or JPEG."
        ) from error


def _read_header(file: BufferedReader | BytesIO) -> ImageFile:
    head = file.read(16)
    if not head:
        raise ImageError("The file holds no bytes, it is empty. Give another one, or save or copy it again.")
    for reader, signature in _READERS.items():
        if signature.match(head):
            file.seek(0)
            if reader is JpegImageFile:
                _check_scans(file.read())
                file.seek(0)
            return reader(file)
    raise ImageError(
        "This is not an image of a known format. Its name may promise one, its content decides: give a JPEG, "
        "PNG, WebP, GIF, TIFF, BMP, AVIF, JPEG 2000 or PPM, and convert others (HEIC, RAW, SVG, PDF) to PNG "
        "or JPEG first."
    )


def _check_scans(data: bytes) -> None:
    """Refuse a JPEG that draws its picture over and over; each time costs as much as the first."""
    scans, place = 0, 2
    while (marker := _MARKER.search(data, place)) and marker[1] != b"\xd9":  # the end of the picture
        scans += marker[1] == b"\xda"
        # What a marker announces begins with its length.
        place = marker.end() + int.from_bytes(data[marker.end() : marker.end() + 2])
    if scans > MAX_SCANS:
        raise ImageError(
            f"The JPEG draws its picture {scans} times over, the limit is {MAX_SCANS}. No camera or editor writes such "
            "a file; it is damaged or made to take long. Open it in an image editor and save it again."
        )


def _upright_rgb(image: Image.Image, *, keep: bool) -> Image.Image:
    _check_size(image)
    rgb = _rgb(image.copy() if keep else image)  # converting palettes writes to the image that it converts
    rgb.info.clear()
    scale = math.sqrt(WORKING_PIXELS / (rgb.width * rgb.height))
    if scale < 1:
        smaller = (max(1, int(rgb.width * scale)), max(1, int(rgb.height * scale)))
        rgb.info["original_size"] = rgb.size
        rgb = rgb.resize(smaller, Image.Resampling.LANCZOS)
    orientation = _orientation(image)
    if orientation == 1:
        return rgb
    # With a fresh tag alone, transposing does not have to rewrite the file's own, often malformed, metadata.
    rgb.getexif()[ExifTags.Base.Orientation] = orientation
    upright = ImageOps.exif_transpose(rgb)
    if orientation >= 5 and "original_size" in upright.info:  # the sides have changed places
        upright.info["original_size"] = upright.info["original_size"][::-1]
    return upright


def _check_size(image: Image.Image) -> None:
    """Refuse a picture by its size, before it is decoded."""
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


def _orientation(image: Image.Image) -> int:
    """Return the EXIF orientation 1..8. To be asked after decoding: the TIFF reader applies it by itself."""
    try:
        orientation = image.getexif().get(ExifTags.Base.Orientation, 1)
    except Exception:  # Malformed metadata does not make the pixels worse.
        return 1
    return orientation if orientation in range(1, 9) else 1


def _rgb(image: Image.Image) -> Image.Image:
    if image.mode == "F" or image.mode.startswith("I"):
        return _to_8_bit(image).convert("RGB")
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


def _to_8_bit(image: Image.Image) -> Image.Image:
    """Scale grey pixels of any type to 0..255, strip by strip, see :func:`samp_core.images.load_image`."""
    rows = max(1, 2**22 // image.width)
    boxes = [(0, y, image.width, min(y + rows, image.height)) for y in range(0, image.height, rows)]
    unsigned = np.asarray(image.crop((0, 0, 1, 1))).dtype.kind == "u"
    low, high = (0.0, 65535.0) if unsigned else _value_range(np.asarray(image.crop(box)) for box in boxes)
    grey = Image.new("L", image.size)
    for box in boxes:
        pixels = np.asarray(image.crop(box)).astype(np.float64)
        finite = np.nan_to_num(pixels, nan=low, posinf=high, neginf=low)
        grey.paste(Image.fromarray(np.rint((finite - low) * (255 / (high - low))).astype(np.uint8)), box)
    return grey


def _value_range(strips: Iterable[NDArray[Any]]) -> tuple[float, float]:
    low, high, kind = math.inf, -math.inf, ""
    for pixels in strips:
        kind = pixels.dtype.kind
        finite = pixels[np.isfinite(pixels)]
        if finite.size:
            low, high = min(low, float(finite.min())), max(high, float(finite.max()))
    if low > high:
        raise ImageError("The image has no finite pixel, only NaN and infinity. Export it again.")
    for white in (1.0, 255.0, 65535.0) if kind == "f" else (255.0, 65535.0):
        if low >= 0 and high <= white:
            return 0.0, white
    return (low, high) if low < high else (low, low + 1)


def main() -> None:
    """Decode what comes in until the input ends; :mod:`samp_core.images` asks.

    A request is a line of JSON: the ``seconds`` it may take, and the ``path`` of a file or the ``length`` of the bytes
    that follow. The answer is a line of JSON: an ``error``, or the ``size`` and the ``info`` of the picture, whose
    pixels follow.
    """
    with suppress(ImportError, OSError, ValueError):  # other systems have other limits, or none
        import resource  # noqa: PLC0415

        resource.setrlimit(resource.RLIMIT_AS, (MAX_MEMORY, MAX_MEMORY))
    AvifImagePlugin.DEFAULT_MAX_THREADS = 1  # each thread takes address space
    # What a library prints must not get between the answers.
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    while line := sys.stdin.buffer.readline():
        request = json.loads(line)
        if hasattr(signal, "alarm"):  # whoever asked ends it sooner, unless killed meanwhile
            signal.alarm(math.ceil(request["seconds"]) + 1)
        try:
            if "path" in request:
                with open(request["path"], "rb") as file:
                    image = decode(file)
            else:
                image = decode(BytesIO(sys.stdin.buffer.read(request["length"])))
        except (ImageError, OSError) as error:
            answers.write(json.dumps({"error": str(error)}).encode() + b"\n")
        else:
            answers.write(json.dumps({"size": image.size, "info": image.info}).encode() + b"\n")
            answers.write(image.tobytes())
        answers.flush()
        if hasattr(signal, "alarm"):
            signal.alarm(0)


if __name__ == "__main__":
    main()

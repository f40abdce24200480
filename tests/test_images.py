"""Pictures of every kind that people have, and of many that nobody should."""

import json
import os
import random
import re
import signal
import struct
import subprocess
import sys
import warnings
import zlib
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import ExifTags, Image, ImageCms

from samp_core import decoding, images
from samp_core.decoding import MAX_SCANS
from samp_core.images import (
    DECODERS,
    MAX_PIXELS,
    SAMPLES,
    WORKING_PIXELS,
    ImageError,
    Preprocessing,
    load_image,
    load_sample,
    sha256,
)

IMAGENET = {"mean": (0.485, 0.456, 0.406), "std": (0.229, 0.224, 0.225)}
RED, WHITE = (255, 0, 0), (255, 255, 255)


def photo(width=40, height=30, seed=0):
    """Smooth colours, so that lossy formats keep them, without any symmetry."""
    rng = np.random.default_rng(seed)
    coarse = rng.integers(0, 256, (3, 4, 3), dtype=np.uint8)
    return Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC)


def noise(width=40, height=30, seed=0):
    return Image.fromarray(np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8))


def encoded(image, kind, **options):
    file = BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def png(width, height, bits, colour, rows=b"", *chunks):
    """A PNG file put together by hand: Pillow writes neither 16-bit colour nor lies."""

    def chunk(name, data):
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    header = struct.pack(">IIBBBBB", width, height, bits, colour, 0, 0, 0)
    body = chunk(b"IHDR", header) + b"".join(chunk(*c) for c in chunks)
    return b"\x89PNG\r\n\x1a\n" + body + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


def assert_same(image, expected, tolerance=0):
    assert image.mode == expected.mode == "RGB"
    assert image.size == expected.size
    difference = np.abs(np.asarray(image, int) - np.asarray(expected, int))
    assert difference.max() <= tolerance


# ------------------------------------------------------------------------------------------ formats and modes


@pytest.mark.parametrize("kind", ["PNG", "TIFF", "BMP", "PPM"])
def test_lossless_formats_come_back_exactly(kind):
    assert_same(load_image(encoded(noise(), kind)), noise())


def test_lossless_options_come_back_exactly():
    for kind, options in (
        ("WEBP", {"lossless": True}),
        ("JPEG2000", {}),
        ("TIFF", {"compression": "tiff_lzw"}),
    ):
        assert_same(load_image(encoded(noise(), kind, **options)), noise())


@pytest.mark.parametrize("kind", ["JPEG", "WEBP", "AVIF", "MPO"])
def test_lossy_formats_come_back_closely(kind):
    assert_same(load_image(encoded(photo(), kind, quality=95)), photo(), tolerance=16)


@pytest.mark.parametrize("as_source", [str, Path, Path.read_bytes, Path.open, Image.open])
def test_every_kind_of_source(as_source, tmp_path):
    path = tmp_path / "misleading.txt"
    path.write_bytes(encoded(noise(), "PNG"))
    source = path.open("rb") if as_source is Path.open else as_source(path)
    assert_same(load_image(source), noise())
    if hasattr(source, "close"):
        source.close()


def test_the_result_is_detached(tmp_path):
    path = tmp_path / "a.png"
    noise().save(path)
    image = load_image(path)
    path.unlink()
    assert type(image) is Image.Image
    assert not image.info
    image.putpixel((0, 0), RED)
    assert image.getpixel((0, 0)) == RED


def test_a_file_is_read_from_where_it_stands_and_left_open():
    file = BytesIO(b"letterhead" + encoded(noise(), "PNG"))
    file.seek(10)
    assert_same(load_image(file), noise())
    assert not file.closed
    with pytest.raises(ImageError, match=r"no bytes.*seek\(0\)"):
        load_image(file)
    with pytest.raises(ImageError, match="it is empty") as refusal:  # who uploads a file knows no seek
        load_image(b"")
    assert "seek" not in str(refusal.value)


def test_a_file_that_cannot_seek_is_read():
    class Pipe(BytesIO):
        def seek(self, *_):
            raise OSError("a pipe")

    assert_same(load_image(Pipe(encoded(noise(), "PNG"))), noise())


def test_a_picture_passed_in_stays_as_it_is():
    image = noise().convert("P")
    image.info["transparency"] = b"\x00" * 256
    image.getexif()[ExifTags.Base.Orientation] = 6
    before = (
        image.mode,
        image.size,
        image.tobytes(),
        image.getpalette("RGBA"),
        dict(image.info),
        dict(image.getexif()),
    )
    assert load_image(image).size == (30, 40)
    after = (
        image.mode,
        image.size,
        image.tobytes(),
        image.getpalette("RGBA"),
        dict(image.info),
        dict(image.getexif()),
    )
    assert after == before

    rgb = noise()
    load_image(rgb).putpixel((0, 0), RED)
    assert_same(rgb, noise())


def test_grey_and_one_bit():
    grey = noise().convert("L")
    assert_same(load_image(encoded(grey, "PNG")), grey.convert("RGB"))
    bits = noise().convert("1")
    assert_same(load_image(encoded(bits, "PNG")), bits.convert("RGB"))


@pytest.mark.parametrize("mode", ["RGBA", "LA", "RGBa", "La", "PA"])
def test_transparency_is_laid_over_white(mode):
    image = Image.new("RGBA", (20, 10), (0, 0, 0, 255))
    image.paste((0, 0, 0, 0), (0, 0, 10, 10))
    image.paste((0, 0, 0, 51), (0, 0, 5, 10))
    if mode == "PA":
        alpha = image.getchannel("A")
        image = Image.new("PA", image.size)
        image.putpalette([0, 0, 0])
        image.putalpha(alpha)
    else:
        image = image.convert("LA").convert(mode) if mode == "La" else image.convert(mode)
    assert image.mode == mode
    flat = load_image(image)
    assert [flat.getpixel((x, 5))[0] for x in (2, 7, 15)] == [204, 255, 0]
    if mode in ("RGBA", "LA"):
        assert_same(load_image(encoded(image, "PNG")), flat)


@pytest.mark.parametrize("transparency", [1, b"\xff\x00\x80"])
def test_palettes_with_transparency(transparency):
    image = Image.new("P", (9, 8))
    image.putpalette([255, 0, 0, 0, 255, 0, 0, 0, 255])
    image.putdata([0, 1, 2] * 24)
    flat = load_image(encoded(image, "PNG", transparency=transparency))
    third = (0, 0, 255) if transparency == 1 else (127, 127, 255)
    assert [flat.getpixel((x, 4)) for x in range(3)] == [RED, WHITE, third]


@pytest.mark.parametrize("mode", ["L", "RGB"])
def test_a_transparent_colour_becomes_white(mode):
    image = Image.new(mode, (9, 9), "black")
    image.putpixel((3, 3), 7 if mode == "L" else (7, 7, 7))
    flat = load_image(encoded(image, "PNG", transparency=0 if mode == "L" else (0, 0, 0)))
    assert flat.getpixel((0, 0)) == WHITE
    assert flat.getpixel((3, 3)) == (7, 7, 7)


@pytest.mark.parametrize("mode", ["YCbCr", "HSV", "LAB", "RGBX"])
def test_other_colour_spaces(mode):
    muted = Image.blend(photo(), Image.new("RGB", photo().size, "grey"), 0.5)  # within what 8-bit Lab can tell
    assert_same(load_image(muted.convert(mode)), muted, tolerance=8)


@pytest.mark.parametrize("mode", ["YCbCr", "LAB"])
def test_other_colour_spaces_in_files(mode):
    muted = Image.blend(photo(), Image.new("RGB", photo().size, "grey"), 0.5)
    assert_same(load_image(encoded(muted.convert(mode), "TIFF")), muted, tolerance=8)


def grey_profile(lightness):
    """A CMYK profile that knows black ink only, on paper of this lightness (0..255)."""
    lut = b"mft1\0\0\0\0" + bytes([4, 3, 2, 0])
    lut += b"".join(struct.pack(">i", 65536 * (i % 4 == 0)) for i in range(9))
    lut += bytes(range(256)) * 4 + bytes([lightness, 128, 128, 0, 128, 128]) * 2**3 + bytes(range(256)) * 3
    header = bytearray(128)
    header[8:12] = b"\x02\x10\0\0"
    header[12:24] = b"prtrCMYKLab "
    header[36:40] = b"acsp"
    header[68:80] = struct.pack(">iii", 63190, 65536, 54061)
    tags = struct.pack(">I", 1) + b"A2B0" + struct.pack(">II", 144, len(lut))
    header[0:4] = struct.pack(">I", 144 + len(lut))
    return bytes(header) + tags + lut


@pytest.mark.parametrize("kind", ["JPEG", "TIFF"])
def test_cmyk_without_a_profile(kind):
    expected = photo()
    assert_same(load_image(encoded(expected.convert("CMYK"), kind)), expected, tolerance=16)


def test_cmyk_goes_through_its_profile():
    image = noise().convert("CMYK")  # without black ink
    pixels = np.asarray(load_image(encoded(image, "TIFF", icc_profile=grey_profile(128))), int)
    assert np.ptp(pixels) <= 2
    assert pixels.mean() == pytest.approx(119, abs=3)  # lightness 50 is grey 119 in sRGB


@pytest.mark.parametrize(
    "profile", [b"not a profile", ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()]
)
def test_cmyk_survives_a_profile_that_does_not_work(profile):
    assert_same(load_image(encoded(noise().convert("CMYK"), "TIFF", icc_profile=profile)), noise())


# ---------------------------------------------------------------------------------------------- deep pixels


def assert_gradient(image):
    row = np.asarray(image.convert("RGB"))[4, :, 0].astype(int)
    assert row[0] == 0
    assert row[-1] == 255
    assert np.diff(row).min() >= 0
    assert len(set(row)) > 200


RAMP = np.tile(np.linspace(0, 65535, 300), (8, 1))


@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
def test_16_bit_grey_keeps_its_range(kind):
    image = Image.fromarray(RAMP.astype(np.uint16))
    assert image.mode == "I;16"
    assert_gradient(load_image(image))
    assert_gradient(load_image(encoded(image, kind)))


def test_16_bit_grey_is_not_stretched():
    assert load_image(Image.fromarray(np.full((8, 8), 25700, np.uint16))).getpixel((0, 0)) == (100, 100, 100)


def test_16_bit_big_endian_grey():
    raw = RAMP.astype(">u2").tobytes()
    assert_gradient(load_image(Image.frombytes("I;16B", (300, 8), raw)))
    assert_gradient(load_image(b"P5 300 8 65535\n" + raw))


def test_16_bit_colour_png():
    rows = (b"\0" + RAMP[0].repeat(3).astype(">u2").tobytes()) * 8
    assert_gradient(load_image(png(300, 8, 16, 2, rows)))


@pytest.mark.parametrize("top", [255, 65535])
def test_integer_pixels_scale_from_the_range_that_holds_them(top):
    assert_gradient(load_image(Image.fromarray((RAMP / 65535 * top).astype(np.int32))))


@pytest.mark.parametrize(("low", "high"), [(-5.0, 3.0), (0.0, 1e30), (-1000.0, -10.0)])
def test_odd_ranges_are_stretched(low, high):
    assert_gradient(load_image(Image.fromarray((low + RAMP / 65535 * (high - low)).astype(np.float32))))


@pytest.mark.parametrize("top", [1, 255, 65535])
def test_float_pixels_scale_from_the_range_that_holds_them(top):
    half = Image.fromarray(np.full((8, 300), top / 2, np.float32))
    ramp = Image.fromarray((RAMP / 65535 * top).astype(np.float32))
    assert_gradient(load_image(encoded(ramp, "TIFF")))
    if top > 1:
        assert load_image(half).getpixel((0, 0)) == (128, 128, 128)


def test_values_that_are_not_finite():
    pixels = np.full((8, 8), 0.2, np.float32)
    pixels[0, :3] = np.nan, np.inf, -np.inf
    assert [load_image(Image.fromarray(pixels)).getpixel((x, 0))[0] for x in range(4)] == [0, 255, 0, 51]
    with pytest.raises(ImageError, match="finite"):
        load_image(Image.fromarray(np.full((8, 8), np.nan, np.float32)))


def test_a_constant_outside_every_range_is_an_image():
    assert load_image(Image.fromarray(np.full((8, 8), -5, np.int32))).getextrema() == ((0, 0),) * 3


# ------------------------------------------------------------------------------------ orientation and frames

UPRIGHT = {
    1: lambda a: a,
    2: lambda a: a[:, ::-1],
    3: lambda a: a[::-1, ::-1],
    4: lambda a: a[::-1],
    5: lambda a: a.swapaxes(0, 1),
    6: lambda a: np.rot90(a, -1),
    7: lambda a: a[::-1, ::-1].swapaxes(0, 1),
    8: lambda a: np.rot90(a, 1),
}


@pytest.mark.parametrize("orientation", UPRIGHT)
@pytest.mark.parametrize("kind", ["PNG", "TIFF", "WEBP", "JPEG", "as a picture"])
def test_orientation(kind, orientation):
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = orientation
    stored = photo()
    if kind == "as a picture":
        source = stored.copy()
        source.getexif()[ExifTags.Base.Orientation] = orientation
    else:
        options = {"lossless": True} if kind == "WEBP" else {"quality": 95} if kind == "JPEG" else {}
        source = encoded(stored, kind, exif=exif, **options)
    expected = Image.fromarray(np.ascontiguousarray(UPRIGHT[orientation](np.asarray(stored))))
    assert_same(load_image(source), expected, tolerance=16 if kind == "JPEG" else 0)


def test_orientation_of_a_compressed_tiff():
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = 6
    loaded = load_image(encoded(noise(), "TIFF", exif=exif, compression="tiff_lzw"))
    assert_same(loaded, noise().transpose(Image.Transpose.ROTATE_270))


@pytest.mark.parametrize("orientation", [0, 9, 4711, "6"])
def test_orientations_that_do_not_exist(orientation):
    image = noise()
    image.getexif()[ExifTags.Base.Orientation] = orientation
    assert_same(load_image(image), noise())


def test_malformed_exif_does_not_lose_the_picture():
    image = noise()
    image.info["exif"] = b"Exif\0\0II*\0garbage"
    assert_same(load_image(image), noise())
    assert_same(load_image(encoded(noise(), "PNG", exif=b"Exif\0\0nonsense")), noise())


@pytest.mark.parametrize(
    ("kind", "options"), [("GIF", {}), ("WEBP", {"lossless": True}), ("PNG", {}), ("TIFF", {}), ("AVIF", {})]
)
def test_the_first_frame_is_taken(kind, options):
    frames = [Image.new("RGB", (20, 10), colour) for colour in ("red", "lime", "blue")]
    data = encoded(frames[0], kind, save_all=True, append_images=frames[1:], **options)
    with Image.open(BytesIO(data)) as check:
        assert check.n_frames == 3
    assert_same(load_image(data), frames[0], tolerance=2 if kind == "AVIF" else 0)


# ------------------------------------------------------------------------------------------------ bad input


@pytest.mark.parametrize(
    ("source", "message"),
    [
        (b"", "no bytes"),
        (b"\n", "not an image"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "not an image"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 99 99\n", "not an image"),
        (b"\x89PNG\r\n\x1a\n", "cannot be decoded"),
        (b"\xff\xd8\xff", "cannot be decoded"),
        (b"GIF89a", "cannot be decoded"),
        (b"RIFF\0\0\0\0WEBPVP8 ", "cannot be decoded"),
        (b"II*\0\x08\0\0\0", "cannot be decoded"),
        ("", "directory"),
        (".", "directory"),
        ("no/such/file.png", "no file 'no/such/file.png'"),
        ("nul\0byte.png", "no file"),
    ],
)
def test_what_is_not_an_image(source, message):
    with pytest.raises(ImageError, match=message):
        load_image(source)


@pytest.mark.parametrize("size", [(1, 1), (7, 100), (100, 7)])
def test_small_images_are_refused(size):
    image = Image.new("RGB", size)
    for source in (image, encoded(image, "PNG"), encoded(image, "JPEG")):
        with pytest.raises(ImageError, match=rf"{size[0]} x {size[1]} pixels.*at least 8"):
            load_image(source)
    assert load_image(Image.new("RGB", (8, 8))).size == (8, 8)


@pytest.mark.parametrize(("width", "height"), [(10_000, 6_000), (10_000, 10_000), (20_000, 10_000), (8, 2**31 - 1)])
def test_huge_images_are_refused_from_their_header(width, height):
    # The file holds no pixel, so that decoding it would end in another error. Pillow would pass the first,
    # warn of the second and refuse the others.
    with warnings.catch_warnings(record=True) as leaked:
        warnings.simplefilter("always")
        with pytest.raises(ImageError, match=rf"too large: {width} x {height}.*megapixels.*limit is 50"):
            decoding.decode(BytesIO(png(width, height, 8, 2)))
    assert not leaked


@pytest.mark.parametrize("kind", ["GIF", "TIFF", "BMP", "WEBP"])
def test_huge_images_of_other_formats(kind):
    data = bytearray(encoded(Image.new("L", (16, 16)), kind))
    place, size = {
        "GIF": (6, struct.pack("<HH", 10_000, 10_000)),
        "BMP": (18, struct.pack("<ii", 10_000, 10_000)),
        "WEBP": (26, struct.pack("<HH", 10_000, 10_000)),
        "TIFF": (10, struct.pack("<HHIIHHII", 256, 4, 1, 10_000, 257, 4, 1, 10_000)),
    }[kind]
    data[place : place + len(size)] = size
    with warnings.catch_warnings(record=True) as leaked:
        warnings.simplefilter("always")
        with pytest.raises(ImageError, match="too large"):
            decoding.decode(BytesIO(data))
    assert not leaked


def test_an_image_at_the_limit_is_not_refused_for_its_size():
    assert MAX_PIXELS == 10_000 * 5_000
    with pytest.raises(ImageError, match="cannot be decoded"):
        load_image(png(10_000, 5_000, 8, 2))


def test_a_huge_picture_of_pillow_is_refused_undecoded():
    with Image.open(BytesIO(png(10_000, 6_000, 8, 2))) as lazy, pytest.raises(ImageError, match="too large"):
        load_image(lazy)


def outcome(data):
    """Return the picture or None; whatever is not an ImageError fails the test."""
    try:
        return load_image(data)
    except ImageError:
        return None


FORMATS = {
    "PNG": {},
    "JPEG": {"exif": b"Exif\0\0MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0\0\0\0\0"},
    "GIF": {},
    "WEBP": {},
    "TIFF": {"compression": "tiff_lzw"},
    "BMP": {},
    "JPEG2000": {},
    "AVIF": {"speed": 10},
    "PPM": {},
}


@pytest.mark.parametrize("kind", FORMATS)
def test_truncated_files(kind):
    data = encoded(photo(24, 16), kind, **FORMATS[kind])
    assert outcome(data) is not None
    cuts = sorted(random.Random(0).sample(range(len(data)), min(60, len(data))))
    results = [outcome(data[:cut]) for cut in cuts]
    assert results[0] is None
    assert sum(result is None for result in results) > len(cuts) // 2


@pytest.mark.parametrize("kind", FORMATS)
def test_mutated_files(kind):
    rng = random.Random(kind)
    data = encoded(photo(24, 16), kind, **FORMATS[kind])
    results = []
    for _ in range(60):
        mutant = bytearray(data)
        for _ in range(rng.choice((1, 3, 10))):
            place = rng.randrange(min(len(mutant), rng.choice((40, 10**6))))
            match rng.randrange(3):
                case 0:
                    mutant[place] = rng.randrange(256)
                case 1:
                    del mutant[place : place + rng.randrange(1, 9)]
                case 2:
                    mutant[place:place] = rng.randbytes(rng.randrange(1, 9))
        results.append(outcome(bytes(mutant)))
    assert None in results


def test_threads_do_not_disturb_each_other():
    sources = [encoded(photo(seed=i), kind) for i, kind in enumerate(["PNG", "JPEG", "GIF", "WEBP", "TIFF"] * 8)]
    sources.append(png(10_000, 10_000, 8, 2))
    with ThreadPoolExecutor(8) as pool:
        threaded = list(pool.map(outcome, sources))
    assert threaded[-1] is None
    for image, source in zip(threaded[:-1], sources, strict=False):
        assert_same(image, load_image(source))
    decoders = [images._slots.get_nowait() for _ in range(DECODERS)]
    assert images._slots.empty()  # no more than that decode at a time, and all have come back
    for decoder in decoders:
        images._slots.put(decoder)


# --------------------------------------------------------------------------------------------- size and cost


def test_a_photo_within_the_working_size_is_not_resampled():
    image = noise(2048, 2048)
    assert image.width * image.height == WORKING_PIXELS
    for loaded in (load_image(image), load_image(encoded(image, "PNG", compress_level=0))):
        assert_same(loaded, image)
        assert not loaded.info


@pytest.mark.parametrize("orientation", [1, 6])
def test_a_larger_photo_is_scaled_down_and_its_size_remembered(orientation):
    image = photo(2600, 2000)
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = orientation
    loaded = load_image(encoded(image, "PNG", compress_level=1, exif=exif))
    upright = image if orientation == 1 else image.transpose(Image.Transpose.ROTATE_270)
    assert loaded.info == {"original_size": upright.size}
    assert 0.99 * WORKING_PIXELS < loaded.width * loaded.height <= WORKING_PIXELS
    assert loaded.width / loaded.height == pytest.approx(upright.width / upright.height, rel=1e-3)
    assert_same(loaded, upright.resize(loaded.size, Image.Resampling.LANCZOS), tolerance=2)
    if orientation == 1:
        assert_same(load_image(image), loaded)
        assert not image.info
        assert not load_image(loaded).info  # it is of working size now


@pytest.mark.parametrize("size", [(8, 1_000_000), (1_000_000, 8)])
def test_strips_have_a_working_copy_too(size):
    loaded = load_image(Image.new("RGB", size, "red"))
    assert loaded.width * loaded.height <= WORKING_PIXELS
    assert loaded.getpixel((1, 1)) == RED


def segments(jpeg):
    """Cut a JPEG into what comes before its scans, the scans with all that belongs to each, and the end."""
    places = [m.start() for m in re.finditer(rb"\xff\xda", jpeg)]
    # A progressive file sends the tables of a scan before it.
    starts = [places[0], *(jpeg.index(b"\xff\xc4", p) for p in places[:-1])]
    return jpeg[: starts[0]], [jpeg[a:b] for a, b in zip(starts, [*starts[1:], len(jpeg) - 2], strict=True)], jpeg[-2:]


def repeated_scans(times):
    head, scans, end = segments(encoded(noise(640, 640), "JPEG", progressive=True, quality=90))
    return head + b"".join(scans) + scans[-1] * times + end


def test_a_jpeg_that_draws_its_picture_over_and_over_is_refused():
    plain = load_image(repeated_scans(0))
    assert_same(plain, noise(640, 640), tolerance=255)
    data = repeated_scans(MAX_SCANS)
    with pytest.raises(ImageError, match=rf"draws its picture {MAX_SCANS + 10} times"):
        load_image(data)
    # What only looks like a scan is none: in the file's metadata, and in what cameras append.
    head, scans, end = segments(encoded(noise(), "JPEG", progressive=True))
    comment = b"\xff\xfe" + struct.pack(">H", 2 + 2 * 200) + b"\xff\xda" * 200
    harmless = head[:2] + comment + head[2:] + b"".join(scans) + end + b"\xff\xda\0\2" * 200
    assert_same(load_image(harmless), load_image(head + b"".join(scans) + end))


def float_tiff(width, height, rows, value):
    """A TIFF of one grey, whose strips are all the same bytes: a small file of any number of pixels."""
    strips, pixels = height // rows, struct.pack("<f", value) * (width * rows)
    places = 8 + 2 + 10 * 12 + 4
    tags = [
        *((256, 4, 1, width), (257, 4, 1, height), (258, 3, 1, 32), (259, 3, 1, 1), (262, 3, 1, 1)),
        *((273, 4, strips, places), (277, 3, 1, 1), (278, 4, 1, rows), (279, 4, strips, places + 4 * strips)),
        (339, 3, 1, 3),
    ]
    directory = struct.pack("<H", 10) + b"".join(struct.pack("<HHII", *tag) for tag in tags) + bytes(4)
    lists = struct.pack("<I", places + 8 * strips) * strips + struct.pack("<I", len(pixels)) * strips
    return b"II*\0" + struct.pack("<I", 8) + directory + lists + pixels


def test_the_largest_float_tiff_fits_the_memory():
    loaded = load_image(float_tiff(10_000, 5000, 50, 3.0))
    assert loaded.info == {"original_size": (10_000, 5000)}
    assert loaded.getextrema() == ((3, 3),) * 3


@pytest.mark.parametrize(("kind", "options"), [("GIF", {}), ("WEBP", {}), ("PNG", {})])
def test_many_frames_cost_no_more_than_one(kind, options):
    frames = [Image.new("RGB", (16, 16), (n % 256, n // 256, 0)) for n in range(500)]
    data = encoded(frames[0], kind, save_all=True, append_images=frames[1:], **options)
    assert_same(load_image(data), frames[0], tolerance=2)


@pytest.fixture
def decoder_program(tmp_path, monkeypatch):
    """Let load_image start this program instead of the decoder."""

    def use(text):
        program = tmp_path / "program.py"
        program.write_text(text)
        monkeypatch.setattr(decoding, "__file__", str(program))

    monkeypatch.setattr(images, "_slots", images._new_slots())
    yield use
    images._end_decoders()


def test_a_decoder_that_hangs_is_ended(decoder_program, monkeypatch, tmp_path):
    monkeypatch.setattr(images, "MAX_SECONDS", 0.5)
    decoder_program(f"import os, time\nopen({str(tmp_path / 'pid')!r}, 'w').write(str(os.getpid()))\ntime.sleep(600)")
    for data in (encoded(noise(), "PNG"), bytes(1_000_000)):  # more than a pipe holds
        with pytest.raises(ImageError, match=r"given up after 0\.5 s"):
            load_image(data)
        with pytest.raises(ProcessLookupError):
            os.kill(int((tmp_path / "pid").read_text()), 0)


def test_a_decoder_that_breaks_down_is_replaced(decoder_program, monkeypatch):
    own = decoding.__file__
    decoder_program("import os, sys\nsys.stdin.readline()\nos.abort()")
    with pytest.raises(ImageError, match="brought its decoder down"):
        load_image(encoded(noise(), "PNG"))
    monkeypatch.setattr(decoding, "__file__", own)
    assert_same(load_image(encoded(noise(), "PNG")), noise())
    images._slots.queue[-1].close()  # as the system may, at any time
    assert_same(load_image(encoded(noise(), "PNG")), noise())


def test_a_decoder_that_cannot_be_started_is_said(decoder_program, monkeypatch):
    with monkeypatch.context() as without:
        without.setattr(sys, "executable", "/no/such/python")
        with pytest.raises(ImageError, match=r"could not be started .*'/no/such/python' has to be"):
            load_image(encoded(noise(), "PNG"))
    assert_same(load_image(encoded(noise(), "PNG")), noise())


@pytest.mark.skipif(sys.platform != "linux", reason="other systems do not hold a process to this limit")
def test_a_picture_that_takes_too_much_memory_is_refused(decoder_program):
    text = Path(decoding.__file__).read_text()
    decoder_program(text.replace("MAX_MEMORY = 5 * 2**28", "MAX_MEMORY = 240 * 2**20"))
    large = encoded(Image.new("RGBA", (4000, 4000), "red"), "PNG", compress_level=1)
    with pytest.raises(ImageError, match="more memory to decode than the 240 MiB"):
        load_image(large)
    assert_same(load_image(encoded(noise(), "PNG")), noise())


@pytest.mark.skipif(sys.platform == "win32", reason="there are no alarms")
def test_a_decoder_ends_itself_when_nobody_is_left_to_do_it(tmp_path):
    os.mkfifo(tmp_path / "pipe")  # reading it never ends
    request = json.dumps({"path": str(tmp_path / "pipe"), "seconds": 0.1}).encode() + b"\n"
    ended = subprocess.run([sys.executable, "-P", decoding.__file__], input=request, timeout=60, check=False)
    assert ended.returncode == -signal.SIGALRM


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_forked_process_has_decoders_of_its_own():
    load_image(encoded(noise(), "PNG"))
    assert images._slots.queue[-1] is not None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # other threads are idle, and the child does next to nothing
        child = os.fork()
    if child == 0:
        os._exit(0 if list(images._slots.queue) == [None] * DECODERS else 1)
    assert os.waitpid(child, 0)[1] == 0
    assert images._slots.queue[-1].alive


# -------------------------------------------------------------------------------------------- preprocessing


@pytest.mark.parametrize("resize", [None, 32])
@pytest.mark.parametrize("interpolation", ["bilinear", "bicubic"])
def test_round_trip_is_exact(resize, interpolation):
    prep = Preprocessing(resize, (32, 32), **IMAGENET, interpolation=interpolation)
    x = prep(noise(32, 32))
    assert x.dtype == torch.float32
    assert x.shape == (1, 3, 32, 32)
    assert_same(prep.to_image(x)[0], noise(32, 32))


def test_every_level_makes_the_round_trip():
    prep = Preprocessing(None, (16, 16), **IMAGENET)
    levels = Image.fromarray(np.arange(256, dtype=np.uint8).reshape(16, 16)).convert("RGB")
    assert_same(prep.to_image(prep(levels))[0], levels)


def test_what_the_network_sees_can_be_shown():
    prep = Preprocessing(40, (24, 32), **IMAGENET)
    seen = prep.crop_image(noise(100, 70))
    assert seen.size == (32, 24)
    assert_same(prep.to_image(prep(noise(100, 70)))[0], seen)


def test_greyscale():
    prep = Preprocessing(None, (20, 30), mean=(0.1307,), std=(0.3081,))
    x = prep(noise(30, 20))
    assert prep.channels == 1
    assert x.shape == (1, 1, 20, 30)
    grey = noise(30, 20).convert("L").convert("RGB")
    assert_same(prep.crop_image(noise(30, 20)), grey)
    assert_same(prep.to_image(x)[0], grey)


def test_normalised_values():
    prep = Preprocessing(None, (8, 8), **IMAGENET)
    x = prep(Image.new("RGB", (8, 8), (0, 51, 255)))
    expected = [-0.485 / 0.229, (0.2 - 0.456) / 0.224, (1 - 0.406) / 0.225]
    torch.testing.assert_close(x[0, :, 3, 3], torch.tensor(expected))


@pytest.mark.parametrize("fraction", [0.0, 0.2, 1.0])
def test_value_is_that_of_a_grey_picture(fraction):
    prep = Preprocessing(None, (8, 8), **IMAGENET)
    level = round(255 * fraction)
    x = prep(Image.new("RGB", (8, 8), (level, level, level)))
    torch.testing.assert_close(x[0, :, 0, 0], torch.tensor(prep.value(fraction)))


@pytest.mark.parametrize("fraction", [-0.1, 1.5, float("nan")])
def test_values_outside_black_and_white_are_refused(fraction):
    with pytest.raises(ValueError, match="grey level"):
        Preprocessing(None, (8, 8), **IMAGENET).value(fraction)


def test_to_image_clamps_and_rounds():
    prep = Preprocessing(None, (8, 8), mean=(0.0, 0.0, 0.0), std=(1.0, 1.0, 1.0))
    x = torch.tensor([-3.0, 7.0, 100.4 / 255]).view(1, 3, 1, 1).expand(2, 3, 8, 8).requires_grad_()
    images = prep.to_image(x)
    assert [image.getpixel((4, 4)) for image in images] == [(0, 255, 100)] * 2


def test_to_image_refuses_other_channels():
    with pytest.raises(ValueError, match="1 channels, the normalisation has 3"):
        Preprocessing(None, (8, 8), **IMAGENET).to_image(torch.zeros(1, 1, 8, 8))


@pytest.mark.parametrize("size", [(300, 200), (201, 307), (224, 224), (1000, 251)])
@pytest.mark.parametrize("resize", [256, None])
def test_crop_is_that_of_torchvision(size, resize):
    v2 = pytest.importorskip("torchvision.transforms.v2.functional")
    crop = [224, 192]
    reference = v2.resize(noise(*size), [resize] if resize else crop, v2.InterpolationMode.BICUBIC)
    seen = Preprocessing(resize, (224, 192), **IMAGENET).crop_image(noise(*size))
    assert_same(seen, v2.center_crop(reference, crop))


@pytest.mark.parametrize("size", [(8, 1_000_000), (1_000_000, 8)])
def test_long_strips_do_not_take_long_memory(size):
    middle = Image.new("RGB", size, "black")
    middle.paste("red", tuple(side // 2 - 4 for side in size) + tuple(side // 2 + 4 for side in size))
    seen = Preprocessing(64, (64, 64), **IMAGENET).crop_image(middle)
    assert seen.size == (64, 64)
    assert seen.getpixel((32, 32)) == RED


@pytest.mark.parametrize(
    "change",
    [
        {"mean": (0.5,)},
        {"mean": (0.5, 0.5), "std": (0.5, 0.5)},
        {"mean": (), "std": ()},
        {"std": (1.0, 0.0, 1.0)},
        {"resize": 31},
        {"crop": (0, 32)},
    ],
)
def test_preprocessing_that_does_not_fit_together(change):
    with pytest.raises(ValueError, match="Give"):
        Preprocessing(**{"resize": 32, "crop": (32, 32), **IMAGENET} | change)


# --------------------------------------------------------------------------------- fingerprints and samples


def test_sha256_depends_on_every_pixel_and_the_size():
    image = noise()
    digest = sha256(image)
    assert len(digest) == 64
    assert sha256(load_image(encoded(image, "PNG"))) == digest
    red, green, blue = image.getpixel((39, 29))
    image.putpixel((39, 29), (red, green, blue ^ 1))
    assert sha256(image) != digest
    assert sha256(Image.new("RGB", (10, 20))) != sha256(Image.new("RGB", (20, 10)))


def test_sha256_sees_the_palette():
    one, two = Image.new("P", (9, 9)), Image.new("P", (9, 9))
    one.putpalette([255, 0, 0])
    two.putpalette([0, 255, 0])
    assert sha256(one) != sha256(two)


@pytest.mark.parametrize("name", SAMPLES)
def test_samples(name):
    image = load_sample(name)
    assert image.mode == "RGB"
    assert min(image.size) >= 224
    assert np.asarray(image).std() > 20
    sample = SAMPLES[name]
    assert sample.name == name
    assert sample.title
    assert sample.credit


def test_unknown_samples_are_refused():
    with pytest.raises(ImageError, match=r"'dog'.*chelsea.*motorcycle"):
        load_sample("dog")

"""Maps small enough for a browser: as grey levels to be seen, as 16-bit numbers to be pointed at."""

from __future__ import annotations

import base64
import gzip

import numpy as np
from jaxtyping import Float, UInt8
from numpy.typing import NDArray
from PIL import Image

from samp_core.render import encode, order_palette, palette

_FINEST = 32767
_SHADES = 15  # shades of "how far"; more would only cost bytes


def data_uri(image: Image.Image, kind: str = "JPEG", quality: int = 85) -> str:
    """Return the picture as a data URI: unlike files, these cannot go missing when replaced quickly."""
    return f"data:image/{kind.lower()};base64,{base64.b64encode(encode(image, kind, quality)).decode()}"  # type: ignore[arg-type]


def compand(pixel_map: Float[NDArray[np.floating], "h w"]) -> tuple[UInt8[NDArray[np.uint8], "h w"], float]:
    """Return a map as grey levels, and the magnitude of the strongest.

    A level L stands for ``sign(L - 128) * peak * ((L - 128) / 127) ** 2``: small values keep their sign and their
    order beside a few very large ones, so a picture taken early can be coloured on the last one's scale.
    """
    roots, peak = _roots(pixel_map)
    return np.round(128 + 127 * roots).astype(np.uint8), peak


def expand(levels: UInt8[NDArray[np.uint8], "h w"], peak: float) -> Float[NDArray[np.float64], "h w"]:
    """Return the map that levels of :func:`compand` stand for."""
    share = (levels.astype(np.float64) - 128) / 127
    return np.sign(share) * share**2 * peak


def packed_values(pixel_map: Float[NDArray[np.floating], "h w"]) -> tuple[str, float]:
    """Return a map in 16 bits a pixel, and the magnitude of the strongest; the browser unpacks it.

    A number N stands for ``sign(N) * peak * (N / 32767) ** 2``. Values of a thousandth of the strongest come back
    within 0.2 per cent.
    """
    roots, peak = _roots(pixel_map)
    return _packed(np.round(_FINEST * roots).astype("<i2")), peak


def packed_times(times: Float[NDArray[np.floating], "h w"]) -> str:
    """Return move numbers in 16 bits a pixel, to a tenth of a move below 6,553; NaN (never moved) becomes 0."""
    return _packed(np.round(10 * np.nan_to_num(times)).clip(0, 65535).astype("<u2"))


def opacity(far: Float[NDArray[np.floating], "h w"], even: bool) -> str:
    """Return how far each pixel moved as the opacity of a picture: all or nothing, or in shades."""
    if not even:
        image = Image.fromarray((far > 0).astype(np.uint8), "P")
        image.putpalette([0, 0, 0, 255, 255, 255])
        image.info["transparency"] = 0
        return data_uri(image, "PNG")
    shades = np.round(_SHADES * far / max(far.max(), 1e-12)).astype(np.uint8)
    image = Image.fromarray(shades, "P").resize((far.shape[1] // 2, far.shape[0] // 2), Image.Resampling.NEAREST)
    image.putpalette([255] * 3 * (_SHADES + 1))
    image.info["transparency"] = bytes(round(255 * s / _SHADES) for s in range(_SHADES + 1))
    return data_uri(image, "PNG")


def palettes() -> dict[str, list[list[int]]]:
    """Return the 256 colours of each way to see a map: signed, by magnitude, by when pixels moved."""
    return {
        "signed": palette("signed").tolist(),
        "intensity": palette("intensity").tolist(),
        "order": order_palette().tolist(),
    }


def _roots(
    pixel_map: Float[NDArray[np.floating], "h w"],
) -> tuple[Float[NDArray[np.floating], "h w"], float]:
    """Return the signed roots of a map's values as shares of the strongest, and the strongest's magnitude."""
    roots = np.abs(pixel_map)
    peak = float(roots.max()) or 1.0
    roots /= peak
    return np.copysign(np.sqrt(roots, out=roots), pixel_map), peak


def packed_shares(shares: Float[NDArray[np.floating], "h w"]) -> str:
    """Return shares, 0 to 1, as bytes, 255 for all: gzip, base64."""
    return _packed(np.round(255 * shares).astype(np.uint8))


def _packed(numbers: NDArray[np.integer]) -> str:
    return base64.b64encode(gzip.compress(numbers.tobytes(), 4, mtime=0)).decode()

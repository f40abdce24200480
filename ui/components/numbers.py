"""Numbers as a browser can read them."""

from __future__ import annotations

import math
from typing import Any


def readable(value: Any) -> Any:
    """Return a message in which what is no finite number is None: JSON knows neither NaN nor infinity."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {key: readable(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [readable(each) for each in value]
    return value

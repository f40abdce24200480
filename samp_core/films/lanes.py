"""Lanes as text: methods with commas between, each followed by its options."""

from __future__ import annotations

import re
from collections.abc import Sequence

from samp_core.methods import METHODS, Settings, default_settings

MOST = 4
"""Lanes side by side: more could not be told apart."""


def read_lanes(text: str) -> list[Settings]:
    """Read lanes: ``samp++,ig`` or ``samp++,momentum=0.8,ig,steps=20``.

    Raises:
        ValueError: a method or option is unknown, a value out of its range, or there are no lanes or too many.
    """
    lanes: list[Settings] = []
    for part in filter(None, (part.strip() for part in re.split("[,;]", text))):
        name, equals, value = part.partition("=")
        if not equals:
            lanes.append(default_settings(name))
            continue
        if not lanes:
            raise ValueError(f"{part} stands before the method that it is for: write samp++,{part}.")
        method = METHODS[lanes[-1].method]
        options = {key: option for option in method.options for key in (option.key, option.name)}
        option = options.get(name.strip().replace("-", "_"))
        if option is None:
            known = ", ".join(o.name for o in method.options) or "it has none"
            raise ValueError(f"{method.title} has no option {name}. Its options: {known}.")
        lanes[-1] = lanes[-1].changed(**{option.name: option.read(value)})
    require_lanes(lanes)
    return [lane.settled() for lane in lanes]


def require_lanes(lanes: Sequence[object]) -> None:
    """Refuse no lanes and too many.

    Raises:
        ValueError: there are none, or more than :data:`MOST`.
    """
    if not 1 <= len(lanes) <= MOST:
        raise ValueError(f"A film has 1 to {MOST} lanes, not {len(lanes)}: name methods with commas between.")

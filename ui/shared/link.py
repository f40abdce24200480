"""Lanes as text for the address of the page: ``samp++,momentum=0.8,ic=1/20``. Only what differs from the published."""

from __future__ import annotations

from samp_core.methods import METHODS, Settings
from samp_core.methods.options import is_same


def to_text(settings: Settings) -> str:
    """Return a lane's settings as text."""
    parts = [settings.method]
    for option in METHODS[settings.method].options:
        value = settings.options.get(option.name, option.default)
        if not is_same(value, option.default) and not (value is None and option.optional):
            parts.append(f"{option.key}={option.write(value)}")
    return ",".join(parts)


def from_text(text: str) -> Settings | None:
    """Read what :func:`to_text` wrote; what makes no sense is left at its published value. None: no such method."""
    name, *parts = text.split(",")
    if name not in METHODS:
        return None
    settings = METHODS[name].defaults
    options = {option.key: option for option in METHODS[name].options}
    options |= {option.name: option for option in METHODS[name].options}
    for part in parts:
        key, _, value = part.partition("=")
        option = options.get(key)
        try:
            if option is not None:
                settings = settings.changed(**{option.name: option.read(value[:80])})
        except (ValueError, OverflowError):
            continue
    return settings

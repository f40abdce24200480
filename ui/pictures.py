"""Pictures that a browser can show at once."""

from __future__ import annotations

from samp_core.film import data_uri

__all__ = ["data_uri"]

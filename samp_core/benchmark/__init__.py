"""Many photos by many methods, measured, in a file that survives a kill."""

from samp_core.benchmark.engine import DeviceError, Progress, Stopped, run
from samp_core.benchmark.plan import (
    COST,
    DEFAULT_METHODS,
    DEFAULT_METRICS,
    Photo,
    Plan,
    find_photos,
    measurable,
)
from samp_core.benchmark.report import Results, export, heading, html, load, markdown, summary, table
from samp_core.benchmark.store import Store, StoreError

__all__ = [
    "COST",
    "DEFAULT_METHODS",
    "DEFAULT_METRICS",
    "DeviceError",
    "Photo",
    "Plan",
    "Progress",
    "Results",
    "Stopped",
    "Store",
    "StoreError",
    "export",
    "find_photos",
    "heading",
    "html",
    "load",
    "markdown",
    "measurable",
    "run",
    "summary",
    "table",
]

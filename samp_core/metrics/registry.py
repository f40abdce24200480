"""The registry of measures: one entry says all that pages, command line, benchmark and tests need to know of one."""

from __future__ import annotations

from samp_core.metrics.base import Column, Metric
from samp_core.metrics.concentration import CANCELLATION, CONCENTRATION, GAP
from samp_core.metrics.curves import PAPER_CURVES, RISE_CURVES
from samp_core.metrics.faithfulness import DIFFID, DIFFID_UNSIGNED, INFIDELITY, MU_FIDELITY, SENSITIVITY_N
from samp_core.metrics.localisation import LOCALISATION
from samp_core.metrics.road import ROAD
from samp_core.metrics.sanity import SANITY
from samp_core.metrics.stability import (
    BATCH_STABILITY,
    MAX_SENSITIVITY,
    ROUNDING,
    STABILITY,
    STABILITY_COARSE,
    THREAD_STABILITY,
)

METRICS: dict[str, Metric] = {
    m.name: m
    for m in (
        *(PAPER_CURVES, RISE_CURVES, DIFFID, DIFFID_UNSIGNED, ROAD, SENSITIVITY_N, MU_FIDELITY, INFIDELITY, GAP),
        *(CANCELLATION, CONCENTRATION, STABILITY, STABILITY_COARSE, ROUNDING, THREAD_STABILITY, BATCH_STABILITY),
        *(MAX_SENSITIVITY, SANITY, LOCALISATION),
    )
}

COLUMNS: dict[str, Column] = {c.name: c for m in METRICS.values() for c in m.columns}

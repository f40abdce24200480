"""What the greedy searches share: their options, their path and how a first look at them is had."""

from __future__ import annotations

from dataclasses import replace

from samp_core import paths
from samp_core.methods.declaration import Method, both_ways, path_method
from samp_core.methods.options import SEARCH, Value

PAPER = (
    "Zhang, Zheng, Zhou and Lu. Path Choice Matters for Clear Attribution in Path Methods. ICLR 2024. arXiv:2401.10442"
)


def greedy(
    name: str,
    title: str,
    *,
    summary: str,
    citation: str = PAPER,
    limits: str = "",
    rule: str = "paper",
    **published: Value,
) -> Method:
    """Declare a greedy search; ``published`` gives the options in which it differs from SAMP++."""
    return path_method(
        name,
        title,
        summary=summary,
        citation=citation,
        limits=limits,
        path=lambda o: paths.GreedyPath(
            o.pixels_per_step, o.steps, o.momentum, o.ic_tolerance, o.tie_band, o.max_steps
        ),
        ends=both_ways(),
        rule=rule,
        options=tuple(replace(option, default=published.get(option.name, option.default)) for option in SEARCH),
        sketch={"steps": 4, "pixels_per_step": None, "momentum": 0.0, "ic_tolerance": None},
    )

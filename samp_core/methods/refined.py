"""What the methods share whose order of the pixels is refined along the whole path."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from samp_core import paths
from samp_core.methods.declaration import Earlier, Method, as_is, both_ways, path_method
from samp_core.methods.greedy import PAPER
from samp_core.methods.options import SEARCH, Option, Value, steps

_OPTIONS = (
    Option(
        "searches", "Searches", "How many short searches, each on a copy of the photo with a little noise, give "
        "the first order; more are steadier.", 22, 1, 1000, slider=(1, 24), whole=True,
        phrase="{value} search{es}",
    ),
    Option(
        "search_steps", "Moves of a search", "Into how many moves each short search shares out the pixels; fewer are "
        "steadier and cheaper.", 3, 1, 100, slider=(1, 10), whole=True, minor=True,
        phrase="",
    ),
    Option(
        "sweeps", "Sweeps", "How often the order is refined along the whole path; 0 keeps the first order. Every "
        "second one is made with both baselines exchanged.", 4, 0, 1000, slider=(0, 20), whole=True,
        phrase="{value} sweep{s}",
    ),
    Option(
        "states", "States", "How many states along the whole path each sweep looks at.", 7, 1, 1000,
        slider=(2, 20), whole=True, minor=True, phrase="",
    ),
    Option(
        "pull", "Pull", "How far one sweep changes the order, in standard deviations of what stood before. "
        "More ranks better by the network's own curves, and holds still less.", 0.08, 0.0, 10.0, 0.01,
        slider=(0.0, 1.0),
    ),
    steps(6, "Into how many moves the pixels are shared out in the end.", slider=(2, 30)),
    Option(
        "noise", "Noise", "Standard deviation of the noise on copies and on states, in the network's units: "
        "0.02 is one to three grey levels.", 0.02, 0.0, 10.0, 0.01, slider=(0.0, 0.2), minor=True, phrase="",
    ),
    *(option for option in SEARCH if option.name in ("directions", "deletion_baseline", "insertion_baseline")),
)  # fmt: skip


def refined(
    name: str,
    title: str,
    *,
    summary: str,
    limits: str,
    earlier: Earlier = as_is,
    published: Mapping[str, Value] | None = None,
) -> Method:
    """Declare a refined order; ``published`` gives the options in which it differs from SAMP refined."""
    own = published or {}
    return path_method(
        name,
        title,
        summary=summary,
        citation=f"Principle and search: {PAPER}. Sweeps and accumulation: this project.",
        limits=limits,
        path=lambda o: paths.RefinedPath(
            paths.GreedyPath(steps=o.search_steps, momentum=0.3),
            o.steps,
            o.searches,
            o.sweeps,
            o.pull,
            o.noise,
            o.seed,
            states=o.states,
        ),
        ends=both_ways(),
        rule="falling",
        options=tuple(replace(option, default=own.get(option.name, option.default)) for option in _OPTIONS),
        sketch={"searches": 1, "sweeps": 0, "steps": 4},
        earlier=earlier,
    )

"""Films that were recorded beforehand, on the player itself, so that nobody waits."""

from __future__ import annotations

import gzip
import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal

import streamlit as st

from samp_core.films.browser import parts, script

Part = Literal["guess", "slow", "paths"]
"""What of a film is shown: a guess at its moves, a move unfolded, or lanes and plane."""

_FOLDER = Path(__file__).parents[2] / "assets"
_MOUNT = """
const FILM = %s;

export default function (component) {
  const clean = mountPlayer(component);
  const { view } = sampStage, part = component.data && component.data.part;
  if (!view.data || view.part !== part) view.update({ ...FILM, part }, () => {}, () => {});
  return clean;
}
"""


@cache
def _text(name: str) -> str:
    return gzip.decompress((_FOLDER / f"{name}_film.json.gz").read_bytes()).decode()


@cache
def _component(name: str) -> Any:
    return st.components.v2.component(f"samp_{name}_film", **parts(), js=script() + _MOUNT % _text(name))


@dataclass(frozen=True)
class Told:
    """What a recorded film says: the score in words, and its values along the first lane's first direction."""

    score: str
    values: tuple[float, ...]


@cache
def told(name: str) -> Told:
    """Return what a film says."""
    film = json.loads(_text(name))
    traces = (frame["trace"][0] for frame in film["lanes"][0]["frames"])
    return Told(film["score"], tuple(value for trace in traces for value in trace if value is not None))


def recorded_film(name: str, part: Part | None = None) -> None:
    """Show a film that ``assets/make_pictures.py`` recorded.

    Args:
        name: ``home`` or ``lesson``.
        part: what of it; None for lanes and plane, playing by themselves.
    """
    _component(name)(key=f"film-{name}", data={"part": part})

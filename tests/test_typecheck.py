"""What checks the shapes of tensors while tests run, itself."""

from __future__ import annotations

import ast
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from jaxtyping import Float, TypeCheckError
from torch import Tensor

from samp_core.metrics import Measurement, Protocol
from samp_core.scores import Logit
from tests.typecheck import SHAPES, places, shaped

CORE = sorted((Path(__file__).parents[1] / "samp_core").rglob("*.py"))


def test_a_wrong_shape_is_refused_in_functions_and_dataclasses():
    target = torch.tensor([0])
    Logit()(torch.zeros(1, 3), target)
    with pytest.raises(TypeCheckError):
        Logit()(torch.zeros(3), target)
    with pytest.raises(TypeCheckError):
        Logit()(torch.zeros(2, 3), target)
    with pytest.raises(TypeCheckError):
        Measurement("gap", torch.zeros(2, 2), Protocol("a number"))


def test_a_result_of_another_form_is_checked_however_often_the_arguments_were_there():
    @shaped
    def half(x: Float[Tensor, " n"], wrong: Callable[[], bool]) -> Float[Tensor, " m"]:
        return x[None] if wrong() else x[: len(x) // 2]

    answers = iter([False, False, True, False, True])
    x = torch.ones(4)
    for _ in range(2):
        assert half(x, lambda: next(answers)).shape == (2,)
    with pytest.raises(TypeCheckError):
        half(x, lambda: next(answers))
    assert half(x, lambda: next(answers)).shape == (2,)
    with pytest.raises(TypeCheckError):
        half(x, lambda: next(answers))
    with pytest.raises(TypeCheckError):
        half(x.int(), lambda: False)


def test_every_kind_of_shape_is_known():
    used = {
        alias.name
        for file in CORE
        for node in ast.walk(ast.parse(file.read_text()))
        if isinstance(node, ast.ImportFrom) and node.module == "jaxtyping"
        for alias in node.names
    }
    assert used == SHAPES


def test_all_arguments_are_looked_at():
    code = """
def one(*maps: Float[Tensor, "n h w"]): ...
def two(**maps: Float[Tensor, "n h w"]): ...
def three(a, /, b, *, c: Int[Tensor, " n"] | None = None): ...
def four(a: int) -> tuple[Bool[Tensor, " n"], int]: ...
def none(a: Tensor) -> int: ...
class Five:
    a: UInt8[Tensor, "h w"]
    def six(self, a: Float[Tensor, " n"]): ...
    def neither(self): ...
"""
    found = [place.name for place in places(ast.parse(code).body)]
    assert found == ["one", "two", "three", "four", "Five", "six"]

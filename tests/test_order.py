"""Ranks and the largest numbers, beside torch's own sorting."""

from __future__ import annotations

import pytest
import torch

from samp_core.order import largest, nth_largest, ranks

DTYPES = (torch.float32, torch.float64, torch.bfloat16)


def rows(dtype: torch.dtype) -> torch.Tensor:
    """Random rows with ties, both zeros, both infinities, subnormal and huge numbers."""
    values = torch.randn(3, 500, generator=torch.Generator().manual_seed(0)).mul(4).round(decimals=1)
    values[0, :6] = torch.tensor([0.0, -0.0, 0.0, -0.0, 1e-40, -1e-40])
    values[1, :4] = torch.tensor([torch.inf, -torch.inf, 3e38, -3e38])
    values[2, 100:400] = -torch.inf
    return values.to(dtype)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("descending", [False, True])
def test_ranks_are_the_places_of_a_stable_sort(dtype, descending):
    values = rows(dtype)
    order = values.argsort(dim=1, stable=True, descending=descending)
    assert torch.equal(ranks(values, descending), order.argsort(dim=1))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("count", [1, 7, 250, 499, 500])
def test_the_largest_are_those_of_the_first_ranks(dtype, count):
    values = rows(dtype)
    chosen = largest(values, count)
    assert torch.equal(chosen, ranks(values, descending=True) < count)
    assert torch.equal(nth_largest(values, count), torch.where(chosen, values, torch.inf).amin(1, keepdim=True))


def test_what_is_sorted_stays_as_it_was():
    values = rows(torch.float32)
    before = values.clone()
    ranks(values), ranks(values, descending=True), largest(values, 3)
    assert torch.equal(values, before)

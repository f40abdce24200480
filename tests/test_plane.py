"""The plane in which paths are seen."""

from __future__ import annotations

import math

import pytest
import torch

from samp_core.plane import PathPlane, coarse_first, grid


@pytest.fixture
def ends():
    generator = torch.Generator().manual_seed(0)
    return tuple(torch.randn(2, 5, 4, generator=generator, dtype=torch.float64) for _ in range(2))


def line(start, end, count=6):
    return torch.stack([torch.lerp(start, end, k / (count - 1)) for k in range(count)])


def bow(start, end, height=0.4, count=9, seed=1):
    """A path that leaves the line in one direction and comes back."""
    way = (end - start).flatten()
    noise = torch.randn(way.shape, generator=torch.Generator().manual_seed(seed), dtype=way.dtype)
    side = noise - (noise @ way) * way / (way @ way)
    side = (side * way.norm() / side.norm()).view_as(start)
    t = torch.linspace(0, 1, count, dtype=start.dtype).view(-1, 1, 1, 1)
    return start + t * (end - start) + height * torch.sin(math.pi * t) * side


def test_ends_and_the_straight_line_are_on_the_first_axis(ends):
    plane = PathPlane.through(*ends, [bow(*ends), line(*ends)])
    places, off = plane.coordinates(line(*ends, 5))
    torch.testing.assert_close(places[:, 0], torch.linspace(0, 1, 5, dtype=torch.float64))
    torch.testing.assert_close(places[:, 1], torch.zeros(5, dtype=torch.float64), atol=1e-9, rtol=0)
    assert off.max() < 1e-6


def test_a_flat_bow_is_seen_whole(ends):
    plane = PathPlane.through(*ends, [bow(*ends), line(*ends)])
    places, off = plane.coordinates(bow(*ends))
    assert plane.share == pytest.approx(1)
    assert places[:, 1].max() == pytest.approx(0.4)
    assert off.max() < 1e-6


def test_what_lies_off_the_plane_is_said(ends):
    """Two bows in different directions: the plane holds the larger, the other one's height is its distance."""
    high, low = bow(*ends, 0.5, seed=1), bow(*ends, 0.2, seed=2)
    plane = PathPlane.through(*ends, [high, low])
    assert 0.5 < plane.share < 1
    places, off = plane.coordinates(low)
    true = (low - line(*ends, 9)).flatten(1).norm(dim=1) / (ends[1] - ends[0]).norm()
    torch.testing.assert_close((places[:, 1].square() + off.square()).sqrt(), true, atol=1e-6, rtol=0)
    assert off.max() > 0.1


def test_lines_alone_have_a_second_axis_that_holds_nothing(ends):
    plane = PathPlane.through(*ends, [line(*ends)])
    assert math.isnan(plane.share)
    way = (ends[1] - ends[0]).flatten()
    assert plane.across.norm() == pytest.approx(way.norm())
    assert abs(plane.across.flatten() @ way) < 1e-9


def test_images_at_places_come_back_to_them(ends):
    plane = PathPlane.through(*ends, [bow(*ends)])
    places = torch.tensor([[0.0, 0.0], [1.0, 0.0], [0.3, -0.7]], dtype=torch.float64)
    images = plane.images(places)
    torch.testing.assert_close(images[0], ends[0])
    torch.testing.assert_close(images[1], ends[1])
    torch.testing.assert_close(plane.coordinates(images)[0], places)


def test_the_same_image_twice_has_no_plane(ends):
    with pytest.raises(ValueError, match="same image"):
        PathPlane.through(ends[0], ends[0], [line(*ends)])


def test_the_grid_covers_the_paths_with_room_and_is_worked_out_coarse_first():
    cells = grid(torch.tensor([[0.2, 0.9], [0.5, -0.1]]), columns=9, rows=7)
    assert cells.shape == (7, 9, 2)
    assert cells[0, 0, 0] < 0
    assert cells[0, 0, 1] < -0.1
    assert cells[-1, -1, 0] > 1
    assert cells[-1, -1, 1] > 0.9
    order = coarse_first(7, 9)
    assert sorted(order) == [(r, c) for r in range(7) for c in range(9)]
    assert order[:6] == [(0, 0), (0, 4), (0, 8), (4, 0), (4, 4), (4, 8)]

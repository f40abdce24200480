"""Small worlds to learn in: two pixels, where a path is a line that can be drawn."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch
from jaxtyping import Float, Int
from numpy.typing import NDArray
from torch import Tensor, nn

from samp_core.baselines import Zero
from samp_core.faces import SAMP
from samp_core.metrics import cancellation

Points = Float[NDArray[np.float64], "p 2"]
"""Corners of a path between (0, 0) and (1, 1), both included."""

Turns = Int[NDArray[np.int_], "n m"]
"""For each of n paths on a grid, which of the two pixels (0 or 1) rises at each of its m moves."""


class Toy(nn.Module):
    """A score of two pixels: images (N, 1, 1, 2) to scores (N, 1)."""

    def __init__(self, score: Callable[[Tensor, Tensor], Tensor]) -> None:
        super().__init__()
        self.score = score

    def forward(self, images: Tensor) -> Tensor:
        """Return the score of each image."""
        pixels = images.flatten(1)
        return self.score(pixels[:, 0], pixels[:, 1]).unsqueeze(1)


@lru_cache(maxsize=1)
def _trained() -> nn.Module:
    """Return a network of eight hidden units that has learnt to tell "just one pixel is on" from the rest."""
    with torch.random.fork_rng():
        torch.manual_seed(3)
        network = nn.Sequential(nn.Flatten(), nn.Linear(2, 8), nn.Tanh(), nn.Linear(8, 1)).double()
        corners = torch.tensor([[0, 0], [0, 1], [1, 0], [1, 1]]).double().view(4, 1, 1, 2)
        wanted = torch.tensor([[0.0], [1.0], [0.6], [0.4]]).double()
        optimiser = torch.optim.LBFGS(network.parameters(), max_iter=80)

        def loss() -> Tensor:
            optimiser.zero_grad()
            error: Tensor = ((network(corners) - wanted) ** 2).mean()
            error.backward()  # type: ignore[no-untyped-call]
            return error

        with torch.enable_grad():
            optimiser.step(loss)  # type: ignore[no-untyped-call]
    return network.eval().requires_grad_(False)


TOYS = {
    "product": "Product: both pixels are needed",
    "minimum": "Minimum: the weaker pixel decides",
    "saturating": "Saturating ReLU: the first pixel is enough",
    "network": "A tiny trained network",
}


def toy(name: str) -> nn.Module:
    """Return a score of two pixels by name; see :data:`TOYS`.

    Raises:
        ValueError: there is no such score.
    """
    if name == "network":
        return _trained()
    scores: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
        "product": lambda x, y: x * y,
        "minimum": torch.minimum,
        "saturating": lambda x, y: 1 - torch.relu(1 - 2 * x - 0.5 * y),
    }
    if name not in scores:
        raise ValueError(f"There is no score {name!r}. Choose one of: {', '.join(TOYS)}.")
    return Toy(scores[name])


def surface(score: nn.Module, size: int = 41) -> Float[NDArray[np.float64], "s s"]:
    """Return the score on a grid over the unit square; row is the second pixel, column the first."""
    axis = torch.linspace(0, 1, size, dtype=torch.float64)
    down, across = torch.meshgrid(axis, axis, indexing="ij")
    with torch.no_grad():
        values: NDArray[np.float64] = score(torch.stack([across, down], -1).view(-1, 1, 1, 2)).view(size, size).numpy()
    return values


@dataclass(frozen=True)
class Walk:
    """A path over the two pixels and what it credits.

    Attributes:
        points: its corners.
        attributions: credit of the two pixels.
        change: what they should add up to: the score's change from (0, 0) to (1, 1).
    """

    points: Points
    attributions: Float[NDArray[np.float64], " 2"]
    change: float

    @property
    def gap(self) -> float:
        """Sum of the attributions minus the score's change."""
        return float(self.attributions.sum()) - self.change

    @property
    def variance(self) -> float:
        """Var(a) of the Concentration Principle."""
        return float(self.attributions.var())

    @property
    def cancellation(self) -> float:
        """Sum ``|a|`` / ``|sum a|``: 1 if both pixels have the same sign."""
        return cancellation(torch.from_numpy(self.attributions).view(1, 1, 2)).item()


def change(score: nn.Module) -> float:
    """Return how far the score rises from (0, 0) to (1, 1)."""
    ends = torch.tensor([[0.0, 0.0], [1.0, 1.0]], dtype=torch.float64).view(2, 1, 1, 2)
    with torch.no_grad():
        low, high = score(ends).flatten().tolist()
    return float(high - low)


def add_up(score: nn.Module, points: Points, steps: int, *, at: float = 0.5) -> Walk:
    """Add up a path that is given by its corners: gradient times move over ``steps`` pieces.

    Args:
        score: of two pixels.
        points: corners of the path.
        steps: pieces, shared out by the length of the lines; at least one a line.
        at: where in each piece the gradient is taken: 0 is its start, as in the paper's rule, 0.5 its middle.

    Raises:
        ValueError: the path does not go from (0, 0) to (1, 1), there is no step, or ``at`` is not from 0 to 1.
    """
    corners = np.asarray(points, dtype=np.float64)
    if steps < 1:
        raise ValueError(f"At least one step is needed, not {steps}.")
    if not 0 <= at <= 1:
        raise ValueError(f"at is a fraction of a piece, from 0 to 1, not {at}.")
    if len(corners) < 2 or not np.allclose(corners[[0, -1]], [[0, 0], [1, 1]]):
        raise ValueError("A path goes from (0, 0), both pixels blank, to (1, 1), both as in the image.")
    lengths = np.linalg.norm(np.diff(corners, axis=0), axis=1)
    counts = np.maximum(1, np.round(steps * lengths / lengths.sum()).astype(int))
    places, moves = [], []
    for start, end, count in zip(corners[:-1], corners[1:], counts, strict=True):
        taken = (np.arange(count) + at) / count
        places.append(start + taken[:, None] * (end - start))
        moves.append(np.repeat([(end - start) / count], count, axis=0))
    states = torch.from_numpy(np.concatenate(places)).view(-1, 1, 1, 2).requires_grad_()
    with torch.enable_grad():
        (gradient,) = torch.autograd.grad(score(states).sum(), states)
    credit = (gradient.view(-1, 2).numpy() * np.concatenate(moves)).sum(0)
    return Walk(corners, credit, change(score))


def searched(score: nn.Module, *, tolerance: float | None, momentum: float, rule: str = "gauss") -> Walk:
    """Return the path that SAMP's insertion finds from (0, 0) to (1, 1), one pixel at a time, and its credit.

    Raises:
        ValueError: a setting is out of its range.
    """
    search = SAMP(
        score,
        pixels_per_step=1,
        momentum=momentum,
        ic_tolerance=tolerance,
        directions=("insertion",),
        insertion_baseline=Zero(),
        accumulation=rule,
    )
    run = search.start(torch.ones(1, 1, 1, 2, dtype=torch.float64))
    points = [np.zeros(2)]
    for step in run.moves():
        points.append((step.state + step.move).flatten().numpy())
    credit = run.result().attributions.flatten().numpy()
    return Walk(np.stack(points), credit, change(score))


def random_turns(count: int, cells: int, seed: int) -> Turns:
    """Return ``count`` paths on the grid in random order: which pixel (0 or 1) rises at each of 2 ``cells`` moves."""
    turns = np.tile(np.repeat([0, 1], cells), (count, 1))
    shuffled: Turns = np.random.default_rng(seed).permuted(turns, axis=1)
    return shuffled


def best_path(score: nn.Module, cells: int) -> Walk:
    """Return the path of largest Var(a) of all that raise one pixel by one of ``cells`` parts at a time.

    Along one axis the line integral is the score's difference, and the sum of the two attributions is fixed, so the
    variance is the squared difference of the attributions over 4. The best of all orders is found exactly by dynamic
    programming over the grid, for the difference as large and as small as it gets.
    """
    values = surface(score, cells + 1)
    best: tuple[float, list[int]] | None = None
    for sign in (1.0, -1.0):
        reached = np.full((cells + 1, cells + 1), -np.inf)
        came = np.zeros((cells + 1, cells + 1), dtype=int)
        reached[0, 0] = 0
        for row in range(cells + 1):
            for column in range(cells + 1):
                here = values[row, column]
                ways = [
                    *([reached[row, column - 1] + sign * (here - values[row, column - 1])] if column else [-np.inf]),
                    *([reached[row - 1, column] - sign * (here - values[row - 1, column])] if row else [-np.inf]),
                ]
                if row or column:
                    came[row, column] = int(np.argmax(ways))
                    reached[row, column] = max(ways)
        if best is None or reached[-1, -1] > best[0]:
            turns, row, column = [], cells, cells
            while row or column:
                turn = int(came[row, column])
                turns.append(turn)
                row, column = (row - 1, column) if turn else (row, column - 1)
            best = float(reached[-1, -1]), turns[::-1]
    assert best is not None
    return lattice(score, np.array([best[1]]))[0]


def lattice(score: nn.Module, turns: Turns) -> list[Walk]:
    """Return the exact credit of paths on the grid.

    Args:
        score: of two pixels.
        turns: for each path, which pixel rises by one part at each of its moves, both equally often.

    Raises:
        ValueError: a path does not end at (1, 1).
    """
    cells = turns.shape[1] // 2
    if turns.shape[1] % 2 or (turns.sum(1) != cells).any():
        raise ValueError("A path raises both pixels equally often: otherwise it does not end at the image.")
    steps = np.eye(2)[turns].cumsum(1)
    points = np.concatenate([np.zeros((len(turns), 1, 2)), steps], axis=1) / cells
    with torch.no_grad():
        along = score(torch.from_numpy(points).view(-1, 1, 1, 2)).view(points.shape[:2]).numpy()
    rises = np.diff(along, axis=1)
    credit = np.stack([(rises * (turns == pixel)).sum(1) for pixel in (0, 1)], axis=1)
    total = change(score)
    return [Walk(path, shares, total) for path, shares in zip(points, credit, strict=True)]

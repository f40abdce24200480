"""A path refined as a whole: an order of the pixels that is bettered by what the score does all along the way."""

from __future__ import annotations

import math
from collections.abc import Generator, Iterator
from dataclasses import dataclass, replace

import torch
from jaxtyping import Float, Int
from torch import Tensor

from samp_core.order import ranks
from samp_core.paths.base import Draft, Endpoints, GradientFn, Path, Step, StepEstimate, Walk, spread, walk_known

TIMES = 7
"""States of a sweep, unless others are asked for."""

# Which share of the way a pixel takes to move in the first and in the last sweep.
WIDEST, NARROWEST = 1.0, 0.3

# Paths that are searched together at most; more would only need more memory.
_TOGETHER = 24

# Furthest that the weights of two pixels of one move are apart, as a power of e either way.
_FURTHEST = 4.0


@dataclass(frozen=True)
class RefinedPath:
    """An order of the pixels, found by short searches and then refined by what it does on the whole way.

    This project's own. A greedy search decides move by move and never looks back. Here the area under the score along
    the path, which such a search is after, is climbed itself. With pixel i moving around time t_i, the area's slope in
    t_i is the gradient times the way of i, averaged over the states in which i is moving. So a *sweep* takes the
    gradient at some ``states`` all along the present path, adds to every pixel's standing what it was worth while
    it moved, and sorts the pixels anew. In the first sweep every pixel takes as long as the whole path for its move, in
    the last a third of that.

    Both directions of an image keep one order, most important first, and every other sweep goes between the image and
    the image without content that the other direction has: what the order is refined for is no single baseline. The
    first order is the mean of those of ``searches`` searches, each over a copy of the image under noise, and the states
    of the sweeps have such noise, too: so what is found holds under it.

    The pixels then go in ``steps`` moves, each of the same number. *Steering* points along each pixel's move and is as
    large as its standing, so rules that deal by the promise deal by that; *credit* is gradient times move.

    Attributes:
        search: how each of the short searches goes; a greedy path of few moves.
        steps: number of moves.
        searches: searches whose mean order the sweeps begin with, at least 1.
        sweeps: how often the order is refined; 0 leaves it as it was found.
        pull: how far one sweep changes the standings, in standard deviations of these.
        noise: standard deviation of the noise on copies and states, in the network's normalised space.
        seed: seed of the noise and of where along the path the states of a sweep are; the same for all images.
        chunk: states of a sweep whose gradients are taken in one call.
        states: states of one sweep.

    Raises:
        ValueError: a setting is out of its range.
    """

    search: Path
    steps: int = 6
    searches: int = 22
    sweeps: int = 4
    pull: float = 0.08
    noise: float = 0.02
    seed: int = 0
    chunk: int = 4
    states: int = TIMES

    def __post_init__(self) -> None:
        if min(self.steps, self.searches, self.states, self.chunk) < 1 or self.sweeps < 0:
            raise ValueError("steps, searches, states and chunk must be at least 1, and sweeps at least 0.")
        if not (0 <= self.pull < math.inf and 0 <= self.noise < math.inf):
            raise ValueError(f"pull and noise must be finite and not negative, not {self.pull} and {self.noise}.")

    def estimate(self, height: int, width: int) -> StepEstimate:
        """Return the number of moves, and how many gradients are asked for before the first."""
        moves = math.ceil(height * width / self._size(height, width))
        before = self.searches * self.search.estimate(height, width).expected + self.sweeps * self.states
        return StepEstimate(moves, moves, gradients=before)

    def _size(self, height: int, width: int) -> int:
        return math.ceil(height * width / self.steps)

    def walk(self, gradient_of: GradientFn, ends: Endpoints) -> Iterator[Step]:
        """Yield the moves along the order that was found; see :class:`~samp_core.paths.base.Path`."""
        finding = self.prepare(gradient_of, ends)
        try:
            while True:
                next(finding)
        except StopIteration as found:
            walk: Walk = found.value
        yield from walk(gradient_of, ends)

    def prepare(self, gradient_of: GradientFn, ends: Endpoints) -> Generator[Draft, None, Walk]:
        """Find the order, yielding it as it is after the searches and after each sweep; return what walks along it."""
        active = (ends.end != ends.start).flatten(1).any(1)
        rows = active.nonzero().squeeze(1)
        if not len(rows):
            return lambda gradient_of, ends: iter(())
        moving = Endpoints(ends.start[rows], ends.end[rows], ends.sign[rows])
        short = self.search.estimate(*ends.start.shape[2:]).expected
        whole = self.searches * short + self.sweeps * self.states

        def asked(states: Tensor, paths: Tensor) -> tuple[Tensor, Tensor]:
            return gradient_of(states, rows[paths % len(rows)])

        standing = torch.zeros_like(moving.start[:, 0])
        for first in range(0, self.searches, together := max(1, _TOGETHER // len(rows))):
            copies = range(first, min(self.searches, first + together))
            standing += yield from self._searched(asked, moving, copies, whole)
        done = self.searches * short
        partner = _partners(moving)
        standing = _standard(standing + standing[partner])
        yield self._draft(done / whole, standing, rows, len(active), "after the searches")
        for sweep in range(self.sweeps):
            along = _exchanged(moving, partner) if sweep % 2 else moving
            worth = self._worth(asked, along, standing, sweep)
            standing = standing + self.pull * _standard(worth + worth[partner])
            done += self.states
            words = f"after sweep {sweep + 1} of {self.sweeps}"
            yield self._draft(done / whole, standing, rows, len(active), words)
        return lambda gradient_of, ends: self._along(gradient_of, ends, rows, standing)

    @staticmethod
    def _draft(share: float, standing: Tensor, rows: Tensor, paths: int, words: str) -> Draft:
        return Draft(share, spread(1 - _places(standing), rows, paths), words)

    def _generator(self, number: int) -> torch.Generator:
        """Return what draws for one copy or one sweep: the same whatever else is explained beside it."""
        return torch.Generator().manual_seed((self.seed * 1_000_003 + number) % 2**63)

    def _noise(self, like: Float[Tensor, "p c h w"], generator: torch.Generator) -> Float[Tensor, "1 c h w"]:
        return self.noise * torch.randn((1, *like.shape[1:]), generator=generator, dtype=torch.float32).to(like)

    def _searched(
        self, gradient_of: GradientFn, ends: Endpoints, copies: range, whole: int
    ) -> Generator[Draft, None, Tensor]:
        """Return how early each pixel moved in searches over these copies of the photo, (P, H, W), added up.

        Yields, move by move, which share is done of the ``whole`` gradients that finding the order takes.

        Whole numbers, of which a sum is exact: pixels that are level have to be so in whatever order copies are taken.
        """
        noise = torch.cat([self._noise(ends.start, self._generator(copy)).expand_as(ends.start) for copy in copies])
        start, end, sign = (torch.cat([value] * len(copies)) for value in (ends.start, ends.end, ends.sign))
        toward = (sign > 0).view(-1, 1, 1, 1)
        start, end = torch.where(toward, start, start + noise), torch.where(toward, end + noise, end)
        early, short = torch.zeros_like(start[:, 0]), self.search.estimate(*start.shape[2:]).expected
        for step in self.search.walk(gradient_of, Endpoints(start, end, sign)):
            moved = step.way > 0
            promise = (step.steering * step.move).sum(1) * sign.view(-1, 1, 1)
            here = _places(torch.where(moved, promise, -torch.inf))
            early += torch.where(moved, here - step.index, 0)
            yield Draft(min(1.0, (copies.start * short + len(copies) * (step.index + 1)) / whole))
        return _ranks(early).view(len(copies), -1, *early.shape[1:]).sum(0)

    def _worth(
        self, gradient_of: GradientFn, ends: Endpoints, standing: Float[Tensor, "p h w"], sweep: int
    ) -> Float[Tensor, "p h w"]:
        """Return what each pixel was worth while it moved along the present path."""
        share = sweep / max(1, self.sweeps - 1)
        width = WIDEST * (NARROWEST / WIDEST) ** share if self.sweeps > 1 else math.sqrt(WIDEST * NARROWEST)
        paths, way = len(ends.start), ends.end - ends.start
        turn = 1 - _places(standing)
        generator = self._generator(self.searches + sweep)
        offset = torch.rand(1, generator=generator, dtype=torch.float32)
        drawn = (torch.arange(self.states) + offset) / self.states * (1 + width) - width / 2
        times, noise = drawn.tolist(), self._noise(ends.start, generator)
        worth = torch.zeros_like(standing)
        for some in range(0, self.states, self.chunk):
            gone = [((time - turn) / width + 0.5).clamp(0, 1) for time in times[some : some + self.chunk]]
            states = torch.cat([torch.addcmul(ends.start, share.unsqueeze(1), way) + noise for share in gone])
            _, gradients = gradient_of(states, torch.arange(len(states), device=states.device) % paths)
            for share, gradient in zip(gone, gradients.view(len(gone), *way.shape), strict=True):
                worth += ((share > 0) & (share < 1)) * (gradient * way).sum(1)
        return worth * ends.sign.view(-1, 1, 1)

    def _along(
        self, gradient_of: GradientFn, ends: Endpoints, rows: Int[Tensor, " m"], standing: Float[Tensor, "m h w"]
    ) -> Iterator[Step]:
        paths = len(ends.start)
        way = ends.end - ends.start
        size = self._size(*way.shape[2:])
        turn = spread((standing[0].numel() - _ranks(standing)) // size, rows, paths).unsqueeze(1)
        weight = spread(standing.clamp(-_FURTHEST, _FURTHEST).exp(), rows, paths) * ends.sign.view(-1, 1, 1)
        length = way.square().sum(1)
        steering = (weight / torch.where(length > 0, length, 1)).unsqueeze(1) * way
        count = self.estimate(*way.shape[2:]).expected
        states = (torch.where(turn < k, ends.end, ends.start) for k in range(count + 1))
        for step in walk_known(states, gradient_of, ends, self.chunk):
            yield replace(step, steering=steering, credit=step.gradient * step.move)


def _partners(ends: Endpoints) -> Int[Tensor, " p"]:
    """Return for each path the one of the other direction that the same image has; itself if there is none."""
    partner = torch.arange(len(ends.sign), device=ends.sign.device)
    leaving, coming = ((ends.sign * way > 0).nonzero().squeeze(1).tolist() for way in (-1, 1))
    for one in leaving:
        other = next((k for k in coming if torch.equal(ends.start[one], ends.end[k])), None)
        if other is not None:  # each only once: an image may be explained twice, for two classes
            coming.remove(other)
            partner[one], partner[other] = other, one
    return partner


def _exchanged(ends: Endpoints, partner: Int[Tensor, " p"]) -> Endpoints:
    """Return the ways between each image and the image without content that its other direction has."""
    toward = (ends.sign > 0).view(-1, 1, 1, 1)
    blank = torch.where(toward, ends.start, ends.end)[partner]
    return Endpoints(torch.where(toward, blank, ends.start), torch.where(toward, ends.end, blank), ends.sign)


def _ranks(values: Float[Tensor, "p h w"]) -> Float[Tensor, "p h w"]:
    """Return the place of each pixel among those of its path by size: the smallest has 1, the largest their number."""
    return (1 + ranks(values.flatten(1))).to(values).view_as(values)


def _places(values: Float[Tensor, "p h w"]) -> Float[Tensor, "p h w"]:
    """Return the ranks as a share of their number, above 0 to 1."""
    return _ranks(values) / values[0].numel()


def _standard(values: Float[Tensor, "p h w"]) -> Float[Tensor, "p h w"]:
    """Return values in standard deviations of their path from its mean; zeros where all are alike."""
    flat = values.flatten(1)
    above = flat - flat.mean(1, keepdim=True)
    deviation = above.square().mean(1, keepdim=True).sqrt()
    differ = deviation > torch.finfo(values.dtype).eps * flat.abs().amax(1, keepdim=True)
    return torch.where(differ, above / torch.where(differ, deviation, 1), 0).view_as(values)

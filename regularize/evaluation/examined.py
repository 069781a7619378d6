"""Networks under examination: examples go through them in chunks, shared out among the ranks."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor

from regularize.batches import Batches
from regularize.distributed import Ranks
from regularize.fused.wanted import wanting
from regularize.models.network import Network
from regularize.rng import generator

CHUNK = 128  # examples at a time: fastest for packs of 4 and 8 LeNets, whose activations then stay in cache
SEED = 0  # of the examples drawn for measurements: the same for all runs, so that they can be compared

Measure = Callable[[Tensor, Tensor, slice], Tensor]


class StoppedError(Exception):
    """A measurement was given up because it was told to stop; on all ranks at the same point."""


def never() -> bool:
    return False


@dataclass(frozen=True, kw_only=True)
class Examined:
    """R networks with their seeds, and the data they are measured on.

    All ranks ask `stop` after every round of chunks.
    """

    model: Network
    seeds: Sequence[int]
    batches: Batches
    classes: int
    ranks: Ranks
    stop: Callable[[], bool] = never

    def over(self, part: str, index: Tensor, width: int, measure: Measure) -> Tensor:
        """`measure` every example [R, N] of `part`, without noise and dropout: [R, N, width].

        `measure` gets inputs [R, B, …], labels [R, B] and which of the N these are, and returns
        [R, B, width]. Each chunk is measured by one rank, whatever their number in the same chunks,
        so all ranks get the same bits, and the same as one rank would.

        Raises:
            StoppedError: `stop` is true.
        """
        index = index.to(self.ranks.device)
        found = torch.zeros(*index.shape, width, dtype=self.batches.dtype, device=self.ranks.device)
        starts = range(0, index.shape[1], CHUNK)
        with evaluating(self.model), wanting(weights=False), torch.no_grad():
            for first in range(0, len(starts), self.ranks.world):
                for start in starts[first:][self.ranks.rank : self.ranks.rank + 1]:  # one, or none is left
                    span = slice(start, start + CHUNK)
                    found[:, span] = measure(*self.batches.take(part, index[:, span]), span)
                if self.stop():
                    raise StoppedError
        return self.ranks.sum(found)

    def labels(self, part: str, index: Tensor) -> Tensor:
        """[R, N]"""
        return self.batches.labels[part][index.to(self.ranks.device)]

    def sample(self, count: int) -> Tensor:
        """A fixed sample of the test split, the same for all runs, [R, n] with n ≤ `count`, ascending."""
        return drawn(len(self.batches.labels["test"]), count, "test_sample").expand(len(self.seeds), -1)


def drawn(total: int, count: int, purpose: str, seed: int = SEED) -> Tensor:
    """At most `count` of `total` positions, ascending; smaller samples are parts of larger ones."""
    return torch.randperm(total, generator=generator(seed, purpose))[:count].sort().values


@contextmanager
def evaluating(model: Network) -> Iterator[None]:
    """Batch norm and the like in evaluation mode inside, as before afterwards."""
    before = model.training
    model.eval()
    try:
        yield
    finally:
        model.train(before)

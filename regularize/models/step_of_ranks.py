"""What someone else's module computes in a step of training, as a part of what all ranks compute together."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext

from regularize.distributed import Ranks
from regularize.draws import Draws
from regularize.models.over_ranks import NormsOverRanks
from regularize.models.own_draws import Axis, OwnDraws


class StepOfRanks:
    """A step with its draws on one of the ranks; `counts` is whether its examples are of the batch."""

    def __init__(self, draws: Draws, ranks: Ranks, counts: bool) -> None:
        self.draws, self.ranks, self.counts = draws, ranks, counts
        self.passed = 0  # times in this step

    @contextmanager
    def passing(self, axes: Sequence[Axis] | None) -> Iterator[None]:
        """Inside, a pass is that of the global batch; `axes` as in `OwnDraws`."""
        norms = NormsOverRanks(self.ranks, self.counts) if self.ranks.world > 1 else nullcontext()
        with norms, OwnDraws(self.draws, self.passed, axes):
            yield
        self.passed += 1

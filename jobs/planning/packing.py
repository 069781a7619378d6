"""Runs → packs → slices: which runs train side by side, and which task trains them.

Pure: (runs still to do, what the store holds, estimates) → packs. The same arguments give the same packs.
"""

from __future__ import annotations

import heapq
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from types import MappingProxyType

from jobs.planning.cost import Clock, Run, side_by_side
from jobs.store.pack_status import share
from regularize.config import pack_id
from regularize.evaluation.measurement import meets
from regularize.store import PackStatus

_NONE: Mapping[str, int] = MappingProxyType({})
PACK_SECONDS = 0.3  # to map data, build networks and write tables


@dataclass(frozen=True, kw_only=True)
class Pack:
    """Runs that train side by side; `whole` is the time of all their steps, `share` what is done of it.

    With `measures`, they are done, and measured again from their weights by that `Evaluation.text`.
    """

    runs: tuple[str, ...]
    whole: float  # estimated seconds
    share: float = 0.0
    measures: str = ""

    @property
    def pack_id(self) -> str:
        return pack_id(self.runs)

    @property
    def seconds(self) -> float:
        """Estimated seconds that are left to do."""
        return self.whole * (1 - self.share)

    def done(self, status: PackStatus | None) -> bool:
        """Whether what is to be done with it is done, as its status tells."""
        found = status is not None and status.state == "done"
        return found and (
            not self.measures or (status is not None and meets(status.evaluation, self.measures))
        )

    def ended(self, status: PackStatus | None) -> bool:
        """Whether it is done or has failed."""
        failed = status is not None and (status.state == "failed" or status.measuring_failed)
        return failed or self.done(status)

    def share_left(self, status: PackStatus | None) -> float:
        """The share of its work that is left, in [0, 1]."""
        if self.ended(status):
            return 0.0
        return 1 - (share(status) if status and not self.measures else self.share)


def make_packs(
    runs: Sequence[Run],
    statuses: Iterable[PackStatus],
    clock: Clock,
    *,
    limit: int,
    tasks: int,
    beside: Sequence[Pack] = (),
    limits: Mapping[str, int] = _NONE,
) -> list[Pack]:
    """Packs of at most `limit` runs that hold each of the runs once, and those `beside` that come with them.

    Pack keys in `limits` have one of their own.

    A pack that was begun stays the same pack, so that its checkpoint serves, if all its runs are still
    to do. The others are cut, within a pack key, so that `tasks` tasks end as early as can be.
    """
    alone = _seconds_alone(runs, clock)
    resumed = _resumed(runs, statuses, alone)
    begun = {run_id for pack in resumed for run_id in pack.runs}
    groups: dict[tuple[str, str], list[str]] = defaultdict(list)
    for run in sorted(runs, key=_order):
        if run.run_id not in begun:
            groups[run.key, run.phase].append(run.run_id)  # a pack is measured alike
    most = [(limits.get(key, limit), ids) for (key, _), ids in groups.items()]
    sizes = range(max((size for size, _ in most), default=1), 0, -1)
    cuts = (_cut_all(most, alone, size) for size in sizes)
    candidates = [[*resumed, *cut, *beside] for cut in cuts]
    return min(candidates, key=lambda packs: longest(make_slices(packs, tasks)))


def total_seconds(runs: Sequence[Run], clock: Clock, limit: int, limits: Mapping[str, int] = _NONE) -> float:
    """Estimated seconds of one task that works through all runs, in packs as large as they may be."""
    alone = _seconds_alone(runs, clock)
    sizes = ((alone[run.run_id], limits.get(run.key, limit)) for run in runs)
    return sum(seconds * side_by_side(size) / size for seconds, size in sizes)


def make_slices(packs: Sequence[Pack], tasks: int) -> list[list[Pack]]:
    """Share packs among tasks, longest first, each to the task that is free first."""
    slices: list[list[Pack]] = [[] for _ in range(min(tasks, len(packs)))]
    free = [(0.0, number) for number in range(len(slices))]
    for pack in sorted(packs, key=lambda pack: -pack.seconds):
        busy, number = heapq.heappop(free)
        slices[number].append(pack)
        heapq.heappush(free, (busy + pack.seconds, number))
    return slices


def longest(slices: Sequence[Sequence[Pack]]) -> float:
    """Estimated seconds until the last of the tasks has ended."""
    return max((sum(pack.seconds for pack in slice_) for slice_ in slices), default=0.0)


def balanced(runs: Sequence[str], limit: int) -> list[tuple[str, ...]]:
    """The fewest parts of at most `limit` runs, their sizes differing by at most one."""
    count = -(-len(runs) // limit)
    edges = [len(runs) * number // count for number in range(count + 1)] if count else []
    return [tuple(runs[start:end]) for start, end in pairwise(edges)]


def _order(run: Run) -> tuple[bool, int, str, str]:
    # Seed before strength: whole comparisons are finished early.
    return run.phase != "tune", run.config.seed, run.config.strength, run.run_id


def _seconds_alone(runs: Sequence[Run], clock: Clock) -> dict[str, float]:
    """Seconds of one core by run id; the same for all runs of a pack key and phase."""
    by_key: dict[tuple[str, str], float] = {}
    for run in runs:
        if (run.key, run.phase) not in by_key:
            by_key[run.key, run.phase] = clock.seconds(run)
    return {run.run_id: by_key[run.key, run.phase] for run in runs}


def _resumed(runs: Sequence[Run], statuses: Iterable[PackStatus], alone: Mapping[str, float]) -> list[Pack]:
    """The packs that were begun and can go on; where two hold the same run, the one that got further."""
    open_runs = {run.run_id for run in runs}
    packs = []
    for status in sorted(statuses, key=lambda status: (-share(status), status.runs)):
        if status.state != "done" and status.runs and open_runs.issuperset(status.runs):
            open_runs.difference_update(status.runs)
            whole = whole_seconds(len(status.runs), alone[status.runs[0]])
            packs.append(Pack(runs=status.runs, whole=whole, share=share(status)))
    return packs


def whole_seconds(runs: int, alone: float) -> float:
    """Seconds of a pack of so many runs that take so long alone."""
    return PACK_SECONDS + alone * side_by_side(runs)


def _cut_all(
    groups: Iterable[tuple[int, Sequence[str]]], alone: Mapping[str, float], limit: int
) -> list[Pack]:
    """Packs of at most `limit` runs, and of each group at most its own."""
    return [
        Pack(runs=runs, whole=whole_seconds(len(runs), alone[runs[0]]))
        for most, group in groups
        for runs in balanced(group, min(most, limit))
    ]

"""Packs → elements → arrays, as large and as many as Slurm's limits and the time allow. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil
from typing import TypeVar

from jobs.cluster.cluster_config import Cluster
from jobs.planning.packing import Pack, make_slices

LEAST_SECONDS = 60.0  # of work that are worth a task of their own, which takes seconds to start
TIME_USED = 0.8  # share of the time limit that is planned for: estimates are not exact

T = TypeVar("T")

Slices = Sequence[Sequence[Pack]]
"""The work of one element: packs for each of its tasks, or for all of them together."""


def worth_tasks(seconds: float, cluster: Cluster) -> int:
    """How many slices are worked through at once, of as many `seconds` of work as there are."""
    return max(1, min(cluster.slots, ceil(seconds / LEAST_SECONDS)))


def make_elements(packs: Sequence[Pack], cluster: Cluster, room: int) -> list[Slices]:
    """Share all packs among at most `room` elements, longest first, balanced by their seconds.

    There are enough of them to fill the cluster and to end within the time limit, and no more than
    that is worth; where `room` is less, they are larger and go on after the time limit. The slices of
    an element are about equally long, as it holds all its nodes until the last one ends.
    """
    assert room > 0
    if not packs:
        return []
    width, seconds = cluster.slices, sum(pack.seconds for pack in packs)
    in_time = ceil(seconds / (TIME_USED * 60 * cluster.time))
    slices = min(len(packs), room * width, max(worth_tasks(seconds, cluster), in_time))
    # Whole elements: an idle task costs as much as a busy one.
    shared = make_slices(packs, min(len(packs), width * ceil(slices / width)))
    shared.sort(key=lambda slice_: -sum(pack.seconds for pack in slice_))
    return [list(group) for group in _groups(shared, width)]


def cut(elements: Sequence[Slices], max_array_size: int) -> list[list[Slices]]:
    """Arrays of elements whose indices count from 0 and stay below `max_array_size`.

    Where Slurm allows no arrays (0), each element is a job of its own.
    """
    return _groups(elements, max(1, max_array_size))


def places(limit: int | None, queued: int, kept: int) -> int | None:
    """How many more elements may be queued if `kept` places are to stay free; None if there is no limit."""
    return None if limit is None else max(0, limit - queued - kept)


def parallelism(limit: int | None, arrays: int) -> int | None:
    """What each of several arrays may run at once, so that all together keep to about `limit`."""
    return None if limit is None else max(1, limit // arrays)


def _groups(items: Sequence[T], size: int) -> list[list[T]]:
    return [list(items[start : start + size]) for start in range(0, len(items), size)]

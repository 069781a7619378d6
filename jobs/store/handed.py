"""One request to Slurm, as the journal has it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

Element = tuple[tuple[tuple[str, ...], ...], ...]
"""What one job of an array works through: for each of its slices the packs, each of these its run ids."""


class Ending(NamedTuple):
    """How an element ended, in Slurm's words, whether it brought any of its packs on, who says so, where.

    `nodes` is the one at fault where an element that achieved nothing has said which.
    `raised` are its packs that raised an error, each with the node that may be at fault: empty where that is
    not clear, or other packs were brought on there. `good` are then the nodes on which others were brought
    on, and none is at fault; None where none raised an error, or an earlier version wrote it.
    """

    state: str
    progress: bool
    line: int = 0
    nodes: str = ""
    raised: tuple[tuple[str, str], ...] = ()  # node, pack id
    good: tuple[str, ...] | None = None


@dataclass(frozen=True, kw_only=True)
class Handed:
    """One request to Slurm. An array has elements; a follow-up has none, it comes `after` other jobs.

    `begun` is the share of its packs' steps that was done before, by pack id, where it was above 0;
    `measures` has the `Evaluation.text` by which packs that are done are measured again, with their ids.
    `memory` is MiB a node, None where Slurm's default was asked for, `minutes` its time limit, None where
    an earlier version handed it over. `line` is its place in the journal.
    """

    token: str
    name: str
    time: str = ""
    line: int = 0
    elements: tuple[Element, ...] = ()
    after: tuple[str, ...] = ()
    memory: int | None = None
    minutes: int | None = None
    begun: Mapping[str, float] = field(default_factory=dict)
    measures: Mapping[str, Sequence[str]] = field(default_factory=dict)
    job_id: str | None = None
    abandoned: bool = False
    endings: Mapping[int, Ending] = field(default_factory=dict)

    @property
    def jobs(self) -> int:
        """How many jobs Slurm counts it as."""
        return max(1, len(self.elements))

    @property
    def open(self) -> bool:
        """Whether, as far as the journal knows, some of it may still be queued or running."""
        return not self.abandoned and len(self.endings) < self.jobs

    @property
    def unsure(self) -> bool:
        """Whether it is not known if Slurm ever got it."""
        return self.job_id is None and not self.abandoned

    def slurm_id(self, index: int) -> str:
        """The id of one of its jobs; where it is only one, submitit makes no array of it."""
        return f"{self.job_id}_{index}" if self.jobs > 1 else str(self.job_id)

    def runs(self, index: int) -> Iterable[str]:
        return (run_id for slice_ in self.elements[index] for pack in slice_ for run_id in pack)

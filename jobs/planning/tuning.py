"""The tune phase: which runs it wants, and what is chosen once they are done. Pure."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from jobs.planning.widening import beyond
from jobs.store.pack_status import Packs
from jobs.sweep.dialects import FIRST
from jobs.sweep.run_grid import Candidate, Cell, PlannedRun, Widened, candidates_of, report_runs, tune_runs
from jobs.sweep.sweep_file import Sweep
from regularize.data.source import Facts

Choose = Callable[[Mapping[str, str]], Mapping[Cell, Sequence[str]] | None]
"""The best strength of each cell, then its equals, by tune runs that are done, given by id, each with its
entry's name; None where they cannot be told."""


@dataclass(frozen=True, kw_only=True)
class Tuning:
    """Where the tune phase stands: `chosen` is None until all its `runs` are done and no grid goes on.

    `widened` is what cells are tried at beyond what the sweep's file says.
    """

    runs: Sequence[PlannedRun]
    chosen: Mapping[Cell, str] | None = None
    widened: Widened = field(default_factory=dict)


def tuning(sweep: Sweep, packs: Packs, choose: Choose, facts: Mapping[str, Facts]) -> Tuning:
    """The tune phase played through, from the sweep's file on, as far as its runs are done.

    `facts` are those of its data sets, which say how far batches go on.
    """
    widened: dict[Cell, list[Candidate]] = {}
    tuned = {grid.sizes[0].name: grid.tuned for grid in sweep.datasets}
    for left in range(sweep.widen, -1, -1):
        runs = tune_runs(sweep, widened)
        ids = {run.config.run_id: run.config.regularizer for run in runs}
        best = choose(ids) if all_done(runs, packs) else None
        if best is None:
            return Tuning(runs=runs, widened=widened)
        cells = candidates_of(sweep, widened)
        further = {
            cell: _further(sweep, cells[cell], strengths, tuned[cell.dataset], facts) if left else []
            for cell, strengths in best.items()
        }
        chosen = {cell: strengths[0] for cell, strengths in best.items()}
        if not any(further.values()):
            break
        widened = {cell: [*widened.get(cell, ()), *more] for cell, more in further.items()}
    return Tuning(runs=runs, chosen=chosen, widened=widened)


def _further(
    sweep: Sweep,
    tried: Sequence[Candidate],
    strengths: Sequence[str],
    tuned: Sequence[str],
    facts: Mapping[str, Facts],
) -> list[Candidate]:
    """What lies beyond the choice of a cell: of batches nothing beyond all examples that it is trained on."""
    data = tried[0].config.data
    known = sweep.dialect > FIRST and data.name in facts
    examples = facts[data.name].trained_on(data) if known else math.inf
    return beyond(tried, strengths, tuned, sweep.dialect, examples)


def all_done(runs: Iterable[PlannedRun], packs: Packs) -> bool:
    done = packs.done()
    return all(run.config.run_id in done for run in runs)


def wanted_runs(
    sweep: Sweep, packs: Packs, choose: Choose, facts: Mapping[str, Facts]
) -> tuple[list[PlannedRun], list[PlannedRun]]:
    """The runs of a sweep that can be named now, and those ahead whose strengths are not chosen yet."""
    if not sweep.two_phase:
        return report_runs(sweep), []
    found = tuning(sweep, packs, choose, facts)
    if found.chosen is not None:
        return [*found.runs, *report_runs(sweep, found.chosen, found.widened)], []
    some = {cell: candidates[0].strength for cell, candidates in candidates_of(sweep).items()}
    return list(found.runs), report_runs(sweep, some)

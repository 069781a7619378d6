"""From a sweep to its runs, and runs to and from the table of the store."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, NamedTuple

from jobs.sweep.sweep_file import Sweep
from regularize.config import RunConfig
from regularize.errors import UserError

if TYPE_CHECKING:
    import pyarrow as pa


class Cell(NamedTuple):
    """What one strength is chosen for."""

    dataset: str
    per_class: int | None  # None: all examples
    model: str
    regularizer: str
    repetition: int = 0


class Candidate(NamedTuple):
    """What a cell is tried at: a configuration but for its seed, and in words what of it is tuned.

    `strength` is `RunConfig.strength`; where settings are tuned, too, with these: `strength=0.01 lr=0.05`.
    """

    config: RunConfig
    strength: str


Widened = Mapping[Cell, Sequence[Candidate]]
"""What cells are tried at beyond what the sweep's file says."""


@dataclass(frozen=True, kw_only=True)
class PlannedRun:
    config: RunConfig
    phase: str  # tune | report
    strength: str  # see `Candidate`
    repetition: int = 0  # of choosing and reporting
    baseline: bool = False  # whether others are compared with it


def tune_runs(sweep: Sweep, widened: Widened | None = None) -> list[PlannedRun]:
    """Every strength × tune seed; none where the sweep has a single phase."""
    cells = candidates_of(sweep, widened)
    return [
        run
        for cell, candidates in cells.items()
        for run in _planned(candidates, sweep, "tune", cell.repetition)
    ]


def report_runs(
    sweep: Sweep, chosen: Mapping[Cell, str] | None = None, widened: Widened | None = None
) -> list[PlannedRun]:
    """The chosen strength of each cell × report seed; in a single phase every strength × seed.

    `chosen` has `Candidate.strength` for each cell, and is None for a single phase. A cell that it leaves
    out (nothing of it survived tuning) has no report runs.

    Raises:
        UserError: a chosen strength is not one of the sweep's.
    """
    assert sweep.two_phase == (chosen is not None), "strengths are chosen if and only if they are tuned"
    runs: list[PlannedRun] = []
    for cell, candidates in candidates_of(sweep, widened).items():
        if chosen is not None:
            candidates = _matching(cell, candidates, chosen[cell]) if cell in chosen else []
        runs += _planned(candidates, sweep, "report", cell.repetition)
    return runs


def every_run(sweep: Sweep) -> list[RunConfig]:
    """Each strength of each cell × each seed: all that the sweep may want, whatever is chosen."""
    seeds = dict.fromkeys([*sweep.tune_seeds, *sweep.report_seeds])
    cells = candidates_of(sweep)
    once = [candidates for cell, candidates in cells.items() if not cell.repetition]
    return [replace(each.config, seed=seed) for candidates in once for each in candidates for seed in seeds]


def report_count(sweep: Sweep) -> int:
    """How many report runs there will be, should every cell survive tuning."""
    cells = candidates_of(sweep).items()
    return sum(
        (1 if sweep.two_phase else len(candidates)) * len(sweep.seeds.of("report", cell.repetition))
        for cell, candidates in cells
    )


def runs_table(runs: Sequence[PlannedRun]) -> pa.Table:
    """The runs as rows of `regularize.store.RUNS`, in their order."""
    import pyarrow as pa

    from regularize.store import RUNS

    return pa.Table.from_pylist([_row(run) for run in runs], schema=RUNS)


def from_table(table: pa.Table) -> dict[str, RunConfig]:
    """The configurations of a table of runs, by `run_id`."""
    columns = table.select(["run_id", "config"]).to_pydict()
    return {
        run_id: RunConfig.read(config)
        for run_id, config in zip(columns["run_id"], columns["config"], strict=True)
    }


def candidates_of(sweep: Sweep, widened: Widened | None = None) -> dict[Cell, list[Candidate]]:
    """Every cell in the order of the file, once for each repetition, with all that it is tried at."""
    found: dict[Cell, list[Candidate]] = {}
    for grid in sweep.datasets:
        for data in grid.sizes:
            for model in sweep.models:
                for entry in grid.entries:
                    configs = (
                        RunConfig(
                            data=data,
                            model=model,
                            regularizer=entry.name,
                            terms=terms,
                            training=training,
                            evaluation=sweep.evaluation,
                        )
                        for terms, training in grid.settings(entry)
                    )
                    tried = [Candidate(each, each.strength_with(grid.tuned)) for each in configs]
                    for repetition in range(sweep.seeds.repetitions):
                        cell = Cell(data.name, data.per_class, model, entry.name, repetition)
                        found[cell] = [*tried, *(widened or {}).get(cell, ())]
    return found


def _planned(candidates: Sequence[Candidate], sweep: Sweep, phase: str, repetition: int) -> list[PlannedRun]:
    """All candidates on the seeds of a repetition."""
    evaluation = sweep.evaluation.of_phase(phase)
    return [
        PlannedRun(
            config=replace(config, seed=seed, evaluation=evaluation),
            phase=phase,
            strength=strength,
            repetition=repetition,
            baseline=config.regularizer == sweep.baseline,
        )
        for config, strength in candidates
        for seed in sweep.seeds.of(phase, repetition)
    ]


def _matching(cell: Cell, candidates: Sequence[Candidate], strength: str) -> list[Candidate]:
    found = [candidate for candidate in candidates if candidate.strength == strength]
    if not found:
        raise UserError(
            f"strength {strength!r} was chosen for {cell.regularizer} on {cell.dataset}, "
            "but the sweep no longer has it; choose again"
        )
    return found


def _row(run: PlannedRun) -> dict[str, object]:
    config = run.config
    strengths = [value for term in config.terms for _, value in term.strengths]
    return {
        "run_id": config.run_id,
        "phase": run.phase,
        "dataset": config.data.name,
        "per_class": config.data.per_class,
        "model": config.model,
        "regularizer": config.regularizer,
        "strength": run.strength,
        "strength_value": strengths[0] if len(strengths) == 1 else None,
        "seed": config.seed,
        "pack_key": config.pack_key,
        "evaluation": config.evaluation.text,
        "planned": True,
        "baseline": run.baseline,
        "repetition": run.repetition,
        "config": json.dumps(config.to_json()),
    }

"""From a sweep to its runs, and runs to and from the table of the store."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
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


@dataclass(frozen=True, kw_only=True)
class PlannedRun:
    config: RunConfig
    phase: str  # tune | report
    repetition: int = 0  # of choosing and reporting
    baseline: bool = False  # whether others are compared with it


def tune_runs(sweep: Sweep) -> list[PlannedRun]:
    """Every strength × tune seed; none where the sweep has a single phase."""
    return [run for _, candidates in _cells(sweep) for run in _planned(candidates, sweep, "tune")]


def report_runs(sweep: Sweep, chosen: Mapping[Cell, str] | None = None) -> list[PlannedRun]:
    """The chosen strength of each cell × report seed; in a single phase every strength × seed.

    `chosen` has the text of `RunConfig.strength` for each cell, and is None for a single phase. A
    cell that it leaves out (nothing of it survived tuning) has no report runs.

    Raises:
        UserError: a chosen strength is not one of the sweep's.
    """
    assert sweep.two_phase == (chosen is not None), "strengths are chosen if and only if they are tuned"
    runs: list[PlannedRun] = []
    for cell, candidates in _cells(sweep):
        if chosen is None:
            runs += _planned(candidates, sweep, "report")
            continue
        for repetition in range(sweep.seeds.repetitions):
            if (mine := cell._replace(repetition=repetition)) in chosen:
                matching = _matching(cell, candidates, chosen[mine])
                runs += _planned(matching, sweep, "report", [repetition])
    return runs


def every_run(sweep: Sweep) -> list[RunConfig]:
    """Each strength of each cell × each seed: all that the sweep may want, whatever is chosen."""
    seeds = dict.fromkeys([*sweep.tune_seeds, *sweep.report_seeds])
    cells = (candidates for _, candidates in _cells(sweep))
    return [replace(each, seed=seed) for candidates in cells for each in candidates for seed in seeds]


def report_count(sweep: Sweep) -> int:
    """How many report runs there will be, should every cell survive tuning."""
    reported = (1 if sweep.two_phase else len(candidates) for _, candidates in _cells(sweep))
    return sum(reported) * len(sweep.report_seeds)


def runs_table(runs: Sequence[PlannedRun]) -> pa.Table:
    """The runs as rows of `regularize.store.RUNS`, in their order."""
    import pyarrow as pa

    from regularize.store import RUNS

    return pa.Table.from_pylist([_row(run) for run in runs], schema=RUNS)


def from_table(table: pa.Table) -> dict[str, RunConfig]:
    """The configurations of a table of runs, by `run_id`."""
    columns = table.select(["run_id", "config"]).to_pydict()
    return {
        run_id: RunConfig.from_json(json.loads(config))
        for run_id, config in zip(columns["run_id"], columns["config"], strict=True)
    }


def _cells(sweep: Sweep) -> Iterator[tuple[Cell, list[RunConfig]]]:
    """Every cell in the order of the file, with a configuration for each strength."""
    for grid in sweep.datasets:
        for data in grid.sizes:
            for model in sweep.models:
                for entry in grid.entries:
                    yield (
                        Cell(data.name, data.per_class, model, entry.name),
                        [
                            RunConfig(
                                data=data,
                                model=model,
                                regularizer=entry.name,
                                terms=terms,
                                training=grid.training,
                                evaluation=sweep.evaluation,
                            )
                            for terms in entry.candidates
                        ],
                    )


def _planned(
    candidates: Sequence[RunConfig], sweep: Sweep, phase: str, repetitions: Sequence[int] | None = None
) -> list[PlannedRun]:
    """All candidates on the seeds of some repetitions, by default of all."""
    wanted = range(sweep.seeds.repetitions) if repetitions is None else repetitions
    return [
        PlannedRun(
            config=replace(candidate, seed=seed),
            phase=phase,
            repetition=repetition,
            baseline=candidate.regularizer == sweep.baseline,
        )
        for candidate in candidates
        for repetition in wanted
        for seed in sweep.seeds.of(phase, repetition)
    ]


def _matching(cell: Cell, candidates: Sequence[RunConfig], strength: str) -> list[RunConfig]:
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
        "strength": config.strength,
        "strength_value": strengths[0] if len(strengths) == 1 else None,
        "seed": config.seed,
        "pack_key": config.pack_key,
        "evaluation": config.evaluation.text,
        "planned": True,
        "baseline": run.baseline,
        "repetition": run.repetition,
        "config": json.dumps(config.to_json()),
    }

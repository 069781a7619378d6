"""From a sweep to its runs, and runs to and from the table of the store."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

from jobs.sweep.sweep_file import Sweep
from regularize.config import RunConfig
from regularize.errors import UserError
from regularize.evaluation.settings import Evaluation

if TYPE_CHECKING:
    import pyarrow as pa

_REMEMBERED = 10_000  # candidates, in a phase


class Cell(NamedTuple):
    """What one strength is chosen for."""

    dataset: str
    per_class: int | None  # None: all examples
    model: str  # with what is listed under `training`, as the column `model` of the tables has it
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
    model: str  # see `Cell`
    phase: str  # tune | report
    strength: str  # see `Candidate`
    repetition: int = 0  # of choosing and reporting
    baseline: bool = False  # whether others are compared with it


def tune_runs(sweep: Sweep, widened: Widened | None = None) -> list[PlannedRun]:
    """Every strength × tune seed; none where the sweep has a single phase."""
    cells = candidates_of(sweep, widened)
    return [run for cell, candidates in cells.items() for run in _planned(candidates, sweep, "tune", cell)]


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
        runs += _planned(candidates, sweep, "report", cell)
    return runs


def every_run(sweep: Sweep) -> list[RunConfig]:
    """Each strength of each cell × each seed: all that the sweep may want, whatever is chosen."""
    cells = candidates_of(sweep).items()
    phases = {"tune": sweep.tune_seeds, "report": sweep.report_seeds}
    return [
        run.config
        for cell, candidates in cells
        if not cell.repetition
        for phase, seeds in phases.items()
        for run in _planned(candidates, sweep, phase, cell, seeds)
    ]


def report_count(sweep: Sweep) -> int:
    """How many report runs there will be, should every cell survive tuning."""
    cells = candidates_of(sweep).items()
    return sum(
        (1 if sweep.two_phase else len(candidates)) * len(sweep.seeds.of("report", cell.repetition))
        for cell, candidates in cells
    )


def runs_table(runs: Sequence[PlannedRun]) -> pa.Table:
    """The runs as rows of `regularize.store.RUNS`, in their order."""
    from regularize.arrow_columns import table_of
    from regularize.store import RUNS

    return table_of([_row(run) for run in runs], RUNS)


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
                            model=shared.model(model),
                            regularizer=entry.name,
                            terms=terms,
                            training=shared.training,
                            evaluation=sweep.evaluation,
                            ranks=sweep.ranks.get(model, 1),
                        )
                        for terms, shared in grid.settings(entry)
                    )
                    tried = [Candidate(each, each.strength_with(grid.tuned)) for each in configs]
                    for repetition in range(sweep.seeds.repetitions):
                        label = f"{model} {grid.setting}".strip()
                        cell = Cell(data.name, data.per_class, label, entry.name, repetition)
                        found[cell] = [*tried, *(widened or {}).get(cell, ())]
    return found


def _planned(
    candidates: Sequence[Candidate], sweep: Sweep, phase: str, cell: Cell, seeds: Sequence[int] | None = None
) -> list[PlannedRun]:
    """All candidates of a cell on these seeds, or those of its repetition."""
    seeds = tuple(sweep.seeds.of(phase, cell.repetition) if seeds is None else seeds)
    evaluation = sweep.evaluation.of_phase(phase)
    return [
        run
        for candidate in candidates
        for run in _on_seeds(
            candidate, seeds, evaluation, cell, phase, candidate.config.regularizer == sweep.baseline
        )
    ]


@lru_cache(maxsize=_REMEMBERED)
def _on_seeds(
    candidate: Candidate, seeds: Sequence[int], evaluation: Evaluation, cell: Cell, phase: str, baseline: bool
) -> Sequence[PlannedRun]:
    """A sweep is played through several times on the way to Slurm: its runs are made and hashed once."""
    return [
        PlannedRun(
            config=config,
            model=cell.model,
            phase=phase,
            strength=candidate.strength,
            repetition=cell.repetition,
            baseline=baseline,
        )
        for config in candidate.config.on_seeds(seeds, evaluation)
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
        "model": run.model,
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

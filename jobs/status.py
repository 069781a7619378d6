"""Store → overview: the state of every run, what runs, what failed. Asks nobody but the store."""

from __future__ import annotations

import socket
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from jobs.lock import alive
from jobs.packs import Packs, failure, read_packs
from jobs.runs_file import read_runs
from regularize.errors import UserError
from regularize.store import PackStatus, Store

RUN_STATES = ("planned", "running", "interrupted", "failed", "done", "diverged")
SILENT_SECONDS = 60.0
_COLUMNS = ("run_id", "phase", "dataset", "per_class", "model", "regularizer", "planned")


@dataclass(frozen=True, kw_only=True)
class Row:
    """What a status says of a run beside its state."""

    run_id: str
    phase: str
    dataset: str  # with the number of examples a class, if limited
    regularizer: str  # with the model, if the sweep has several


@dataclass(frozen=True, kw_only=True)
class Active:
    """A pack that is being trained; `age` is the seconds since it last said so."""

    pack_id: str
    runs: int
    step: int
    steps: int
    epoch: int
    epochs: int
    host: str
    pid: int
    age: float


@dataclass(frozen=True, kw_only=True)
class Failure:
    """A pack that failed, the last line of its error, and the file with the rest."""

    pack_id: str
    runs: int
    message: str
    path: str


@dataclass(frozen=True, kw_only=True)
class Overview:
    """Runs by state, for every phase, and for every (regularizer, dataset), in the sweep's order.

    `progress` is the share of all planned runs' steps that is done, in [0, 1]. `broken` says what is
    wrong with packs whose status cannot be read.
    """

    phases: Mapping[str, Counter[str]]
    cells: Mapping[tuple[str, str], Counter[str]]
    progress: float
    active: Sequence[Active] = ()
    failures: Sequence[Failure] = ()
    broken: Sequence[str] = ()

    @property
    def runs(self) -> Counter[str]:
        """All runs by state."""
        return sum(self.phases.values(), Counter())

    def to_json(self) -> dict[str, Any]:
        cells = [
            {"regularizer": regularizer, "dataset": dataset, **_counts(counter)}
            for (regularizer, dataset), counter in self.cells.items()
        ]
        return {
            "runs": _counts(self.runs),
            "phases": {phase: _counts(counter) for phase, counter in self.phases.items()},
            "progress": round(self.progress, 4),
            "cells": cells,
            "active": [vars(active) for active in self.active],
            "failures": [vars(failed) for failed in self.failures],
            "broken": list(self.broken),
        }


def read_rows(store: Store) -> list[Row]:
    """The planned runs of a store.

    Raises:
        UserError: it has none.
    """
    if not store.runs.exists():
        raise UserError(f"{store.folder} holds no {store.runs.name}: nothing has been submitted to it")
    table = read_runs(store).select(_COLUMNS).to_pylist()
    return rows([row for row in table if row["planned"]])


def rows(table: Sequence[Mapping[str, Any]]) -> list[Row]:
    """Rows of `runs.parquet` with their labels."""
    several = len({row["model"] for row in table}) > 1
    return [
        Row(
            run_id=row["run_id"],
            phase=row["phase"],
            dataset=dataset_label(row["dataset"], row["per_class"]),
            regularizer=f"{row['regularizer']} ({row['model']})" if several else row["regularizer"],
        )
        for row in table
    ]


def dataset_label(name: str, per_class: int | None) -> str:
    return name if per_class is None else f"{name} ({per_class} per class)"


def overview(rows: Sequence[Row], packs: Packs, store: Store, now: datetime | None = None) -> Overview:
    """The states of the runs `rows`, as the `packs` of the `store` tell them."""
    now = now or datetime.now(UTC)
    states, shares = _run_states(packs, now)
    cells: dict[tuple[str, str], Counter[str]] = defaultdict(Counter)
    phases: dict[str, Counter[str]] = defaultdict(Counter)
    for row in rows:
        state = states.get(row.run_id, "planned")
        cells[row.regularizer, row.dataset][state] += 1
        phases[row.phase][state] += 1
    planned = {row.run_id for row in rows}
    concerned = {pack_id: s for pack_id, s in packs.statuses.items() if planned.intersection(s.runs)}
    return Overview(
        phases=phases,
        cells=cells,
        progress=sum(shares.get(row.run_id, 0.0) for row in rows) / len(rows) if rows else 1.0,
        active=[_active(i, s, now) for i, s in concerned.items() if pack_state(s, now) == "running"],
        failures=[_failed(i, s, store) for i, s in concerned.items() if _matters(s, states)],
        broken=sorted(packs.broken.values()),
    )


def read_overview(store: Store) -> Overview:
    return overview(read_rows(store), read_packs(store), store)


def pack_state(status: PackStatus, now: datetime) -> str:
    """The state of a pack; one whose process on this host died without a word is interrupted."""
    dead = status.host == socket.gethostname() and not alive(status.pid)
    if status.state == "running" and dead and _age(status, now) > SILENT_SECONDS:
        return "interrupted"
    return status.state


def processes_here(packs: Packs, now: datetime) -> set[int]:
    """The processes of this host that are training a pack."""
    return {
        status.pid
        for status in packs.statuses.values()
        if status.state == "running"
        and status.host == socket.gethostname()
        and _age(status, now) <= SILENT_SECONDS
        and alive(status.pid)
    }


def _run_states(packs: Packs, now: datetime) -> tuple[dict[str, str], dict[str, float]]:
    """The state and the share of its steps of every run; where packs disagree, the one furthest on."""
    order = {state: number for number, state in enumerate(("failed", "interrupted", "running", "done"))}
    states: dict[str, str] = {}
    shares: dict[str, float] = {}
    found = [(pack_state(status, now), status) for status in packs.statuses.values()]
    for state, status in sorted(found, key=lambda pair: order[pair[0]]):
        for run_id in status.runs:
            diverged = state == "done" and run_id in status.diverged
            states[run_id] = "diverged" if diverged else state
            shares[run_id] = status.step / status.steps if status.steps else 0.0
    return states, shares


def _matters(status: PackStatus, states: Mapping[str, str]) -> bool:
    # Runs of a failed pack may have been trained in another one since.
    return status.state == "failed" and any(states[run_id] == "failed" for run_id in status.runs)


def _active(pack_id: str, status: PackStatus, now: datetime) -> Active:
    return Active(
        pack_id=pack_id,
        runs=len(status.runs),
        step=status.step,
        steps=status.steps,
        epoch=status.epoch,
        epochs=status.epochs,
        host=status.host,
        pid=status.pid,
        age=round(_age(status, now), 1),
    )


def _failed(pack_id: str, status: PackStatus, store: Store) -> Failure:
    paths = store.pack(pack_id)
    return Failure(pack_id=pack_id, runs=len(status.runs), message=failure(paths), path=str(paths.error))


def _age(status: PackStatus, now: datetime) -> float:
    try:
        return max(0.0, (now - datetime.fromisoformat(status.updated_at)).total_seconds())
    except (ValueError, TypeError):
        return float("inf")


def _counts(counter: Counter[str]) -> dict[str, int]:
    return {state: counter[state] for state in RUN_STATES}

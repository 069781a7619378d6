"""Finished runs of a store trained again, in a store of their own, and held against what was found before."""

from __future__ import annotations

import hashlib
import json
import shutil
import time
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import pyarrow as pa
import pyarrow.compute as pc
from rich.console import Console

from jobs.local.worker_processes import launch
from jobs.planning.job_arrays import make_elements
from jobs.planning.packing import Pack, balanced, make_slices
from jobs.slurm.client import Slurm
from jobs.store.journal import read_journal
from jobs.store.pack_status import failure, read_packs
from jobs.store.runs_table import read_runs
from jobs.store.submitted_settings import Saved
from jobs.submission.follow_up_job import way_to_slurm
from jobs.submission.hand_to_slurm import array_of
from jobs.submission.job_outcomes import look
from jobs.support.readable_numbers import plural
from jobs.sweep.run_grid import from_table
from jobs.verification.differences import difference
from regularize import models
from regularize.config import RunConfig, pack_id
from regularize.errors import UserError
from regularize.own_code import check_trusted
from regularize.store import RUNS, PackStatus, Store, write_table

QUEUE_SECONDS = 10.0


@dataclass(frozen=True)
class Verified:
    """A run that was trained again; `differs` names a table and column, `` where all is equal."""

    run_id: str
    differs: str


def drawn(run_ids: Iterable[str], count: int) -> list[str]:
    """So many of them, by a hash: the same ones for whoever asks."""
    return sorted(run_ids, key=lambda run_id: hashlib.blake2b(f"verify/{run_id}".encode()).digest())[:count]


def verify(store: Store, known: Saved, run_ids: Collection[str], console: Console) -> list[Verified]:
    """Train these finished runs again where the sweep was trained, and compare them; in the order given.

    They are measured as they were before: where curves are by other settings, again after the training.
    What was trained again is removed where all is equal, and else stays beside the store's packs.

    Raises:
        UserError: one of them cannot be trained, or is of a model that is not trusted, or Slurm refuses.
        KeyboardInterrupt: the training was interrupted.
    """
    moment = datetime.now(UTC).strftime("%Y%m%dT%H%M%S")
    again = Store(store.folder / "verify" / moment)
    table = read_runs(store)
    rows = table.filter(pc.is_in(table["run_id"], value_set=pa.array(list(run_ids), pa.string())))
    done = (status for status in read_packs(store).statuses.values() if status.state == "done")
    told = {run_id: status for status in done for run_id in status.runs}
    whole = _packed_own(rows, told)
    trained = list(dict.fromkeys([*run_ids, *(each for pack in whole for each in pack)]))
    rows = table.filter(pc.is_in(table["run_id"], value_set=pa.array(trained, pa.string())))
    begun = _measured_by(rows, {run_id: told[run_id].curves or told[run_id].evaluation for run_id in trained})
    ended = _measured_by(rows, {run_id: told[run_id].evaluation for run_id in trained})
    check_trusted(_models(from_table(begun)))
    packs = _packs(from_table(begun), from_table(ended), known.cluster.usual_runs, whole)
    console.print(f"training {plural(len(run_ids), 'run')} again in {again.folder}", soft_wrap=True)
    for each in (begun, ended)[: 1 if begun.equals(ended) else 2]:
        write_table(again.runs, each, RUNS)
        _work_through(again, known, packs, console)
    before, now = (_homes(each) for each in (store, again))
    _check_done(again, run_ids, now)
    found = [
        Verified(run_id, difference(run_id, store.pack(before[run_id]), again.pack(now[run_id])))
        for run_id in run_ids
    ]
    if not any(each.differs for each in found):
        shutil.rmtree(again.folder)
    return found


def _models(runs: Mapping[str, RunConfig]) -> list[str]:
    return sorted({run.model for run in runs.values()})


def _measured_by(rows: pa.Table, evaluations: Mapping[str, str]) -> pa.Table:
    """The rows of runs with other evaluations; `` leaves a run with its own."""
    found = rows.to_pylist()
    for row in found:
        if text := evaluations[row["run_id"]]:
            config = json.loads(row["config"]) | {"evaluation": json.loads(text)}
            row |= {"evaluation": text, "config": json.dumps(config)}
    return pa.Table.from_pylist(found, schema=RUNS)


def _work_through(again: Store, known: Saved, packs: Sequence[Pack], console: Console) -> None:
    if known.cluster.kind == "local":
        launch(again, make_slices(packs, known.cluster.slots), known.cluster, known.data_root, lambda: None)
    else:
        _by_jobs(again, known, packs, console)


def _packed_own(rows: pa.Table, told: Mapping[str, PackStatus]) -> list[tuple[str, ...]]:
    """The packs of modules of one's own, whose runs are the same bits in the same pack alone."""
    own = [run_id for run_id, config in from_table(rows).items() if not models.packable(config.model)]
    return list(dict.fromkeys(told[run_id].runs for run_id in own if len(told[run_id].runs) > 1))


def _packs(
    begun: Mapping[str, RunConfig],
    ended: Mapping[str, RunConfig],
    limit: int,
    whole: Sequence[tuple[str, ...]],
) -> list[Pack]:
    """Of runs that are measured alike, on the way and at the end; `whole` ones stay as they are."""
    groups: dict[tuple[str, str], list[str]] = defaultdict(list)
    settled = {run_id for pack in whole for run_id in pack}
    for run_id, config in begun.items():
        if run_id not in settled:
            groups[config.pack_key, ended[run_id].evaluation.text].append(run_id)
    parts = [part for group in groups.values() for part in balanced(group, limit)]
    return [Pack(runs=part, whole=1.0) for part in (*whole, *parts)]


def _by_jobs(again: Store, known: Saved, packs: Sequence[Pack], console: Console) -> None:
    slurm = Slurm(say=console.print)
    elements = make_elements(packs, known.cluster, len(packs))
    runs = from_table(read_runs(again)).values()
    named = {name for run in runs for name in (*run.sources, run.data.name) if ":" in name}
    way = way_to_slurm(again, known, slurm, sorted(named))
    job = way.hand_over(array_of("verify", elements, None))
    console.print(f"in Slurm's queue: job {job}", highlight=False)
    while look(read_journal(again.journal), slurm).live_arrays():
        time.sleep(QUEUE_SECONDS)


def _homes(store: Store) -> dict[str, str]:
    """Finished runs, and the pack that has each."""
    done = (status for status in read_packs(store).statuses.values() if status.state == "done")
    return {run_id: pack_id(status.runs) for status in done for run_id in status.runs}


def _check_done(again: Store, run_ids: Iterable[str], now: Collection[str]) -> None:
    if missing := [run_id for run_id in run_ids if run_id not in now]:
        packs = read_packs(again)
        reasons = {failure(again.pack(i)) for i, s in packs.statuses.items() if s.state == "failed"}
        why = "; ".join(sorted(reasons)) or f"the logs are in {again.logs}"
        raise UserError(f"{plural(len(missing), 'run')} could not be trained again: {why}")

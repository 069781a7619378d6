"""One run, as the files of its store and its jobs tell of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pyarrow.compute as pc

from jobs.status.log_files import worker_log
from jobs.store.pack_status import Packs, diverged
from jobs.submission.job_outcomes import UNKNOWN, Sight
from jobs.support.readable_numbers import duration
from jobs.watch.header_words import clock
from jobs.watch.run_detail import Attempt, Piece, Point
from jobs.watch.run_notes import Job, jobs_of
from regularize.config_text import config_values, no_config
from regularize.errors import UserError
from regularize.opened import opened
from regularize.store import Store, read_table

TAIL = 64_000  # bytes of a log that are shown at first
MOST = 1_000_000  # and that are read at once


def facts(run_id: str, row: Mapping[str, Any], packs: Packs, sight: Sight) -> dict[str, str]:
    """Where and how it runs; without what is not known."""
    job = jobs_of(sight, packs).get(run_id, Job())
    found = {"phase": str(row["phase"]), "seed": str(row["seed"]), "job": job.job_id}
    if task := job.task:
        found |= {"Slurm": f"{task.state}, {task.reason}" if task.reason != "None" else task.state}
        found |= (
            {"expected start": clock(task.start.isoformat())}
            if task.start and task.state == "PENDING"
            else {}
        )
        found |= {"time limit": clock(task.end.isoformat())} if task.end else {}
    elif job.ending and job.ending != UNKNOWN:
        found |= {"Slurm": job.ending}
    if pack := job.pack:
        found |= {"this run": diverged(pack.diverged_at.get(run_id))} if run_id in pack.diverged else {}
        found |= {"pack": f"{job.pack_id}, {pack.state}, of {len(pack.runs)} runs"}
        found |= {"node": f"{pack.host}, process {pack.pid}"}
        found |= {"epoch": f"{pack.epoch} of {pack.epochs}, step {pack.step:,} of {pack.steps:,}"}
        found |= {"trained for": duration(pack.seconds), "last sign": clock(pack.updated_at)}
    return {name: value for name, value in found.items() if value}


def attempts(run_id: str, packs: Packs, sight: Sight) -> tuple[Attempt, ...]:
    """Every job that it was handed to, and how that ended; on this machine, the pack it is in."""
    found = []
    for handed in sight.journal.arrays:
        for index in range(len(handed.elements)):
            if run_id in handed.runs(index):
                task, ending = sight.live.get((handed.token, index)), handed.endings.get(index)
                gone = sight.gone.get(
                    (handed.token, index), "never reached Slurm" if handed.abandoned else UNKNOWN
                )
                outcome = task.state if task else ending.state if ending else gone
                found.append(Attempt(handed.slurm_id(index) if handed.job_id else "", handed.time, outcome))
    begun = [status for status in packs.statuses.values() if run_id in status.runs and not status.job]
    return (*found, *(Attempt("", status.started_at, status.state) for status in begun))


def configuration(config: str) -> dict[str, str]:
    """A run's configuration, its nested names joined by dots, without what is null."""
    try:
        return {name: value for name, value in _flat("", config_values(config)) if value}
    except (TypeError, KeyError, ValueError) as error:
        raise no_config(config, error) from None


def _flat(name: str, value: Any) -> Iterator[tuple[str, str]]:
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from _flat(f"{name}.{key}" if name else key, inner)
    elif name == "terms":
        for term in value:
            settings = [
                f"{key}={inner}" for key, inner in (*term["strengths"], *term["options"]) if inner is not None
            ]
            yield str(term["technique"]), ", ".join(settings) or "on"
    elif isinstance(value, list):
        yield name, ", ".join(f"{inner:.4g}" if isinstance(inner, float) else str(inner) for inner in value)
    else:
        yield name, "" if value is None else str(value)


def points(store: Store, packs: Packs, run_id: str) -> tuple[Point, ...]:
    """Its metrics so far, from the pack that is furthest on."""
    holding = [pack for pack, status in packs.statuses.items() if run_id in status.runs]
    for pack_id in sorted(holding, key=lambda pack: -packs.statuses[pack].step):
        paths = store.pack(pack_id)
        for path in (paths.metrics, paths.curves):
            try:
                table = read_table(path, ["run_id", *Point._fields])
            except (FileNotFoundError, UserError):
                continue  # not there yet, or damaged, which `collect` says
            own = table.filter(pc.equal(table["run_id"], run_id)).select(list(Point._fields))
            return tuple(Point(**row) for row in own.to_pylist())
    return ()


def log_of(store: Store, packs: Packs, sight: Sight, run_id: str) -> Path:
    """The file that tells most of it: its error, its job's log, on this machine the newest log.

    Raises:
        UserError: there is none yet.
    """
    job = jobs_of(sight, packs).get(run_id, Job())
    error = store.pack(job.pack_id).error
    if job.pack and job.pack.state == "failed" and error.exists():
        return error
    if job.job_id:
        exact = [store.logs / f"{job.pack.job}_log.out"] if job.pack and job.pack.job else []
        ours = sorted(store.logs.glob(f"{job.job_id}_*_log.out"))
    else:
        own = worker_log(store, job.pack.pid) if job.pack else None
        logs = [*store.logs.glob("worker-*.log"), *store.logs.glob("*_log.out")]
        exact, ours = [own] if own else [], sorted(logs, key=lambda path: -path.lstat().st_mtime)
    for path in (*exact, *ours):
        if path.exists():
            return path
    raise UserError("there is no log yet")


def piece(path: Path, offset: int | None) -> Piece:
    """What the file says from `offset` on, all of it if it has become shorter; its end where that is None.

    Raises:
        UserError: it cannot be read.
    """
    try:
        with opened(path) as file:
            size = file.seek(0, 2)
            start = max(0, size - TAIL) if offset is None else offset if offset <= size else 0
            file.seek(start)
            data = file.read(MOST)
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror}") from None
    if offset is None and start:
        cut = data.find(b"\n") + 1
        data, start = data[cut:], start + cut
    # A character that was cut in half comes whole with the next piece.
    whole = data[: _whole(data)]
    return Piece(path=str(path), text=whole.decode(errors="replace"), offset=start + len(whole))


def _whole(data: bytes) -> int:
    """How many bytes end with a whole character of UTF-8."""
    for back in range(1, min(4, len(data) + 1)):
        byte = data[-back]
        if byte & 0xC0 != 0x80:
            length = 1 if byte < 0x80 else 2 if byte >> 5 == 6 else 3 if byte >> 4 == 14 else 4
            return len(data) - back if length > back and byte >= 0xC0 else len(data)
    return len(data)

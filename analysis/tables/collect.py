"""The packs' many small tables as a few large ones, which read a hundred times faster.

`tables/{runs,results,metrics,predictions,spectra,robustness,corruptions}.parquet` hold the planned runs only.
Every row carries the readable columns of `runs.parquet`; rows are sorted by dataset, regularizer,
strength and seed, so that a reader who asks for one dataset skips the rest.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from analysis.tables.pack_files import PackFiles, Part, parts
from analysis.tables.strength_text import strength_order
from regularize import __version__
from regularize.errors import UserError
from regularize.path_parts import check_parts
from regularize.store import (
    CORRUPTIONS,
    METRICS,
    PREDICTIONS,
    RESULTS,
    ROBUSTNESS,
    RUNS,
    SCHEMA_VERSION,
    SPECTRA,
    DamagedFileError,
    Store,
    open_table,
    read_table,
    write_batches,
)
from regularize.whole_files import warn

NAMES = ("runs", "results", "metrics", "predictions", "spectra", "robustness", "corruptions")
READABLE = ("dataset", "per_class", "model", "regularizer", "strength", "strength_value", "seed", "phase")

_PACK_SCHEMAS = {
    "results": RESULTS,
    "metrics": METRICS,
    "predictions": PREDICTIONS,
    "spectra": SPECTRA,
    "robustness": ROBUSTNESS,
    "corruptions": CORRUPTIONS,
}
_WITHIN_RUN = {
    "results": (),
    "metrics": ("epoch", "split"),
    "predictions": ("example",),
    "spectra": ("layer", "index"),
    "robustness": ("attack", "size"),
    "corruptions": ("corruption", "severity"),
}
_ROWS_AT_ONCE = 400_000  # what is held in memory, whatever the size of the sweep


@dataclass(frozen=True, kw_only=True)
class Collected:
    """What there is: planned `runs`, how many have a result, how many of those diverged.

    `left_out` counts runs of earlier versions of the sweep; `damaged` names the files set aside,
    now or before, that were not written anew; `gone` those that packs that are done lack; `written` the
    tables that had changed.
    """

    runs: int
    finished: int
    diverged: int
    left_out: int
    damaged: tuple[Path, ...]
    gone: tuple[Path, ...]
    written: tuple[str, ...]


def run_order(run: Mapping[str, Any]) -> tuple[Any, ...]:
    """The order of the tables' runs."""
    few = (run["per_class"] is None, run["per_class"] or 0)
    strength = (strength_order(run["strength"]), run["strength"])
    return run["dataset"], few, run["model"], run["regularizer"], strength, run["seed"], run["run_id"]


def schema(name: str) -> pa.Schema:
    """The schema of `tables/<name>.parquet`."""
    if name == "runs":
        return RUNS
    own = [field for field in _PACK_SCHEMAS[name] if field.name != "run_id"]
    return pa.schema([RUNS.field("run_id"), *(RUNS.field(column) for column in READABLE), *own])


def collect(store: Store, names: Sequence[str] = NAMES) -> Collected:
    """Bring the tables `names` up to date with the packs; `runs` and `results` always are.

    A table whose sources have not changed is left alone; one that is damaged is built anew, and a line on
    stderr says so. A damaged pack file is renamed to `<file>.damaged` and the rest is used.

    Raises:
        UserError: there is no `runs.parquet`, it is damaged, or the file system does not give a file.
    """
    while True:
        try:
            return _collect(store, [name for name in NAMES if name in {"runs", "results", *names}])
        except DamagedFileError as error:
            if error.path == store.runs:
                raise
            error.set_aside()
        except FileNotFoundError:
            continue  # set aside by another collect; look again


def _collect(store: Store, names: Sequence[str]) -> Collected:
    if not store.runs.exists():
        raise UserError(f"{store.folder} holds no {store.runs.name}: nothing has been submitted to it")
    files = PackFiles.of(store)
    sources = {name: [store.runs, *files.table("results")] for name in NAMES} | {"runs": [store.runs]}
    for name in _PACK_SCHEMAS.keys() - {"results"}:
        sources[name] += files.table(name)
    fingerprints = {name: _fingerprint(schema(name), paths) for name, paths in sources.items()}
    stale = tuple(name for name in names if fingerprints[name] != _recorded(store.table(name)))

    everything = read_table(store.runs)
    runs = _in_order(store, everything)
    owners = parts(files.table("results"), {}) if stale else {}
    for name in stale:
        where = {} if name == "runs" else parts(files.table(name), owners)
        batches = [runs] if name == "runs" else _batches(name, runs, where)
        write_batches(store.table(name), batches, schema(name), sources=fingerprints[name])
    states = read_table(store.table("results"), ["state"])["state"]
    return Collected(
        runs=len(runs),
        finished=len(states),
        diverged=pc.sum(pc.equal(states, "diverged")).as_py() or 0,
        left_out=len(everything) - len(runs),
        damaged=tuple(files.damaged()),
        gone=tuple(files.gone()),
        written=stale,
    )


def _fingerprint(schema: pa.Schema, paths: Sequence[Path]) -> str:
    """Changes with the columns, and when any file is replaced; whole-file writes make the inode a witness."""
    digest = hashlib.blake2b(f"{SCHEMA_VERSION} {__version__} {schema}\n".encode(), digest_size=16)
    for path in paths:
        stat = path.lstat()  # a link is one that reading refuses
        stamp = f"{stat.st_size} {stat.st_mtime_ns} {stat.st_ino}"
        digest.update(f"{path.parent.name}/{path.name} {stamp}\n".encode())
    return digest.hexdigest()


def _recorded(table: Path) -> str:
    """The fingerprint of what a table was made of; `` if there is no readable table."""
    try:
        with open_table(table) as file:
            metadata: dict[bytes, bytes] = file.schema_arrow.metadata or {}
    except FileNotFoundError:
        return ""
    except DamagedFileError as error:
        warn(f"{table} was damaged ({error.reason}): it is built anew")
        return ""
    return metadata.get(b"sources", b"").decode()


def _in_order(store: Store, everything: pa.Table) -> pa.Table:
    """The planned runs."""
    try:
        check_parts(everything["run_id"].to_pylist())
        rows = sorted(everything.filter(everything["planned"]).to_pylist(), key=run_order)
        return pa.Table.from_pylist(rows, schema=RUNS)
    except (pa.ArrowException, KeyError, ValueError, TypeError, AttributeError) as error:
        raise DamagedFileError(store.runs, f"it is no table of runs: {error}") from None


def _batches(name: str, runs: pa.Table, where: Mapping[str, Part]) -> Iterator[pa.Table]:
    """The rows of a collected table in their final order, so many at a time."""
    batch: dict[str, Part] = {}
    rows = 0
    for run_id in runs["run_id"].to_pylist():
        if run_id in where:
            batch[run_id] = where[run_id]
            rows += where[run_id].rows
        if rows >= _ROWS_AT_ONCE:
            yield _rows(name, runs, batch)
            batch, rows = {}, 0
    if batch:
        yield _rows(name, runs, batch)


def _rows(name: str, runs: pa.Table, batch: Mapping[str, Part]) -> pa.Table:
    by_path = defaultdict(list)
    for run_id, part in batch.items():
        by_path[part.path].append(run_id)
    pieces = [_rows_of(path, ids, _PACK_SCHEMAS[name]) for path, ids in by_path.items()]
    table = pa.concat_tables(pieces).combine_chunks()
    position = pc.index_in(table["run_id"], value_set=runs["run_id"])
    for column in READABLE:
        table = table.append_column(RUNS.field(column), runs[column].take(position))
    keys = [(key, "ascending") for key in ("position", *_WITHIN_RUN[name])]
    order = pc.sort_indices(table.append_column("position", position), sort_keys=keys)
    return table.select(schema(name).names).take(order)


def _rows_of(path: Path, run_ids: Sequence[str], schema: pa.Schema) -> pa.Table:
    """Some runs' rows of a pack's file; a column that older files lack is null."""
    table = read_table(path)
    table = pa.concat_tables([schema.empty_table(), table], promote_options="default").select(schema.names)
    return table.filter(pc.is_in(table["run_id"], value_set=pa.array(run_ids))).cast(schema)

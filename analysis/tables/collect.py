"""The packs' many small tables as a few large ones, which read a hundred times faster.

`tables/{runs,results,metrics,spectra,robustness,corruptions}.parquet` hold the planned runs only;
predictions, which are most of what a sweep writes, stay where they are (`kept_predictions`).
Every row carries the readable columns of `runs.parquet`. `runs` and `results` are sorted by problem,
regularizer, strength and seed; the others by seed before strength, as packs are cut, so that a batch of
rows comes from few packs.
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

from analysis.tables.collected_files import (
    CELL,
    NAMES,
    PACK_SCHEMAS,
    Cell,
    cell_file,
    columns_file,
)
from analysis.tables.collected_rows import Record, RowsFile, VanishedError
from analysis.tables.pack_files import Pack, Packs, Stamp
from analysis.tables.readable_rows import READABLE
from analysis.tables.strength_text import strength_order
from regularize import __version__
from regularize.errors import UserError
from regularize.path_parts import check_parts
from regularize.store import RUNS, SCHEMA_VERSION, DamagedFileError, Store, read_table, write_batches

__all__ = ["NAMES", "Collected", "collect", "run_order"]

_WITHIN_RUN = {
    "results": (),
    "metrics": ("epoch", "split"),
    "spectra": ("layer", "index"),
    "robustness": ("attack", "size"),
    "corruptions": ("corruption", "severity"),
}
_RUNS_AT_ONCE = 10_000  # whose configurations are held in memory twice


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


def collect(store: Store, names: Sequence[str] = NAMES) -> Collected:
    """Bring the tables `names` up to date with the packs; `runs` and `results` always are.

    A file whose sources have not changed is left alone; one that is damaged is built anew, and a line on
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
        except (FileNotFoundError, VanishedError):
            continue  # set aside by another collect; look again


def _collect(store: Store, names: Sequence[str]) -> Collected:
    if not store.runs.exists():
        raise UserError(f"{store.folder} holds no {store.runs.name}: nothing has been submitted to it")
    planned_at = _stamp(store.runs)
    packs = Packs.of(store)
    everything = _readable(store)
    planned = everything.filter(everything["planned"])
    runs = planned.take(pa.array(_order(store, planned), pa.int64()))

    store.table("predictions").unlink(missing_ok=True)  # of an earlier version, which had them twice
    written = {"runs"} if _update_runs(store, runs, planned_at) else set()
    for name in names[1:]:
        owners = packs.owners(name)
        if name == "results":
            file = RowsFile(store.table(name), name, PACK_SCHEMAS[name], (), runs)
            changed = file.update(owners, always=True)
        else:
            changed = _update_folder(store.table(name), name, runs, owners)
        written |= {name} if changed else set()
    if _stamp(store.runs) != planned_at:  # the sweep has grown: of what it has now, files were removed
        raise VanishedError(store.runs)
    states = read_table(store.table("results"), ["state"])["state"]
    return Collected(
        runs=len(runs),
        finished=len(states),
        diverged=pc.sum(pc.equal(states, "diverged")).as_py() or 0,
        left_out=len(everything) - len(runs),
        damaged=tuple(packs.damaged()),
        gone=tuple(packs.gone()),
        written=tuple(name for name in names if name in written),
    )


def _stamp(path: Path) -> Stamp:
    stat = path.lstat()
    return stat.st_size, stat.st_mtime_ns, stat.st_ino


def _readable(store: Store) -> pa.Table:
    """What is read of all runs, without their configurations, which are most of the table."""
    wanted = pa.schema([RUNS.field(name) for name in ("run_id", *READABLE, "planned")])
    try:
        table = _as_schema(read_table(store.runs, wanted.names), wanted)
        check_parts(table["run_id"].to_pylist())
    except (pa.ArrowException, KeyError, ValueError) as error:
        raise DamagedFileError(store.runs, f"it is no table of runs: {error}") from None
    return table


def _as_schema(table: pa.Table, wanted: pa.Schema) -> pa.Table:
    """With the columns that are wanted; null where an older version had none."""
    whole = pa.concat_tables([wanted.empty_table(), table], promote_options="default")
    return whole.select(wanted.names).cast(wanted)


def _order(store: Store, runs: pa.Table) -> list[int]:
    """The places of runs, in the order of the tables."""
    columns = {name: runs[name].to_pylist() for name in runs.column_names}
    try:
        keys = [
            run_order(dict(zip(columns, row, strict=True))) for row in zip(*columns.values(), strict=True)
        ]
        return sorted(range(len(keys)), key=keys.__getitem__)
    except (ValueError, TypeError, AttributeError) as error:
        raise DamagedFileError(store.runs, f"it is no table of runs: {error}") from None


def _update_runs(store: Store, runs: pa.Table, planned_at: Stamp) -> bool:
    """Bring the table `runs` up to date with the store's as it was at a time; whether it had to be."""
    stamp = f"{SCHEMA_VERSION} {__version__} {RUNS} {' '.join(map(str, planned_at))}"
    record = Record(hashlib.blake2b(stamp.encode(), digest_size=16).hexdigest())
    path = store.table("runs")
    if Record.of(path) == record:
        return False
    try:
        everything = _as_schema(read_table(store.runs), RUNS)
    except (pa.ArrowException, KeyError) as error:
        raise DamagedFileError(store.runs, f"it is no table of runs: {error}") from None
    places = pc.index_in(runs["run_id"], value_set=everything["run_id"])

    def batches() -> Iterator[pa.Table]:
        for start in range(0, len(places), _RUNS_AT_ONCE):
            yield everything.take(places.slice(start, _RUNS_AT_ONCE))

    write_batches(path, batches(), RUNS, sources=record.text())
    return True


def _update_folder(folder: Path, name: str, runs: pa.Table, owners: Mapping[str, Pack]) -> bool:
    """Bring the files of a table of many rows a run up to date; whether one had to be."""
    if folder.is_file():  # of an earlier version
        folder.unlink()
    own, within = PACK_SCHEMAS[name], _WITHIN_RUN[name]
    empty = RowsFile(columns_file(folder), name, own, within, runs.slice(0, 0))
    changed = empty.update({}, always=True)
    wanted = {empty.path}
    for cell, places in _cells(runs).items():
        file = RowsFile(cell_file(folder, cell), name, own, within, runs.take(places))
        changed |= file.update(owners)
        wanted.add(file.path)
    for path in set(folder.glob("*.parquet")) - wanted:  # of what the sweep had before
        path.unlink(missing_ok=True)
        changed = True
    return changed


def _cells(runs: pa.Table) -> dict[Cell, list[int]]:
    """The places of every cell's runs, by seed before strength, as packs are cut."""
    columns = [runs[name].to_pylist() for name in CELL]
    places: dict[Cell, list[int]] = defaultdict(list)
    for place, (dataset, few, model, regularizer) in enumerate(zip(*columns, strict=True)):
        places[dataset, few, model, regularizer].append(place)
    seeds = runs["seed"].to_pylist()
    return {cell: sorted(mine, key=seeds.__getitem__) for cell, mine in places.items()}

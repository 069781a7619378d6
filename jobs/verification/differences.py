"""Two trainings of one run, number by number."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from regularize.store import PackPaths, read_table

# What says where and when a run was trained, rather than what came of it.
CIRCUMSTANCES = frozenset(
    {
        "seconds",
        "core_seconds",
        "evaluation_seconds",
        "pack_id",
        "pack_runs",
        "host",
        "finished_at",
        "code",
        "torch",
        "numpy",
    }
)
TABLES = ("results", "metrics", "predictions", "spectra", "robustness", "corruptions")


def difference(run_id: str, one: PackPaths, other: PackPaths) -> str:
    """The first table and column in which a run of two packs differs; `` where every number is equal."""
    return next(_differences(run_id, one, other), "")


def _differences(run_id: str, one: PackPaths, other: PackPaths) -> Iterator[str]:
    for name in TABLES:
        ours, theirs = (_rows(getattr(paths, name), run_id) for paths in (one, other))
        if ours is None or theirs is None:
            if ours is not theirs:
                yield f"{name}: only one of them has it"
            continue
        for column in (each for each in ours.column_names if each not in CIRCUMSTANCES):
            if column not in theirs.column_names or not _same(ours[column], theirs[column]):
                yield f"{name}.{column}"
    mine, yours = (_weights(paths, run_id) for paths in (one, other))
    for tensor, values in mine.items():
        if tensor not in yours or not np.array_equal(values, yours[tensor], equal_nan=True):
            yield f"weights: {tensor}"


def _rows(path: Path, run_id: str) -> pa.Table | None:
    if not path.exists():
        return None
    table = read_table(path)
    return table.filter(pc.equal(table["run_id"], run_id)).combine_chunks()


def _same(one: pa.ChunkedArray, other: pa.ChunkedArray) -> bool:
    # As Python values, whose repr tells −0 from 0 and says of NaN that it is itself.
    return repr(one.to_pylist()) == repr(other.to_pylist())


def _weights(paths: PackPaths, run_id: str) -> dict[str, np.ndarray]:
    from regularize import checkpoint

    kept = checkpoint.load(paths.weights)
    row = kept["runs"].index(run_id)
    return {name: tensor[row].numpy() for name, tensor in kept["model"].items() if tensor.ndim}

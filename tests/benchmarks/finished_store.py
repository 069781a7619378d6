"""Stores of so many finished runs, as training leaves them, without training.

Twelve techniques and the baseline on up to 15 problems, each technique at several strengths on tune seeds and
at one on 15 report seeds. Packs of eight, cut as `jobs/planning/packing.py` does: of one entry and phase, by
seed before strength. Tune runs have curves of the validation part; report runs those of all parts, spectra
and the predictions of a test part as large as MNIST's.
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from typing import Any
from unittest import mock

import numpy as np
import pyarrow as pa

from regularize.config import pack_id
from regularize.store import METRICS, PREDICTIONS, RESULTS, RUNS, SPECTRA, PackPaths, Store, write_table
from tests.jobs.stores import status

PACK, EPOCHS = 8, 200
ROWS = 50  # of a curve
EXAMPLES, CLASSES = 10_000, 10
SPLITS = ("train", "validation", "test")
DATASETS, SHOTS = ("mnist", "cifar10", "cifar100", "svhn", "digits"), (10, 100, None)
REPORT = range(1000, 1015)
LAYERS = {"conv1": 6, "conv2": 16, "fc1": 120, "fc2": 84, "fc3": 10}
_FEW = 10_000  # runs for which eight strengths and five tune seeds are enough


def runs(wanted: int) -> list[dict[str, Any]]:
    """The first so many, one problem after the other."""
    count, tune = (8, range(5)) if wanted <= _FEW else (40, range(14))
    strengths = [f"{value:g}" for value in np.logspace(-8, -1, count)]
    return _runs(itertools.product(DATASETS, SHOTS), strengths, tune)[:wanted]


def report_runs(problems: int) -> list[dict[str, Any]]:
    """Those on report seeds of so many problems, each technique at one strength."""
    pairs = ((DATASETS[place % len(DATASETS)], 10 + place) for place in range(problems))
    return _runs(pairs, ["0.001"], ())


def _runs(
    problems: Iterable[tuple[str, int | None]], strengths: Sequence[str], tune: Sequence[int]
) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    for dataset, few in problems:
        for regularizer in ("none", *(f"technique_{place}" for place in range(12))):
            mine = strengths if regularizer != "none" else [""]
            cells = [("tune", strength, seed) for strength in mine for seed in tune]
            cells += [("report", mine[len(mine) // 2], seed) for seed in REPORT]
            for phase, strength, seed in cells:
                found.append(
                    {
                        "run_id": f"{len(found):016x}",
                        "phase": phase,
                        "dataset": dataset,
                        "per_class": few,
                        "model": "lenet5",
                        "regularizer": regularizer,
                        "strength": strength,
                        "strength_value": float(strength) if strength else None,
                        "seed": seed,
                        "pack_key": f"{dataset} {few} {regularizer}",
                        "planned": True,
                        "config": "{}",
                        "good": strength == mine[len(mine) // 2],  # so this one is chosen
                    }
                )
    return found


def packs(every: Sequence[dict[str, Any]]) -> Iterator[list[dict[str, Any]]]:
    """Runs that trained side by side."""
    ordered = sorted(every, key=lambda r: (r["pack_key"], r["phase"] != "tune", r["seed"], r["strength"]))
    for _, group in groupby(ordered, key=lambda run: (run["pack_key"], run["phase"])):
        mine = list(group)
        yield from (mine[start : start + PACK] for start in range(0, len(mine), PACK))


def build(store: Store, every: Sequence[dict[str, Any]], *, examples: int = EXAMPLES) -> None:
    """Write the store, without waiting for the disk, with the predictions of so many examples."""
    generator = np.random.default_rng(0)
    with mock.patch("os.fsync"):
        write_table(store.runs, every, RUNS)
        for pack in packs(every):
            write(store, pack, generator, examples)


def write(
    store: Store, pack: Sequence[dict[str, Any]], generator: np.random.Generator, examples: int = EXAMPLES
) -> PackPaths:
    """The files of one pack, with the predictions of so many examples."""
    run_ids, report = [run["run_id"] for run in pack], pack[0]["phase"] == "report"
    paths = store.pack(pack_id(run_ids))
    write_table(paths.metrics, metrics(run_ids, SPLITS if report else SPLITS[1:2], generator), METRICS)
    write_table(paths.results, [result(run, paths.folder.name, generator) for run in pack], RESULTS)
    if report:
        write_table(paths.predictions, predictions(run_ids, generator, examples), PREDICTIONS)
        write_table(paths.spectra, spectra(run_ids, generator), SPECTRA)
    status(run_ids, "done", files=dict(paths.kept())).write(paths.status)
    return paths


def metrics(run_ids: Sequence[str], splits: Sequence[str], generator: np.random.Generator) -> pa.Table:
    """A row for each run, epoch that is measured, and part."""
    rows = len(run_ids) * ROWS * len(splits)
    epochs = np.tile(np.repeat(np.linspace(EPOCHS / ROWS, EPOCHS, ROWS), len(splits)), len(run_ids))
    train = np.tile(np.array(splits) != "train", rows // len(splits))
    columns = {
        "run_id": np.repeat(run_ids, ROWS * len(splits)),
        "epoch": epochs,
        "step": (400 * epochs).astype(int),
        "split": np.tile(splits, rows // len(splits)),
        "examples": np.where(train, 10_000, 5000),  # `train` masks those that are not
        "loss": generator.random(rows),
        "accuracy": generator.random(rows),
        "objective": pa.array(generator.random(rows), mask=train),
        "seconds": pa.array(0.5 * epochs, mask=train),
    }
    return pa.table(columns).cast(METRICS)


def result(run: dict[str, Any], pack: str, generator: np.random.Generator) -> dict[str, Any]:
    good = 0.9 + 0.01 * run["good"] + generator.normal(0, 0.004)
    splits = SPLITS if run["phase"] == "report" else SPLITS[1:2]
    scores = {f"{split}_accuracy": good + generator.normal(0, 0.001) for split in splits}
    scores |= {f"{split}_loss": 1 - good for split in splits}
    ended = {"state": "done", "epochs": EPOCHS, "steps": 400 * EPOCHS, "seconds": 30.0, "core_seconds": 30.0}
    sizes = {"classes": CLASSES, "training_size": 50_000, "validation_size": 5000, "test_size": EXAMPLES}
    calibration = {"test_ece": 0.1 * (1 - good)} if run["phase"] == "report" else {}
    return {"run_id": run["run_id"], "pack_id": pack, **ended, **sizes, **scores, **calibration}


def predictions(run_ids: Sequence[str], generator: np.random.Generator, examples: int) -> pa.Table:
    """Mostly right, more or less sure."""
    rows = len(run_ids) * examples
    labels = np.tile(np.arange(examples) % CLASSES, len(run_ids))
    logits = generator.normal(0, 2, (rows, CLASSES)).astype(np.float32)
    logits[np.arange(rows), labels] += 5
    columns = {
        "run_id": np.repeat(run_ids, examples),
        "example": np.tile(np.arange(examples), len(run_ids)),
        "label": labels,
        "logits": pa.ListArray.from_arrays(np.arange(rows + 1, dtype=np.int32) * CLASSES, logits.ravel()),
        "jacobian_norm": pa.nulls(rows, pa.float64()),
    }
    return pa.table(columns).cast(PREDICTIONS)


def spectra(run_ids: Sequence[str], generator: np.random.Generator) -> pa.Table:
    layers = [(name, index) for name, size in LAYERS.items() for index in range(size)]
    rows = len(run_ids) * len(layers)
    columns = {
        "run_id": np.repeat(run_ids, len(layers)),
        "layer": np.tile([name for name, _ in layers], len(run_ids)),
        "index": np.tile([index for _, index in layers], len(run_ids)),
        "value": np.exp(generator.normal(0, 1, rows)),
        "operator_value": pa.nulls(rows, pa.float64()),
    }
    return pa.table(columns).cast(SPECTRA)


def files(store: Store) -> int:
    return sum(len(names) for _, _, names in os.walk(store.folder))

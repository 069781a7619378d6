"""Analysis of 10,000 runs × 200 epochs: `python -m tests.benchmarks.bench_analysis [--runs N]`.

Synthetic packs of 8 runs with rows of the train, validation and test parts, on 15 problems with 12
regularizers of 8 strengths. Each measure is taken in a process of its own, with files that were just
written (so from the page cache); prints seconds and peak memory, and exits with 1 if one is above its
limit.
"""

from __future__ import annotations

import argparse
import multiprocessing as mp
import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial
from multiprocessing.connection import Connection
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pyarrow as pa

from regularize.store import METRICS, RESULTS, RUNS, Store, write_table
from tests.benchmarks.processes import children, peak_megabytes

EPOCHS, PACK = 200, 8
SPLITS = ("train", "validation", "test")
DATASETS, SHOTS = ("mnist", "cifar10", "cifar100", "svhn", "digits"), (10, 100, None)
STRENGTHS = [f"{10.0**power:g}" for power in range(-8, 0)]
TUNE, REPORT = range(5), range(1000, 1015)
MEMORY = 2000  # MB, of all processes together
LOOK_SECONDS = 0.2  # between looks at the children's memory

# what is measured → the most seconds it may take
LIMITS = {"collect": 60.0, "collect again": 5.0, "compare": 5.0, "report": 90.0}


def runs() -> Iterator[dict[str, Any]]:
    """In the order in which packs hold them: 680 of each problem."""
    number = 0
    for dataset in DATASETS:
        for few in SHOTS:
            for regularizer in ("none", *(f"technique_{place}" for place in range(12))):
                strengths = STRENGTHS if regularizer != "none" else [""]
                cells = [("tune", strength, seed) for strength in strengths for seed in TUNE]
                cells += [("report", strengths[len(strengths) // 2], seed) for seed in REPORT]
                for phase, strength, seed in cells:
                    number += 1
                    yield {
                        "run_id": f"{number:016x}",
                        "phase": phase,
                        "dataset": dataset,
                        "per_class": few,
                        "model": "lenet5",
                        "regularizer": regularizer,
                        "strength": strength,
                        "strength_value": float(strength) if strength else None,
                        "seed": seed,
                        "pack_key": f"{dataset} {few} {regularizer} {phase}",
                        "planned": True,
                        "config": "{}",
                    }


def build(store: Store, wanted: int) -> None:
    """Write the store of the first so many runs."""
    everything = list(runs())[:wanted]
    write_table(store.runs, everything, RUNS)
    generator = np.random.default_rng(0)
    for start in range(0, len(everything), PACK):
        pack = everything[start : start + PACK]
        paths = store.pack(f"{start:016x}")
        write_table(paths.metrics, metrics([run["run_id"] for run in pack], generator), METRICS)
        write_table(paths.results, [result(run, generator) for run in pack], RESULTS)


def metrics(run_ids: list[str], generator: np.random.Generator) -> pa.Table:
    """A row for each run, epoch and part."""
    rows = len(run_ids) * EPOCHS * len(SPLITS)
    epochs = np.tile(np.repeat(np.arange(1, EPOCHS + 1), len(SPLITS)), len(run_ids))
    train = np.tile(np.array(SPLITS) != "train", rows // len(SPLITS))
    columns = {
        "run_id": np.repeat(run_ids, EPOCHS * len(SPLITS)),
        "epoch": epochs,
        "step": 400 * epochs,
        "split": np.tile(SPLITS, rows // len(SPLITS)),
        "examples": np.where(train, 10_000, 5000),  # `train` masks those that are not
        "loss": generator.random(rows),
        "accuracy": generator.random(rows),
        "objective": pa.array(generator.random(rows), mask=train),
        "seconds": pa.array(0.5 * epochs, mask=train),
    }
    return pa.table(columns).cast(METRICS)


def result(run: dict[str, Any], generator: np.random.Generator) -> dict[str, Any]:
    good = 0.9 + 0.01 * (run["strength"] == STRENGTHS[4]) + generator.normal(0, 0.004)
    scores = {f"{split}_accuracy": good + generator.normal(0, 0.001) for split in SPLITS}
    scores |= {f"{split}_loss": 1 - good for split in SPLITS}
    return {"run_id": run["run_id"], "state": "done", "epochs": EPOCHS, "steps": 400 * EPOCHS, **scores}


def collect(store: Store) -> None:
    from analysis.tables import collect as module

    module.collect(store)


def compare(store: Store) -> None:
    """What `regularize compare` does once the tables are collected."""
    from analysis.tables.store_tables import Tables
    from analysis.text.conclusions import conclude

    for conclusion in conclude(Tables(store)):
        conclusion.write(store)


def select(store: Store) -> None:
    from analysis.statistics import strength_selection as module

    module.select(store)


def report(store: Store) -> None:
    """The page with all figures that are drawn from tables."""
    from analysis.figures.catalogue import FIGURES
    from analysis.figures.draw_figures import draw_all
    from analysis.report import write_report

    write_report(store, draw_all(store, [name for name, kind in FIGURES.items() if kind.needs == "tables"]))


def measure(work: Callable[[], None]) -> tuple[float, float, float]:
    """Seconds, processor seconds, imports included in both, and peak memory in MB, of a new process.

    Processor seconds and memory are those of its children too: memory is the sum of each one's peak.
    """
    context = mp.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_run, args=(work, theirs))
    process.start()
    theirs.close()
    peaks: dict[str, float] = {}  # of its children, the last time each was seen
    while not ours.poll(LOOK_SECONDS):
        with suppress(OSError, StopIteration):  # one of them has just ended
            for child in children(process.pid or 0):
                peaks[child] = peak_megabytes(child)
    seconds, processor, own = ours.recv()
    process.join()
    return seconds, processor, own + sum(peaks.values())


def _run(work: Callable[[], None], pipe: Connection) -> None:
    started = time.perf_counter()
    work()
    seconds = time.perf_counter() - started
    pipe.send((seconds, sum(os.times()[:4]), peak_megabytes()))


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--runs", type=int, default=10_000)
    wanted: int = parser.parse_args().runs
    missed = 0
    with TemporaryDirectory() as folder:
        store = Store(Path(folder) / "bench")
        build(store, wanted)
        works = {"collect": collect, "collect again": collect, "select": select, "compare": compare}
        works["report"] = report
        print(f"{wanted} runs × {EPOCHS} epochs        seconds  limit  processor   MB (limit {MEMORY})")
        for name, work in works.items():
            seconds, processor, memory = measure(partial(work, store))
            limit = LIMITS.get(name)
            over = memory > MEMORY or (limit is not None and seconds > limit)
            missed += over
            bound = f"{limit:5.0f}" if limit else "     "
            print(
                f"{name:28} {seconds:8.1f}  {bound} {processor:10.1f}  {memory:4.0f}{'  missed' * over}",
                flush=True,
            )
    sys.exit(missed > 0)


if __name__ == "__main__":
    main()

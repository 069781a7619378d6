"""What measuring costs beside training: `python -m tests.benchmarks.bench_evaluation [--rounds N]`.

LeNet-5 on MNIST (or what there is), packs of 8 runs, one thread, thirty examples of each class, as many of
which validate: what a sweep does that says nothing about it. First whole workers on tune seeds, most of a
sweep's, which are measured for the choice alone: 95 runs in 13 packs over 10 and 50 epochs, what trains of
the seconds that train or measure, and of the process's own, its start and all packs included. Then packs
alone, in turns: as docs/study has them over 40 epochs, with robustness, all 60,000 but a tenth for one
epoch, and tune seeds where that tenth validates, which costs twenty times as much. Prints the median
seconds of training and of evaluation a run, as results have them, and minimum, median and maximum of the
rounds. The exit code is 1 where a median is beyond its limit.
"""

from __future__ import annotations

import argparse
import resource
import statistics
import subprocess
import sys
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import torch

from jobs.store.kept_inputs import keep_code
from jobs.store.runs_table import write_runs
from jobs.sweep.run_grid import tune_runs
from jobs.sweep.sweep_file import load_sweep
from jobs.worker.local_task import order
from regularize.code_identity import code_of
from regularize.config import RunConfig
from regularize.data.data_config import MATCHED, DataConfig
from regularize.evaluation.settings import Evaluation, Robustness
from regularize.store import PackPaths, Store
from regularize.train_pack import train_pack
from regularize.training_config import Training
from tests.benchmarks import images

RUNS = 8
FEW = Training(epochs=40, batch_size=50, lr=0.02, momentum=0.9)
ALL = Training(epochs=1, batch_size=128, lr=0.02, momentum=0.9)
AS_FEW = {"per_class": 30, "validation": MATCHED}
ROBUST = Evaluation(robustness=Robustness())
CHOICE = ROBUST.of_phase("tune")
# what is timed → how it is trained, on which data, measured; the most that measuring may take of training
CASES: dict[str, tuple[Training, dict[str, Any], Evaluation, float]] = {
    "40 epochs": (FEW, AS_FEW, Evaluation(), 1),
    "40 epochs, robustness": (FEW, AS_FEW, ROBUST, 1),
    "all examples, 1 epoch, robustness": (ALL, {}, ROBUST, 1),
    "10 epochs, tune seeds, 6,000 validate": (replace(ALL, epochs=10), {"per_class": 30}, CHOICE, 1),
    "50 epochs, tune seeds, 6,000 validate": (replace(ALL, epochs=50), {"per_class": 30}, CHOICE, 1 / 3),
}
SWEEP = """\
name: worker
dataset: {{{data}: {{per_class: 30}}}}
model: lenet5
training: {{epochs: {epochs}, batch_size: 128, lr: 0.02, momentum: 0.9}}
regularizers:
  none:
  l2: {{strength: {{logspace: [1e-5, 1e-2, 9]}}}}
  dropout: {{p: {{linspace: [0.1, 0.6, 9]}}}}
seeds: {{tune: 5, report: 1}}
"""
LEAST_SHARES = {10: 0.6, 50: 0.85}  # that train of the seconds that train or measure, by epochs


def worker(folder: Path, data: str, epochs: int) -> tuple[float, float]:
    """Of one that trains 95 tune runs in 13 packs, what trained: of training and measuring, and of all."""
    path, store = folder / "sweep.yaml", Store(folder / "store")
    path.write_text(SWEEP.format(data=data, epochs=epochs), encoding="utf-8")
    runs = tune_runs(load_sweep(path))
    write_runs(store, runs, complete=True)
    keep_code(store, code_of())  # as `submit` does
    alike: dict[str, list[str]] = defaultdict(list)
    for run in sorted(runs, key=lambda run: run.config.seed):
        alike[str(run.config.shared_key)].append(run.config.run_id)
    packs = [ids[start : start + RUNS] for ids in alike.values() for start in range(0, len(ids), RUNS)]
    given = order(store.folder, packs, None)
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    command = [sys.executable, "-m", "jobs.worker.local_task"]
    subprocess.run(command, input=given, text=True, check=True, stdout=subprocess.DEVNULL)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    took = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    columns = ["core_seconds", "seconds", "evaluation_seconds"]
    tables = [pq.read_table(path, columns=columns) for path in store.packs.glob("*/results.parquet")]
    worked, trained, measured = pa.concat_tables(tables).to_pydict().values()
    assert len(trained) == len(runs), "some have failed"
    return sum(trained) / (sum(trained) + sum(measured)), sum(worked) / took


def seconds(
    data: str, training: Training, part: dict[str, Any], evaluation: Evaluation
) -> tuple[float, float]:
    """Of training and of evaluation, a run on that part of the data."""
    runs = [
        RunConfig(
            data=DataConfig(name=data, **part),
            model="lenet5",
            regularizer="none",
            terms=(),
            training=training,
            evaluation=evaluation,
            seed=seed,
        )
        for seed in range(RUNS)
    ]
    with TemporaryDirectory() as folder:
        paths = PackPaths(Path(folder))
        train_pack(runs, paths)
        row = pq.read_table(paths.results, columns=["seconds", "evaluation_seconds"]).to_pylist()[0]
    return row["seconds"], row["evaluation_seconds"]


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=3)
    args = parser.parse_args()
    torch.set_num_threads(1)
    data = images.choose()
    found: dict[str, list[tuple[float, float]]] = {name: [] for name in CASES}
    workers: dict[int, list[tuple[float, float]]] = {epochs: [] for epochs in LEAST_SHARES}
    for _ in range(args.rounds):
        for epochs, shares in workers.items():
            with TemporaryDirectory() as folder:
                shares.append(worker(Path(folder), data, epochs))
        for name, (training, part, evaluation, _) in CASES.items():
            found[name].append(seconds(data, training, part, evaluation))
    missed = False
    print(f"{data}, 30 per class, packs of 8: share of a worker that trains   min  median   max")
    for epochs, shares in workers.items():
        between, whole = zip(*shares, strict=True)
        below = statistics.median(between) < LEAST_SHARES[epochs]
        missed |= below
        of = f"{epochs} epochs, of training and measuring (at least {LEAST_SHARES[epochs]:.0%})"
        print(f"{of:57} {_spread(between, '.0%')}{'  missed' * below}")
        print(f"{f'{epochs} epochs, of its processor seconds, start included':57} {_spread(whole, '.0%')}")
    print(f"{'seconds a run':40} training  evaluation   min  median   max")
    for name, pairs in found.items():
        trained, measured = (statistics.median(values) for values in zip(*pairs, strict=True))
        ratios = [measured_in / trained_in for trained_in, measured_in in pairs]
        above = statistics.median(ratios) > CASES[name][-1]
        missed |= above
        print(f"{name:40} {trained:8.2f}  {measured:10.2f}  {_spread(ratios, '.2f')}{'  missed' * above}")
    sys.exit(missed)


def _spread(values: Sequence[float], form: str) -> str:
    """Minimum, median, maximum."""
    return "  ".join(f"{value:{form}}" for value in (min(values), statistics.median(values), max(values)))


if __name__ == "__main__":
    main()

"""What measuring costs beside training: `python -m tests.benchmarks.bench_evaluation [--rounds N]`.

LeNet-5 on MNIST (or what there is), packs of 8 runs, one thread, measured as a sweep does that says nothing
about it, and with robustness: thirty examples of each class over 40 epochs, as docs/study has, because few
are what regularizers are studied on, and all 58,000 for one. They take turns. Runs on tune seeds, most
of a sweep's, are measured for the choice alone; of these, too, few examples over 10 and 50 epochs in
batches of 128, with a thirtieth of the training part for validation and with the usual tenth, whose final
pass costs three times as much. Prints the median seconds of training and of evaluation a run, as results
have them, and minimum, median and maximum of the rounds' ratios; then, of a worker process's processor
seconds, its start and all packs included, the share that trained (`core_seconds`). The exit code is 1 where
a median is beyond its limit.
"""

from __future__ import annotations

import argparse
import resource
import statistics
import subprocess
import sys
from collections import defaultdict
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import pyarrow as pa
import pyarrow.parquet as pq
import torch

from jobs.store.runs_table import write_runs
from jobs.sweep.run_grid import tune_runs
from jobs.sweep.sweep_file import load_sweep
from jobs.worker.local_task import order
from regularize.config import RunConfig
from regularize.data.data_config import DataConfig
from regularize.evaluation.settings import Evaluation, Robustness
from regularize.store import PackPaths, Store
from regularize.train_pack import train_pack
from regularize.training_config import Training
from tests.benchmarks import images

RUNS = 8
FEW = Training(epochs=40, batch_size=50, lr=0.02, momentum=0.9)
ALL = Training(epochs=1, batch_size=128, lr=0.02, momentum=0.9)
ROBUST = Evaluation(robustness=Robustness())
CHOICE = ROBUST.of_phase("tune")
# what is timed → how it is trained, on how many examples of each class (None: all), measured; the limit
CASES: dict[str, tuple[Training, int | None, Evaluation, float]] = {
    "30 per class, 40 epochs": (FEW, 30, Evaluation(), 1),
    "30 per class, 40 epochs, robustness": (FEW, 30, ROBUST, 1),
    "all examples, 1 epoch, robustness": (ALL, None, ROBUST, 1),
    "30 per class, 10 epochs, tune seeds": (replace(ALL, epochs=10), 30, CHOICE, 0.4 / 0.6),
    "30 per class, 50 epochs, tune seeds": (replace(ALL, epochs=50), 30, CHOICE, 0.15 / 0.85),
    "the same 10, a tenth validates": (replace(ALL, epochs=10), 30, CHOICE, 1),
    "the same 50, a tenth validates": (replace(ALL, epochs=50), 30, CHOICE, 1 / 3),
}
THIRTIETH, TENTH = 1 / 30, None
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
LEAST_SHARES = {10: 0.4, 50: 0.7}  # of a worker's processor seconds that train, by epochs


def worker(folder: Path, data: str, epochs: int) -> float:
    """Of the processor seconds of one that trains 95 tune runs in 13 packs, the share that trained."""
    path, store = folder / "sweep.yaml", Store(folder / "store")
    path.write_text(SWEEP.format(data=data, epochs=epochs), encoding="utf-8")
    runs = tune_runs(load_sweep(path))
    write_runs(store, runs, complete=True)
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
    tables = [pq.read_table(path, columns=["core_seconds"]) for path in store.packs.glob("*/results.parquet")]
    trained = pa.concat_tables(tables)["core_seconds"].to_pylist()
    assert len(trained) == len(runs), "some have failed"
    return float(sum(trained)) / took


def seconds(
    data: str, training: Training, per_class: int | None, evaluation: Evaluation, validation: float | None
) -> tuple[float, float]:
    """Of training and of evaluation, a run; `validation` is the share that validates."""
    runs = [
        RunConfig(
            data=DataConfig(name=data, validation=validation, per_class=per_class),
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
    shares: dict[int, list[float]] = {epochs: [] for epochs in LEAST_SHARES}
    for _ in range(args.rounds):
        for name, (training, per_class, evaluation, _) in CASES.items():
            validation = TENTH if "tenth" in name else THIRTIETH
            found[name].append(seconds(data, training, per_class, evaluation, validation))
        for epochs, of_worker in shares.items():
            with TemporaryDirectory() as folder:
                of_worker.append(worker(Path(folder), data, epochs))
    missed = False
    print(f"{'seconds a run':36} training  evaluation   min  median   max")
    for name, pairs in found.items():
        trained, measured = (statistics.median(values) for values in zip(*pairs, strict=True))
        ratios = [measured_in / trained_in for trained_in, measured_in in pairs]
        median, limit = statistics.median(ratios), CASES[name][-1]
        missed |= median > limit
        spread = f"{min(ratios):4.2f}  {median:6.2f}  {max(ratios):4.2f}"
        print(f"{name:36} {trained:8.2f}  {measured:10.2f}  {spread}{'  missed' if median > limit else ''}")
    for epochs, of_worker in shares.items():
        median, least = statistics.median(of_worker), LEAST_SHARES[epochs]
        missed |= median < least
        spread = f"{min(of_worker):4.0%}  {median:6.0%}  {max(of_worker):4.0%}"
        print(
            f"{f'a worker, {epochs} epochs: share that trains':57} {spread}"
            f"{'  missed' if median < least else ''}"
        )
    sys.exit(missed)


if __name__ == "__main__":
    main()

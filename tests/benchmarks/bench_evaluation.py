"""What measuring costs beside training: `python -m tests.benchmarks.bench_evaluation [--rounds N]`.

LeNet-5 on MNIST (or what there is), packs of 8 runs, one thread, measured as a sweep does that says nothing
about it, and with robustness: thirty examples of each class over 40 epochs, as docs/study has, because few
are what regularizers are studied on, and all 58,000 for one. They take turns. Runs on tune seeds, most
of a sweep's, are measured for the choice alone; of these, too, few examples over 10 and 50 epochs in
batches of 128. Prints the median seconds of training and of evaluation a run, as results have them, and
minimum, median and maximum of the rounds' ratios; the exit code is 1 where a median is above its limit.
"""

from __future__ import annotations

import argparse
import statistics
import sys
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import pyarrow.parquet as pq
import torch

from regularize.config import RunConfig
from regularize.data.data_config import DataConfig
from regularize.evaluation.settings import Evaluation, Robustness
from regularize.store import PackPaths
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
}


def seconds(
    data: str, training: Training, per_class: int | None, evaluation: Evaluation
) -> tuple[float, float]:
    """Of training and of evaluation, a run."""
    runs = [
        RunConfig(
            data=DataConfig(name=data, validation=1 / 30, per_class=per_class),
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
    for _ in range(args.rounds):
        for name, (training, per_class, evaluation, _) in CASES.items():
            found[name].append(seconds(data, training, per_class, evaluation))
    missed = False
    print(f"{'seconds a run':36} training  evaluation   min  median   max")
    for name, pairs in found.items():
        trained, measured = (statistics.median(values) for values in zip(*pairs, strict=True))
        ratios = [measured_in / trained_in for trained_in, measured_in in pairs]
        median, limit = statistics.median(ratios), CASES[name][-1]
        missed |= median > limit
        spread = f"{min(ratios):4.2f}  {median:6.2f}  {max(ratios):4.2f}"
        print(f"{name:36} {trained:8.2f}  {measured:10.2f}  {spread}{'  missed' if median > limit else ''}")
    sys.exit(missed)


if __name__ == "__main__":
    main()

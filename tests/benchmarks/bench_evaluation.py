"""What measuring costs beside training: `python -m tests.benchmarks.bench_evaluation [--rounds N]`.

LeNet-5 on MNIST (or what there is), packs of 8 runs, one thread, measured as a sweep does that says nothing
about it, and with robustness: thirty examples of each class over 40 epochs, as docs/study has, because few
are what regularizers are studied on, and all 58,000 for one. They take turns. Prints the median seconds
of training and of evaluation a run, as results have them, and minimum, median and maximum of the rounds'
ratios; the exit code is 1 where the median says that evaluation took longer than training.
"""

from __future__ import annotations

import argparse
import statistics
import sys
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
# what is timed → how it is trained, on how many examples of each class (None: all), and measured
CASES: dict[str, tuple[Training, int | None, Evaluation]] = {
    "30 per class, 40 epochs": (FEW, 30, Evaluation()),
    "30 per class, 40 epochs, robustness": (FEW, 30, ROBUST),
    "all examples, 1 epoch, robustness": (ALL, None, ROBUST),
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
        for name, case in CASES.items():
            found[name].append(seconds(data, *case))
    missed = False
    print(f"{'seconds a run':36} training  evaluation   min  median   max")
    for name, pairs in found.items():
        trained, measured = (statistics.median(values) for values in zip(*pairs, strict=True))
        ratios = [evaluation / training for training, evaluation in pairs]
        median = statistics.median(ratios)
        missed |= median > 1
        spread = f"{min(ratios):4.2f}  {median:6.2f}  {max(ratios):4.2f}"
        print(f"{name:36} {trained:8.2f}  {measured:10.2f}  {spread}{'  missed' if median > 1 else ''}")
    sys.exit(missed)


if __name__ == "__main__":
    main()

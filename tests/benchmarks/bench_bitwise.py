"""What it costs that a run's bits do not depend on its mates: `python -m tests.benchmarks.bench_bitwise`.

LeNet-5 on images of 28×28, batch 128, one thread, seconds of the processor. Steps as they are and steps by
the library's shortest forms take turns; prints the ratio's minimum, median and maximum over the rounds. The
exit code is 1 if a median of packs of two and more is above its limit. A lone run has an idle twin beside it.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from types import SimpleNamespace
from unittest.mock import patch

import torch

from regularize import models
from regularize.memory import keep_large_blocks
from regularize.trainer import Trainer
from tests.benchmarks import bench_steps

# what is replaced → how it would be written if packs were of no matter
SHORTEST = {
    "regularize.layers.AddToChannels": SimpleNamespace(apply=lambda x, numbers: x + numbers.view(-1, 1, 1)),
    "regularize.regularizers.hooks.total": lambda tensors: torch.stack(list(tensors)).sum(0),
    "regularize.regularizers.jacobian.total": lambda tensors: torch.stack(list(tensors)).sum(0),
    "regularize.regularizers.soft_svb.gram": lambda rows: rows @ rows.transpose(1, 2),
    "regularize.regularizers.hard_svb.svd": lambda weight: torch.linalg.svd(weight, full_matrices=False),
    # A lone run has no twin beside it.
    "regularize.trainer.models": SimpleNamespace(packable=lambda _model: False, build=models.build),
}

LIMIT = 1.03
# Matrices go through the decomposition one by one: on a step of eight runs that is the one thing dearer.
LIMITS = {"hard_svb, every 10": 1.06}
PACKS = (1, 4, 8)
TECHNIQUES: dict[str, dict[str, dict[str, object]]] = {
    "none": {},
    "l2": {"l2": {"strength": 5e-4}},
    "soft_svb": {"soft_svb": {"strength": 0.01}},
    "hard_svb, every 10": {"hard_svb": {"epsilon": 0.05, "every": 10}},
    "jacobian": {"jacobian": {"strength": 0.01}},
}


@contextmanager
def shortest() -> Iterator[None]:
    with ExitStack() as stack:
        for name, form in SHORTEST.items():
            stack.enter_context(patch(name, form))
        yield


def ratios(techniques: dict[str, dict[str, object]], packed: int, rounds: int, steps: int) -> list[float]:
    """Of each round: seconds of steps as they are, relative to those of the shortest forms."""
    ours = bench_steps.trainer(techniques, packed)
    with shortest():
        theirs = bench_steps.trainer(techniques, packed)
    found = []
    for number in range(rounds + 1):
        of_ours = of_theirs = 0.0
        for _ in range(steps):
            of_ours += seconds(ours)
            with shortest():
                of_theirs += seconds(theirs)
        if number:  # the first round only warms up
            found.append(of_ours / of_theirs)
    return found


def seconds(trainer: Trainer) -> float:
    started = time.process_time()
    trainer.advance()
    return time.process_time() - started


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--steps", type=int, default=20)
    options = parser.parse_args()
    torch.set_num_threads(1)
    keep_large_blocks()
    print(f"{'':20} runs     min  median    max  limit")
    missed = 0
    for name, techniques in TECHNIQUES.items():
        for packed in PACKS:
            values = ratios(techniques, packed, options.rounds, options.steps)
            median = statistics.median(values)
            limit = LIMITS.get(name, LIMIT)
            over = packed > 1 and median > limit
            missed += over
            bound = f"{limit:5.2f}{' missed' if over else ''}" if packed > 1 else ""
            print(
                f"{name:20} {packed:4} {min(values):7.3f} {median:7.3f} {max(values):7.3f}  {bound}",
                flush=True,
            )
    sys.exit(missed > 0)


if __name__ == "__main__":
    main()

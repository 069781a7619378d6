"""What several ranks bring: `python -m tests.benchmarks.bench_ranks [--ranks 1 2 4] [--steps N]`.

Packs train with one global batch of 128, by more and more ranks of one thread each (gloo, on this machine).
Prints examples a second over all runs, and which share of a step is adding gradients up and waiting for the
others: what a step takes less without it (`no_sync`; normalisation over the global batch waits there, too).
Beside it what as many processes reach that train a pack each, as `mode: spread` does. Medians over rounds.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from multiprocessing import get_context
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
import torch.distributed as dist
from torch.nn.parallel import DistributedDataParallel

from regularize.config import RunConfig
from regularize.cores import cores
from regularize.data.data_config import DataConfig
from regularize.distributed import Ranks
from regularize.store import PackPaths
from regularize.trainer import Trainer
from regularize.training_config import Training

EXAMPLES = Path(__file__).parents[2] / "examples"
BATCH = 128
PACKS = {
    "lenet5, R = 1": ("lenet5", 1),
    "lenet5, R = 8": ("lenet5", 8),
    "mlp, R = 8": ("mlp", 8),
    "small ResNet, BatchNorm": ("small_resnet:batch_norm", 1),
}


def runs_of(name: str) -> list[RunConfig]:
    model, count = PACKS[name]
    training = Training(steps=1_000_000, batch_size=BATCH, lr=0.01)
    data = DataConfig(name="digits")
    return [
        RunConfig(data=data, model=model, regularizer="bench", terms=(), training=training, seed=seed)
        for seed in range(count)
    ]


def seconds_a_step(advance: Callable[[], None], steps: int) -> float:
    began = time.perf_counter()
    for _ in range(steps):
        advance()
    return (time.perf_counter() - began) / steps


def rank(index: int, world: int, together: bool, folder: str, steps: int, rounds: int, answers: Any) -> None:
    """Train every pack in turn, and answer with its name, examples a second and the share of adding up."""
    torch.set_num_threads(1)
    sys.path.insert(0, str(EXAMPLES))
    store = dist.FileStore(f"{folder}/rendezvous", world)  # type: ignore[attr-defined]
    dist.init_process_group("gloo", store=store, rank=index, world_size=world)
    here = Ranks.here() if together else Ranks(rank=0, world=1, device=torch.device("cpu"))
    for name in PACKS:
        trainer = Trainer(runs_of(name), PackPaths(Path(folder, f"{name} {index}")), here, None)
        trainer.start()
        seconds_a_step(trainer.advance, 3)
        taken, alone = [], []
        for _ in range(rounds):
            dist.barrier()
            taken.append(seconds_a_step(trainer.advance, steps))
            if together and world > 1:
                with _apart(trainer.objective):
                    alone.append(seconds_a_step(trainer.advance, steps))
        step = statistics.median(taken)
        share = max(0.0, 1 - statistics.median(alone) / step) if alone else 0.0
        answers.put((name, BATCH * PACKS[name][1] / step, share))
    dist.barrier()
    dist.destroy_process_group()


def _apart(objective: torch.nn.Module) -> AbstractContextManager[Any]:
    """Inside, each rank keeps its own gradients."""
    return objective.no_sync() if isinstance(objective, DistributedDataParallel) else nullcontext()


def measured(world: int, together: bool, steps: int, rounds: int) -> dict[str, tuple[float, float]]:
    """By pack: examples a second of all processes, and the share of a step that adding up is."""
    context = get_context("spawn")
    answers = context.Queue()
    with TemporaryDirectory() as folder:
        processes = [
            context.Process(target=rank, args=(index, world, together, folder, steps, rounds, answers))
            for index in range(world)
        ]
        for process in processes:
            process.start()
        found: dict[str, list[tuple[float, float]]] = {name: [] for name in PACKS}
        for _ in range(world * len(PACKS)):
            name, speed, share = answers.get(timeout=600)
            found[name].append((speed, share))
        for process in processes:
            process.join()
    return {
        name: (
            statistics.mean(speed for speed, _ in each) if together else sum(speed for speed, _ in each),
            statistics.mean(share for _, share in each),
        )
        for name, each in found.items()
    }


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--ranks", type=int, nargs="+", default=[1, *range(2, min(cores(), 4) + 1)])
    parser.add_argument("--steps", type=int, default=30)
    parser.add_argument("--rounds", type=int, default=3)
    args = parser.parse_args()
    for world in args.ranks:
        ddp = measured(world, True, args.steps, args.rounds)
        spread = measured(world, False, args.steps, args.rounds) if world > 1 else ddp
        for name, (speed, share) in ddp.items():
            print(
                f"{world} ranks, {name:24} {speed:9,.0f} examples/s together, {share:4.0%} adding up; "
                f"{spread[name][0]:9,.0f} spread",
                flush=True,
            )


if __name__ == "__main__":
    main()

"""What several ranks bring: `python -m tests.benchmarks.bench_ranks [--ranks 1 2 4] [--steps N]`.

Packs train with one global batch of 128, by more and more ranks of one thread each (gloo, on this machine).
Prints examples a second over all runs, and which share of a step is adding gradients up and waiting for the
others: what a step takes less without it (`no_sync`; normalisation over the global batch waits there, too).
Of steps in turns, what those take after which all ranks vote, as they do in training: if the answer is waited
for at once, and if it is looked at after the next step, in steps of which none is voted on. Beside it what as
many processes reach that train a pack each, as `mode: spread` does. Medians over rounds.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
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
from regularize.vote import Vote

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


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What a rank has measured of a pack.

    Attributes:
        speed: examples a second.
        adding_up: the share of a step.
        at_once, later: a step with a vote that is waited for, or looked at after the next, in steps without.
    """

    pack: str
    speed: float
    adding_up: float
    at_once: float
    later: float


def rank(index: int, world: int, together: bool, folder: str, steps: int, rounds: int, answers: Any) -> None:
    """Train every pack in turn, and answer for each."""
    torch.set_num_threads(1)
    sys.path.insert(0, str(EXAMPLES))
    store = dist.FileStore(f"{folder}/rendezvous", world)  # type: ignore[attr-defined]
    dist.init_process_group("gloo", store=store, rank=index, world_size=world)
    here = Ranks.here() if together else Ranks(rank=0, world=1, device=torch.device("cpu"))
    for name_of_pack in PACKS:
        paths = PackPaths(Path(folder, f"{name_of_pack} {index}"))
        trainer = Trainer(runs_of(name_of_pack), paths, here, None)
        trainer.start()
        vote = Vote(here)

        def voting_at_once(advance: Callable[[], None] = trainer.advance) -> None:
            advance()
            here.any(False)

        def voting(advance: Callable[[], None] = trainer.advance, vote: Vote = vote) -> None:
            advance()
            if vote.open:
                vote.answers()
            vote.put(False, False)

        seconds_a_step(trainer.advance, 3)
        ways = {"plain": trainer.advance, "at once": voting_at_once, "later": voting}
        took: dict[str, list[float]] = {name: [] for name in (*ways, "alone")}
        for number in range(rounds):
            for name in sorted(ways, reverse=bool(number % 2)):
                dist.barrier()
                took[name].append(seconds_a_step(ways[name], steps))
                if vote.open:
                    vote.answers()
            if together and world > 1:
                with _apart(trainer.objective):
                    took["alone"].append(seconds_a_step(trainer.advance, steps))
        step = statistics.median(took["plain"])

        def ratio(name: str, took: dict[str, list[float]] = took) -> float:
            return statistics.median(x / y for x, y in zip(took[name], took["plain"], strict=True))

        share = max(0.0, 1 - statistics.median(took["alone"]) / step) if took["alone"] else 0.0
        speed = BATCH * PACKS[name_of_pack][1] / step
        answers.put(
            Answer(
                pack=name_of_pack,
                speed=speed,
                adding_up=share,
                at_once=ratio("at once"),
                later=ratio("later"),
            )
        )
    dist.barrier()
    dist.destroy_process_group()


def _apart(objective: torch.nn.Module) -> AbstractContextManager[Any]:
    """Inside, each rank keeps its own gradients."""
    return objective.no_sync() if isinstance(objective, DistributedDataParallel) else nullcontext()


def measured(world: int, together: bool, steps: int, rounds: int) -> dict[str, Answer]:
    """By pack the means of its processes; examples a second are of all together."""
    context = get_context("spawn")
    answers = context.Queue()
    with TemporaryDirectory() as folder:
        processes = [
            context.Process(target=rank, args=(index, world, together, folder, steps, rounds, answers))
            for index in range(world)
        ]
        for process in processes:
            process.start()
        found: dict[str, list[Answer]] = {name: [] for name in PACKS}
        for _ in range(world * len(PACKS)):
            answer = answers.get(timeout=600)
            found[answer.pack].append(answer)
        for process in processes:
            process.join()
    return {
        name: Answer(
            pack=name,
            speed=statistics.mean(a.speed for a in each) * (1 if together else world),
            adding_up=statistics.mean(a.adding_up for a in each),
            at_once=statistics.mean(a.at_once for a in each),
            later=statistics.mean(a.later for a in each),
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
        for name, found in ddp.items():
            print(
                f"{world} ranks, {name:24} {found.speed:9,.0f} examples/s together, "
                f"{found.adding_up:4.0%} adding up, with a vote {found.at_once:.3f} steps at once, "
                f"{found.later:.3f} later; {spread[name].speed:9,.0f} spread",
                flush=True,
            )


if __name__ == "__main__":
    main()

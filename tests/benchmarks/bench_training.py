"""What a step of training costs: `python -m tests.benchmarks.bench_training [--rounds N]`.

Eight LeNet-5 runs, batch 128, by as many one-thread processes as there are cores. Three ways take turns,
so that all see the same machine:
  (a) one run after the other, `DataLoader(num_workers=0)` over torchvision's images;
  (b) one run after the other, tuned: in memory, channels last, fused optimizer, double backward;
  (c) ours: the eight runs packed among the processes; also packs of other sizes.
Prints processor time a run-step (one optimizer step of one run), medians over the rounds, and their
ratios; the exit code is 1 if a target is missed. The targets are for a processor with AVX-512, or another.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import time
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path
from tempfile import TemporaryDirectory

import torch
import torch.multiprocessing as mp

from regularize import fused
from regularize.config import RunConfig, Term
from regularize.cores import cores
from regularize.data.data_config import DataConfig
from regularize.training_config import Training
from tests.benchmarks import images
from tests.benchmarks.processes import peak_megabytes
from tests.benchmarks.rivals import BATCH, DROPOUT, JACOBIAN, L2, MOMENTUM, RATE, Loader, Tuned

RUNS = 8
TECHNIQUES: dict[str, dict[str, dict[str, object]]] = {
    "none": {},
    "l2": {"l2": {"strength": L2}},
    "dropout": {"dropout": {"p": DROPOUT}},
    "jacobian": {"jacobian": {"strength": JACOBIAN}},
}
SWEEP = {"avx512": 3.2}  # the least that (b) has to cost over all techniques, relative to (c)
SWEEP_ELSEWHERE = 2.4
LOADER = 5.0  # the same of (a), without a regularizer
MOST_JACOBIAN, MOST_ALONE = 2.5, 1.3  # of a step, relative to a plain one; of a pack of one, to one of eight
MOST_MEMORY = 1000  # MB of a worker

Way = tuple[str, str]
"""Who trains, and with which technique."""


def runs_of(data: str, seeds: range, technique: str, training: Training) -> list[RunConfig]:
    terms = tuple(Term.build(name, parameters) for name, parameters in TECHNIQUES[technique].items())
    return [
        RunConfig(
            data=DataConfig(name=data),
            model="lenet5",
            regularizer="bench",
            terms=terms,
            training=training,
            seed=seed,
        )
        for seed in seeds
    ]


def rivals(data: str, _runs: int) -> dict[Way, tuple[Callable[[], None], int]]:
    ways: dict[Way, tuple[Callable[[], None], int]] = {
        ("(b) tuned loop", technique): (Tuned(data, technique).advance, 1) for technique in TECHNIQUES
    }
    return ways | {("(a) DataLoader", "none"): (Loader(data).advance, 1)}


def ours(data: str, runs: int) -> dict[Way, tuple[Callable[[], None], int]]:
    from regularize.distributed import Ranks
    from regularize.memory import keep_large_blocks, set_imports_aside
    from regularize.store import PackPaths
    from regularize.trainer import Trainer

    keep_large_blocks()
    set_imports_aside()
    training = Training(steps=10**6, batch_size=BATCH, lr=RATE, momentum=MOMENTUM)

    def pack(count: int, technique: str) -> tuple[Callable[[], None], int]:
        configs = runs_of(data, range(count), technique, training)
        trainer = Trainer(configs, PackPaths(Path(os.devnull)), Ranks.here(), None)
        trainer.start()
        return trainer.advance, count

    ways = {("(c) packed", technique): pack(runs, technique) for technique in TECHNIQUES}
    return ways | {(f"R = {count}", "none"): pack(count, "none") for count in (1, 8)}


def serve(
    make: Callable[[str, int], dict[Way, tuple[Callable[[], None], int]]], data: str, pipe: Connection
) -> None:
    """Names its ways, then takes one and a number of run-steps, and answers with processor ms a run-step."""
    torch.set_num_threads(1)
    ways = make(data, RUNS // cores())
    for advance, _ in ways.values():
        for _ in range(3):
            advance()
    pipe.send(list(ways))
    while asked := pipe.recv():
        way, run_steps = asked
        advance, runs = ways[way]
        steps = max(1, run_steps // runs)
        began = time.process_time()
        for _ in range(steps):
            advance()
        pipe.send((time.process_time() - began) * 1000 / (steps * runs))


def whole(data: str, pipe: Connection) -> None:
    """Trains a pack to its end, with all that is measured there, and answers with its peak memory in MB."""
    torch.set_num_threads(1)
    from regularize.store import PackPaths
    from regularize.train_pack import train_pack

    training = Training(steps=40, batch_size=BATCH, lr=RATE)
    with TemporaryDirectory() as folder:
        train_pack(runs_of(data, range(RUNS // cores()), "none", training), PackPaths(Path(folder)))
    pipe.send(peak_megabytes())


def started(target: Callable[..., None], *arguments: object) -> Connection:
    context = mp.get_context("spawn")
    mine, theirs = context.Pipe()
    context.Process(target=target, args=(*arguments, theirs), daemon=True).start()
    return mine


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--run-steps", type=int, default=48)
    options = parser.parse_args()
    data = images.choose()
    pools = [[started(serve, make, data) for _ in range(cores())] for make in (rivals, ours)]
    ways = [(way, pool) for pool in pools for way in _ready(pool)]
    times: dict[Way, list[float]] = {way: [] for way, _ in ways}
    for _ in range(options.rounds):
        for way, pool in ways:
            for pipe in pool:  # all at once, as they would train
                pipe.send((way, options.run_steps))
            times[way].append(statistics.mean(pipe.recv() for pipe in pool))
    for pool in pools:
        for pipe in pool:
            pipe.send(None)
    memory: float = started(whole, data).recv()
    sys.exit(report({way: statistics.median(values) for way, values in times.items()}, memory) > 0)


def _ready(pool: list[Connection]) -> list[Way]:
    """What each of them can do, once all can."""
    ways, *_ = [pipe.recv() for pipe in pool]
    return list(ways)


def report(times: dict[Way, float], memory: float) -> int:
    """Print what was measured; the number of targets missed."""
    path = fused.chosen().name
    print(f"LeNet-5's stages: {path}; {cores()} processes of one thread")
    print(
        f"{'processor ms a run-step':24}" + "".join(f"{name:>10}" for name in TECHNIQUES) + f"{'sweep':>10}"
    )
    sums = {}
    for who in dict.fromkeys(who for who, _ in times):
        values = [times[who, technique] for technique in TECHNIQUES if (who, technique) in times]
        sums[who] = sum(values)
        shown = [*values, sums[who]] if len(values) == len(TECHNIQUES) else values
        print(f"{who:24}" + "".join(f"{value:10.2f}" for value in shown))
    plain, target = times["(c) packed", "none"], SWEEP.get(path.removeprefix("fused "), SWEEP_ELSEWHERE)
    missed = [
        _told("(b) : (c), over the sweep", sums["(b) tuned loop"] / sums["(c) packed"], at_least=target),
        _told("(a) : (c), none", times["(a) DataLoader", "none"] / plain, at_least=LOADER),
        _told("jacobian : none, packed", times["(c) packed", "jacobian"] / plain, at_most=MOST_JACOBIAN),
        _told("R = 1 : R = 8", times["R = 1", "none"] / times["R = 8", "none"], at_most=MOST_ALONE),
        _told("peak MB of a worker", memory, at_most=MOST_MEMORY),
    ]
    return sum(missed)


def _told(what: str, value: float, *, at_least: float = 0.0, at_most: float = float("inf")) -> bool:
    missed = not at_least <= value <= at_most
    bound = f"at least {at_least:g}" if at_least else f"at most {at_most:g}"
    print(f"{what:28} {value:8.2f}   {bound}{' missed' if missed else ''}")
    return missed


if __name__ == "__main__":
    main()

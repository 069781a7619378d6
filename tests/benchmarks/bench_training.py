"""Throughput of eight LeNet-5 runs on MNIST: `python -m tests.benchmarks.bench_training [--rounds N]`.

Three ways take turns in one process group, so that all see the same machine:
  (a) one run after the other, DataLoader(num_workers=0) over torchvision's dataset, default threads;
  (b) one run after the other, a tuned in-memory loop: tensors normalised beforehand, indexed batches,
      multi-tensor SGD, default threads;
  (c) ours: as many one-thread worker processes as cores, the eight runs packed among them.
Prints run-steps per second (one run-step: one optimizer step of one run, batch 128), minimum,
median and maximum over the rounds, the ratios of medians, and the memory of a worker; the exit code
is 1 if a target is missed.
"""

from __future__ import annotations

import argparse
import gzip
import os
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from multiprocessing.connection import Connection
from pathlib import Path
from tempfile import TemporaryDirectory

import torch
import torch.multiprocessing as mp
import torch.nn.functional as F
from torch import nn

from regularize.config import RunConfig
from regularize.cores import cores
from regularize.data import data_root, load
from regularize.data.data_config import DataConfig
from regularize.training_config import Training
from tests.benchmarks.processes import peak_megabytes

RUNS, BATCH = 8, 128
# The least that (c) has to be of each, and the most that a worker may take, in MB.
TARGETS = {"(a) DataLoader loop": 4.0, "(b) in-memory loop": 1.8}
MOST_MEMORY = 1000


def plain_network() -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(1, 6, 5, padding=2), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(6, 16, 5), nn.ReLU(), nn.MaxPool2d(2),
        nn.Flatten(), nn.Linear(400, 120), nn.ReLU(), nn.Linear(120, 84), nn.ReLU(), nn.Linear(84, 10),
    )  # fmt: skip


def dataloader_batches() -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    from torchvision import datasets, transforms

    transform = transforms.Compose([transforms.ToTensor(), transforms.Normalize(0.1307, 0.3081)])
    with TemporaryDirectory() as folder:  # torchvision wants the raw files without .gz
        for packed_file in (data_root() / "MNIST" / "raw").glob("*.gz"):
            raw = Path(folder) / "MNIST" / "raw" / packed_file.stem
            raw.parent.mkdir(parents=True, exist_ok=True)
            raw.write_bytes(gzip.decompress(packed_file.read_bytes()))
        dataset = datasets.MNIST(folder, train=True, transform=transform)
    while True:
        yield from torch.utils.data.DataLoader(dataset, BATCH, shuffle=True, num_workers=0)


def memory_batches() -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    dataset = load("mnist")
    images = (dataset.train_images.permute(0, 3, 1, 2).float() / 255 - 0.1307) / 0.3081
    while True:
        for rows in torch.randperm(len(images)).split(BATCH):
            yield images[rows], dataset.train_labels[rows]


def sequential(batches: Iterator[tuple[torch.Tensor, torch.Tensor]], foreach: bool) -> Callable[[int], float]:
    """Seconds that `steps` steps of each of the runs take, one run after the other."""
    network = plain_network()
    optimizer = torch.optim.SGD(network.parameters(), lr=0.01, momentum=0.9, foreach=foreach)

    def measure(steps: int) -> float:
        started = time.perf_counter()
        for _ in range(RUNS * steps):
            x, labels = next(batches)
            loss = F.cross_entropy(network(x), labels)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        return time.perf_counter() - started

    return measure


def worker(seeds: list[int], pipe: Connection) -> None:
    """Takes numbers of steps from the pipe and answers each with 'done', until one is 0."""
    torch.set_num_threads(1)
    from regularize.distributed import Ranks
    from regularize.memory import keep_large_blocks
    from regularize.store import PackPaths
    from regularize.trainer import Trainer

    keep_large_blocks()
    runs = runs_of(seeds, Training(epochs=1000, batch_size=BATCH, lr=0.01))
    trainer = Trainer(runs, PackPaths(Path(os.devnull)), Ranks.here(), None)
    pipe.send("ready")
    while steps := pipe.recv():
        for _ in range(steps):
            trainer.advance()
        pipe.send("done")


def runs_of(seeds: list[int], training: Training) -> list[RunConfig]:
    data = DataConfig(name="mnist")
    return [
        RunConfig(data=data, model="lenet5", regularizer="none", terms=(), training=training, seed=seed)
        for seed in seeds
    ]


def whole(seeds: list[int], pipe: Connection) -> None:
    """Trains a pack to its end, with all that is measured there, and answers with its peak memory in MB."""
    torch.set_num_threads(1)
    from regularize.store import PackPaths
    from regularize.train_pack import train_pack

    with TemporaryDirectory() as folder:
        train_pack(runs_of(seeds, Training(steps=40, batch_size=BATCH, lr=0.01)), PackPaths(Path(folder)))
    pipe.send(peak_megabytes())


def packed() -> tuple[Callable[[int], float], Callable[[], float]]:
    """The same for the workers, and the peak memory in MB of one that trains its pack to the end."""
    processes = cores()
    context = mp.get_context("spawn")
    pipes = []
    for number in range(processes):
        ours, theirs = context.Pipe()
        context.Process(
            target=worker, args=(list(range(number, RUNS, processes)), theirs), daemon=True
        ).start()
        pipes.append(ours)
    for pipe in pipes:
        pipe.recv()

    def measure(steps: int) -> float:
        started = time.perf_counter()
        for pipe in pipes:
            pipe.send(steps)
        for pipe in pipes:
            pipe.recv()
        return time.perf_counter() - started

    def memory() -> float:
        for pipe in pipes:
            pipe.send(0)
        ours, theirs = context.Pipe()
        context.Process(target=whole, args=(list(range(0, RUNS, processes)), theirs), daemon=True).start()
        theirs.close()
        found: float = ours.recv()
        return found

    return measure, memory


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--steps", type=int, default=20)
    options = parser.parse_args()
    ours, memory = packed()
    ways = {
        "(a) DataLoader loop": sequential(dataloader_batches(), foreach=False),
        "(b) in-memory loop": sequential(memory_batches(), foreach=True),
        "(c) packed workers": ours,
    }
    for measure in ways.values():
        measure(3)
    rates: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(options.rounds):
        for name, measure in ways.items():
            rates[name].append(RUNS * options.steps / measure(options.steps))
    sys.exit(report(rates, memory()) > 0)


def report(rates: dict[str, list[float]], memory: float) -> int:
    """Print what was measured; the number of targets missed."""
    missed = 0
    print("run-steps per second        min   median      max   (c) is   target")
    reference = statistics.median(rates["(c) packed workers"])
    for name, values in rates.items():
        median = statistics.median(values)
        ratio, target = reference / median, TARGETS.get(name, 0.0)
        spread = f"{min(values):6.0f}   {median:6.0f}   {max(values):6.0f}"
        print(f"{name:24s} {spread}   {ratio:5.2f} x   {_target(target, ratio < target)}")
        missed += ratio < target
    large = memory > MOST_MEMORY
    print(f"peak memory of a worker: {memory:.0f} MB   {_target(MOST_MEMORY, large)}")
    return missed + large


def _target(target: float, missed: bool) -> str:
    return f"{target:g}{' missed' if missed else ''}" if target else ""


if __name__ == "__main__":
    main()

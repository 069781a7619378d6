"""Modules of one's own side by side through `torch.func.vmap` against one by one, in turns.

    python -m tests.benchmarks.bench_modules [ROUNDS [MODEL [BATCH]]]

Processor seconds of one thread for forward and backward passes of R runs, which other load does not change
much. Above 1 side by side is faster. MODEL is a part of the name of those to be tried, BATCH the largest.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from types import ModuleType

import torch
import torch.nn.functional as F
from torch import Tensor

from regularize import models
from regularize.models.network import Network

CASES = [
    ("small_resnet:group_norm", (1, 28, 28)),
    ("small_resnet:batch_norm", (1, 28, 28)),
    ("theirs:resnet18", (3, 32, 32)),
]


def step(network: Network, x: Tensor, labels: Tensor) -> None:
    logits = network.train()(x)
    loss = F.cross_entropy(logits.flatten(0, 1), labels.flatten())
    torch.autograd.grad(loss, list(network.parameters()))


def seconds(act: Callable[[], object]) -> float:
    begun = time.process_time()
    act()
    return time.process_time() - begun


def ratio(name: str, shape: tuple[int, ...], runs: int, batch: int, rounds: int) -> float:
    """The median of alone / side by side."""
    together = models.build(name, range(runs), shape=shape, classes=10)
    alone = [models.build(name, [seed], shape=shape, classes=10) for seed in range(runs)]
    x, labels = torch.randn(runs, batch, *shape), torch.randint(10, (runs, batch))

    def one_by_one() -> None:
        for run, network in enumerate(alone):
            step(network, x[run : run + 1], labels[run : run + 1])

    pairs = [(seconds(one_by_one), seconds(lambda: step(together, x, labels))) for _ in range(rounds + 1)]
    return median(one / other for one, other in pairs[1:])


def main(rounds: int = 5, model: str = "", largest: int = 128) -> None:
    torch.set_num_threads(1)
    sys.path.insert(0, str(Path(__file__).parents[2] / "examples"))
    from torchvision.models import resnet18

    theirs = ModuleType("theirs")
    theirs.resnet18 = lambda _shape, classes: resnet18(num_classes=classes)  # type: ignore[attr-defined]
    sys.modules["theirs"] = theirs
    for name, shape in (case for case in CASES if model in case[0]):
        for runs, batch in ((runs, batch) for runs, batch in ((4, 32), (8, 8), (8, 128)) if batch <= largest):
            found = ratio(name, shape, runs, batch, rounds)
            print(f"{name} {runs} runs, batches of {batch}: {found:.2f} times the throughput", flush=True)


if __name__ == "__main__":
    given = sys.argv[1:]
    main(*map(int, given[:1]), *given[1:2], *map(int, given[2:3]))

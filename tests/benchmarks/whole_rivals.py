"""The sweep of `bench_whole` by other tools: `python -m tests.benchmarks.whole_rivals WAY DATA STEPS`.

Each trains every technique with every seed on one thread, two runs at a time, ends with the accuracy on
all test images, and prints it for each run. What they have in common: images in memory, channels last, a
fused optimizer, the Jacobian's norm differentiated twice.
"""

from __future__ import annotations

import itertools
import multiprocessing
import os
import sys
from collections.abc import Callable, Iterable
from typing import Any

import torch

from regularize.data import load
from tests.benchmarks.rivals import (
    BATCH,
    JACOBIAN,
    L2,
    MOMENTUM,
    RATE,
    Batch,
    Tuned,
    jacobian_norm,
    network,
    normalised,
)

TECHNIQUES, SEEDS, WORKERS = ("none", "l2", "dropout", "jacobian"), range(4), 2
Run = tuple[str, int]
RUNS: list[Run] = list(itertools.product(TECHNIQUES, SEEDS))


def accuracy(model: torch.nn.Module, data: str) -> float:
    dataset = load(data)
    images, labels = normalised(dataset.test_images), dataset.test_labels
    model.eval()
    with torch.no_grad():
        right = [
            (model(x).argmax(1) == y).sum() for x, y in zip(images.split(500), labels.split(500), strict=True)
        ]
    return sum(map(int, right)) / len(labels)


def by_loop(run: Run, data: str, steps: int) -> float:
    """The loop that a good engineer writes."""
    torch.set_num_threads(1)
    technique, seed = run
    torch.manual_seed(seed)
    tuned = Tuned(data, technique)
    for _ in range(steps):
        tuned.advance()
    return accuracy(tuned.network, data)


def by_lightning(run: Run, data: str, steps: int) -> float:
    """Lightning's Trainer, with all that is not training switched off."""
    import logging
    import warnings

    import lightning

    warnings.simplefilter("ignore")
    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
    torch.set_num_threads(1)
    technique, seed = run
    torch.manual_seed(seed)

    class Net(lightning.LightningModule):
        def __init__(self) -> None:
            super().__init__()
            self.network = network(technique == "dropout").to(memory_format=torch.channels_last)

        def training_step(self, batch: Batch, _: int) -> torch.Tensor:
            x, labels = batch
            x.requires_grad_(technique == "jacobian")
            logits = self.network(x)
            loss = torch.nn.functional.cross_entropy(logits, labels)
            return loss + JACOBIAN / 2 * jacobian_norm(logits, x) if technique == "jacobian" else loss

        def configure_optimizers(self) -> torch.optim.Optimizer:
            decay = L2 if technique == "l2" else 0.0
            return torch.optim.SGD(
                self.parameters(), lr=RATE, momentum=MOMENTUM, weight_decay=decay, fused=True
            )

    dataset = load(data)
    tensors = torch.utils.data.TensorDataset(normalised(dataset.train_images), dataset.train_labels)
    batches = torch.utils.data.BatchSampler(torch.utils.data.RandomSampler(tensors), BATCH, drop_last=True)
    loader = torch.utils.data.DataLoader(
        tensors, sampler=batches, batch_size=None
    )  # indexed a batch at a time
    quiet = dict.fromkeys(
        ("logger", "enable_checkpointing", "enable_progress_bar", "enable_model_summary"), False
    )
    net = Net()
    lightning.Trainer(accelerator="cpu", devices=1, max_steps=steps, max_epochs=-1, **quiet).fit(net, loader)
    return accuracy(net.network, data)


def by_processes(train: Callable[[Run, str, int], float], data: str, steps: int) -> Iterable[float]:
    """Two processes, each of which takes the next run when it is free."""
    with multiprocessing.get_context("spawn").Pool(WORKERS) as pool:
        return pool.starmap(train, [(run, data, steps) for run in RUNS], chunksize=1)


def by_ray(data: str, steps: int) -> Iterable[float]:
    """Ray Tune over the tuned loop, one CPU a trial, its workers reused."""
    import ray
    from ray import tune

    def trainable(config: dict[str, Any]) -> dict[str, float]:
        return {"accuracy": by_loop((config["technique"], config["seed"]), data, steps)}

    ray.init(num_cpus=WORKERS, include_dashboard=False, log_to_driver=False, logging_level="ERROR")
    space = {"technique": tune.grid_search(list(TECHNIQUES)), "seed": tune.grid_search(list(SEEDS))}
    found = tune.Tuner(
        tune.with_resources(trainable, {"cpu": 1}),
        param_space=space,
        tune_config=tune.TuneConfig(reuse_actors=True),
        run_config=tune.RunConfig(verbose=0),
    ).fit()
    return [result.metrics["accuracy"] for result in found]


def main() -> None:
    way, data, steps = sys.argv[1], sys.argv[2], int(sys.argv[3])
    os.environ["OMP_NUM_THREADS"] = "1"
    if way == "ray":
        found = by_ray(data, steps)
    else:
        found = by_processes({"loop": by_loop, "lightning": by_lightning}[way], data, steps)
    print(*(f"{value:.4f}" for value in found))


if __name__ == "__main__":
    main()

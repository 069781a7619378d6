"""The optimizer over parameters with a run axis, and the freezing of runs that diverged."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from regularize.config import Training


def build(training: Training, model: nn.Module) -> torch.optim.Optimizer:
    """SGD or Adam as one multi-tensor update of all runs; AdamW decays weights, not biases."""
    parameters = list(model.parameters())
    if training.optimizer == "sgd":
        return torch.optim.SGD(parameters, lr=training.lr, momentum=training.momentum, foreach=True)
    if training.optimizer == "adam":
        return torch.optim.Adam(parameters, lr=training.lr, foreach=True)
    decay = [p for name, p in model.named_parameters() if name.endswith("weight")]
    others = [p for name, p in model.named_parameters() if not name.endswith("weight")]
    groups = [
        {"params": decay, "weight_decay": training.weight_decay},
        {"params": others, "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, lr=training.lr, foreach=True)


def set_rate(optimizer: torch.optim.Optimizer, rate: float) -> None:
    for group in optimizer.param_groups:
        group["lr"] = rate


def finite_runs(parameters: Sequence[Tensor]) -> Tensor:
    """Which runs have finite gradients, [R] bool; the same on every rank, once gradients are."""
    sums = [p.grad.flatten(1).sum(1) for p in parameters if p.grad is not None]
    return torch.stack(sums).isfinite().all(0)


@contextmanager
def frozen(parameters: Sequence[Tensor], runs: Tensor) -> Iterator[None]:
    """Whatever happens inside, the parameters of `runs` (an index) are afterwards as before."""
    if not len(runs):
        yield
        return
    before = [p.detach()[runs].clone() for p in parameters]
    yield
    with torch.no_grad():
        for parameter, rows in zip(parameters, before, strict=True):
            parameter[runs] = rows

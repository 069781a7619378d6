"""Which examples are trained on, which are held out, and in what order they come.

All pure functions of the labels, the data configuration and the seed: runs with one seed are
paired, whatever their regularizer or strength.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from regularize.data.data_config import DataConfig
from regularize.errors import UserError
from regularize.rng import generator


@dataclass(frozen=True, eq=False)
class Split:
    """Indices into the training part, int64, ascending, without overlap."""

    train: Tensor
    validation: Tensor


def split(labels: Tensor, config: DataConfig, seed: int, published: int = 0) -> Split:
    """Hold out a share of the training part, and keep `per_class` examples a class of the rest.

    `labels` is the training part's, int64 [N]. Where its last `published` examples are the data set's
    own validation part, these are held out. Else the held-out examples are drawn regardless of class, and
    `per_class` says at most how many. For one seed the few examples of a small `per_class` are among those
    of a larger one where as many are held out. With a `split_seed` that seed is drawn by, whatever the run's
    own.

    Raises:
        UserError: nothing would be held out or left, or a class has fewer than `per_class` left.
    """
    count, seed = len(labels), seed if config.split_seed is None else config.split_seed
    classes = int(labels.max()) + 1
    if published:
        train, validation = torch.arange(count - published), torch.arange(count - published, count)
    else:
        config.check_held_out(count, classes)
        held = config.held_out(count, classes)
        shuffled = torch.randperm(count, generator=generator(seed, "split"))
        validation, train = shuffled[:held].sort().values, shuffled[held:].sort().values
    if config.per_class is not None:
        train = _few(train, labels[train], classes, config.per_class, generator(seed, "subset"))
    return Split(train, validation)


def order(count: int, seed: int, epoch: int) -> Tensor:
    """The order of an epoch's `count` training examples: a permutation, int64 [count]."""
    return torch.randperm(count, generator=generator(seed, "order", epoch))


def _few(train: Tensor, labels: Tensor, classes: int, per_class: int, draw: torch.Generator) -> Tensor:
    """`per_class` of each class, drawn from the examples `train` with these `labels`."""
    counts = torch.bincount(labels, minlength=classes)
    if counts.min() < per_class:
        raise UserError(
            f"per_class is {per_class}, but class {int(counts.argmin())} has {int(counts.min())} examples "
            "left to train on"
        )
    shuffled = torch.randperm(len(train), generator=draw)
    grouped = shuffled[labels[shuffled].sort(stable=True).indices]
    first = (counts.cumsum(0) - counts)[:, None] + torch.arange(per_class)  # [classes, per_class]
    return train[grouped[first.flatten()]].sort().values

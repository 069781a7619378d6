"""Which test examples figures show: drawn by a hash, never picked by hand, the same for all methods."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from torch import Tensor

    from regularize.batches import Batches

PURPOSE = "figures"
MOST_CLASSES = 10  # that can be told apart by colour


class Examples(NamedTuple):
    """Rows of the test part, their inputs [N, …] as networks get them, and their labels [N]."""

    rows: list[int]
    x: Tensor
    labels: Tensor

    def pixels(self, batches: Batches) -> NDArray[np.float64]:
        """The images in [0, 1], [N, C, H, W]."""
        images: NDArray[np.float64] = batches.images["test"][self.rows].permute(0, 3, 1, 2).numpy() / 255
        return images


def sample(batches: Batches, count: int) -> Examples:
    """The first `count` test examples in an order that hangs on their number alone.

    Where there are more than ten classes, those of the first ten in that order.
    """
    labels, order = batches.labels["test"].tolist(), _order(batches)
    kept = set(list(dict.fromkeys(labels[row] for row in order))[:MOST_CLASSES])
    return _examples(batches, [row for row in order if labels[row] in kept][:count])


def one_a_class(batches: Batches, count: int) -> Examples:
    """In the same order, the first examples of `count` different classes (or of as many as there are)."""
    first: dict[int, int] = {}
    labels = batches.labels["test"].tolist()
    for row in _order(batches):
        first.setdefault(labels[row], row)
        if len(first) == count:
            break
    return _examples(batches, list(first.values()))


def _order(batches: Batches) -> list[int]:
    import torch

    from regularize.rng import generator

    total = len(batches.labels["test"])
    order: list[int] = torch.randperm(total, generator=generator(0, PURPOSE)).tolist()
    return order


def _examples(batches: Batches, rows: list[int]) -> Examples:
    import torch

    x, labels = batches.take("test", torch.tensor(rows).unsqueeze(0))
    return Examples(rows, x[0].contiguous(), labels[0])

"""A data set as tensors."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from regularize.data.corrupted import Corrupted, find
from regularize.data.form import Form
from regularize.data.prepare import AS_IT_IS, prepared
from regularize.data.registry import data_root
from regularize.data.stored import ARRAYS


@dataclass(frozen=True, kw_only=True, eq=False)
class Dataset:
    """Images uint8 [N, H, W, C] with H = W or points float32 [N, D], labels int64 [N] in [0, classes).

    The tensors are memory-mapped: all processes of a node share them, and only the pages in use
    take memory. `mean` and `std` are per channel, of the training part, for pixels in [0, 1];
    0 and 1 for points, which stay in their own units. `class_names` are empty where classes have
    numbers only. The last `validation` training examples are the published validation part.
    `content_hash` stands for all of this but the name. `corrupted` finds copies of the test part, on disk.
    """

    name: str
    classes: int
    train_images: Tensor
    train_labels: Tensor
    test_images: Tensor
    test_labels: Tensor
    mean: tuple[float, ...]
    std: tuple[float, ...]
    class_names: tuple[str, ...] = ()
    validation: int = 0
    content_hash: str = ""
    corrupted: Callable[[], Sequence[Corrupted]] = tuple

    @property
    def shape(self) -> tuple[int, ...]:
        """Of one example as networks take it: (C, H, W) or (D,)."""
        *places, channels = self.train_images.shape[1:]
        return (channels, *places)


def load(name: str, root: Path | str | None = None, form: Form = AS_IT_IS) -> Dataset:
    """A data set by its name in a sweep, prepared first if it is not yet.

    Raises:
        UserError: unknown, missing or damaged data, or a folder that cannot be written.
    """
    ready = prepared(name, root, form)
    # Copy-on-write ("c"), since torch has no tensors that are only to be read.
    maps = {array: torch.from_numpy(np.load(ready.path(array), mmap_mode="c")) for array in ARRAYS}
    return Dataset(
        name=name,
        classes=ready.facts.classes,
        mean=ready.mean,
        std=ready.std,
        class_names=ready.class_names,
        validation=ready.facts.validation,
        content_hash=ready.content_hash,
        corrupted=partial(find, name, data_root(root), form),
        **maps,
    )

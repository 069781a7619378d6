"""From the data set's memory-mapped bytes to normalised batches with the run axis."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache

import torch
from torch import Tensor

from regularize.data import Dataset

_Parts = tuple[tuple[Tensor, Tensor], tuple[Tensor, Tensor]]


def _resident(dataset: Dataset, device: torch.device) -> _Parts:
    """Images and labels of the training and the test part, on the device once in a process."""
    parts = (dataset.train_images, dataset.train_labels), (dataset.test_images, dataset.test_labels)
    return parts if device.type == "cpu" else _copied(_Content(dataset.content_hash, parts), device)


class _Content:
    """Parts of a data set that are the same as others of this hash."""

    def __init__(self, content: str, parts: _Parts) -> None:
        self.content, self.parts = content, parts

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Content) and self.content == other.content

    def __hash__(self) -> int:
        return hash(self.content)


@lru_cache(maxsize=1)  # that of the pack before: a worker's packs go by data set
def _copied(content: _Content, device: torch.device) -> _Parts:
    train, test = ((images.to(device), labels.to(device)) for images, labels in content.parts)
    return train, test


class Batches:
    """Examples normalised by the training part's mean and deviation, on the device that trains.

    Attributes:
        shape: of one example, (C, H, W) or (D,).
        class_names: by number, empty where classes have numbers only.
        pixel: [C, 1, 1] or [D], what a change of one full pixel range amounts to in the inputs; of
            one unit, for points.
        bounds: the inputs of a black and a white pixel, [C, 1, 1] each; None for points.
        corrupted: finds copies of the test split, on disk.
        examples_first: whether inputs lie in memory as folded convolutions want them, an example of all
            runs after the other; else a run after the other.
    """

    def __init__(self, dataset: Dataset, dtype: torch.dtype, device: torch.device) -> None:
        self.dtype, self.device = dtype, device
        train, test = _resident(dataset, device)
        self.images = {"train": train[0], "test": test[0]}
        self.labels = {"train": train[1], "test": test[1]}
        self.shape, self.class_names = dataset.shape, dataset.class_names
        self.corrupted = dataset.corrupted
        mean = torch.tensor(dataset.mean, dtype=torch.float64, device=device)
        std = torch.tensor(dataset.std, dtype=torch.float64, device=device)
        unit = 255 if dataset.train_images.dtype == torch.uint8 else 1
        self._scale, self._shift = (1 / (unit * std)).to(dtype), (mean / std).to(dtype)
        self.pixel = (1 / std).to(dtype).view(-1, *[1] * (len(self.shape) - 1))
        # As `take` computes them: an image's own pixels are never beyond, not even by rounding.
        black, white = 0 * self._scale - self._shift, unit * self._scale - self._shift
        self.examples_first = True
        self.bounds = (black.view(-1, 1, 1), white.view(-1, 1, 1)) if unit == 255 else None

    @contextmanager
    def holding(self, part: str, images: Tensor, labels: Tensor) -> Iterator[None]:
        """Let `take` know more images, uint8 [N, H, W, C], and their labels [N] by the name of a part."""
        self.images[part], self.labels[part] = images.to(self.device), labels.to(self.device)
        try:
            yield
        finally:
            del self.images[part], self.labels[part]

    def take(self, part: str, index: Tensor) -> tuple[Tensor, Tensor]:
        """Examples [R, B] of the official `part` to inputs [R, B, *shape] and labels [R, B]."""
        rows = index.t() if self.examples_first else index
        chosen = self.images[part].index_select(0, rows.reshape(-1))  # a quarter of the time of [rows]
        values = chosen.view(*rows.shape, *chosen.shape[1:])
        if self.examples_first:
            values = values.movedim(1, -2)
        x = values.to(self.dtype, memory_format=torch.contiguous_format).mul_(self._scale).sub_(self._shift)
        if self.examples_first:
            x = x.movedim(-2, 0)
        return x.movedim(-1, 2), self.labels[part].take(index)

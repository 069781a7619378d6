"""From the data set's memory-mapped bytes to normalised batches with the run axis."""

from __future__ import annotations

import torch
from torch import Tensor

from regularize.data import Dataset


class Batches:
    """Pixels normalised by the training part's mean and deviation, on the device that trains."""

    def __init__(self, dataset: Dataset, dtype: torch.dtype, device: torch.device) -> None:
        self.dtype, self.device = dtype, device
        self.images = {"train": dataset.train_images.to(device), "test": dataset.test_images.to(device)}
        self.labels = {"train": dataset.train_labels.to(device), "test": dataset.test_labels.to(device)}
        self.shape = (dataset.channels, dataset.side, dataset.side)  # of one example
        mean = torch.tensor(dataset.mean, dtype=torch.float64, device=device)
        std = torch.tensor(dataset.std, dtype=torch.float64, device=device)
        self._scale, self._shift = (1 / (255 * std)).to(dtype), (mean / std).to(dtype)
        self.pixel = (1 / std).to(dtype).view(-1, 1, 1)

    def take(self, part: str, index: Tensor) -> tuple[Tensor, Tensor]:
        """Examples [R, B] of the official `part` to inputs [R, B, C, H, W] and labels [R, B]."""
        runs, count = index.shape
        rows = index.t().reshape(-1)  # examples first: the memory order of a folded convolution
        pixels = (
            self.images[part][rows].view(count, runs, *self.images[part].shape[1:]).permute(0, 2, 3, 1, 4)
        )
        x = pixels.to(self.dtype, memory_format=torch.contiguous_format) * self._scale - self._shift
        return x.permute(3, 0, 4, 1, 2), self.labels[part][index]

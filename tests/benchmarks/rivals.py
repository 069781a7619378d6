"""LeNet-5 as one would train it without this toolkit: one run after the other."""

from __future__ import annotations

from collections.abc import Iterator

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from regularize.data import load

BATCH, RATE, MOMENTUM = 128, 0.01, 0.9
L2, DROPOUT, JACOBIAN = 5e-4, 0.5, 0.01

Batch = tuple[Tensor, Tensor]


def network(dropout: bool = False) -> nn.Sequential:
    drop = [nn.Dropout(DROPOUT)] if dropout else []
    return nn.Sequential(
        nn.Conv2d(1, 6, 5, padding=2), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(6, 16, 5), nn.ReLU(), nn.MaxPool2d(2),
        nn.Flatten(), nn.Linear(400, 120), nn.ReLU(), *drop, nn.Linear(120, 84), nn.ReLU(), *drop,
        nn.Linear(84, 10),
    )  # fmt: skip


def normalised(images: Tensor) -> Tensor:
    """Images [N, H, W, C] of bytes to [N, C, H, W], channels last in memory."""
    values = (images.permute(0, 3, 1, 2).float() / 255 - 0.1307) / 0.3081
    return values.contiguous(memory_format=torch.channels_last)


def jacobian_norm(logits: Tensor, x: Tensor) -> Tensor:
    """Mean squared norm of the Jacobian, by one projection an example."""
    examples, classes = logits.shape
    direction = F.normalize(torch.randn_like(logits), dim=1)
    (row,) = torch.autograd.grad(logits, x, direction, create_graph=True)
    return classes * row.square().sum() / examples


class Tuned:
    """Tensors normalised beforehand, channels last, indexed batches, a fused optimizer.

    The Jacobian is differentiated twice, with one projection, as in the code of Hoffman et al.
    """

    def __init__(self, data: str, technique: str) -> None:
        self.technique = technique
        self.network = network(technique == "dropout").to(memory_format=torch.channels_last)
        decay = L2 if technique == "l2" else 0.0
        self.optimizer = torch.optim.SGD(
            self.network.parameters(), lr=RATE, momentum=MOMENTUM, weight_decay=decay, fused=True
        )
        self.batches = self._batches(data)

    @staticmethod
    def _batches(data: str) -> Iterator[Batch]:
        dataset = load(data)
        images = normalised(dataset.train_images)
        while True:
            rows = torch.randperm(len(images))
            for first in range(0, len(rows) - BATCH + 1, BATCH):
                batch = rows[first : first + BATCH]
                yield images[batch], dataset.train_labels[batch]

    def advance(self) -> None:
        x, labels = next(self.batches)
        jacobian = self.technique == "jacobian"
        x.requires_grad_(jacobian)
        logits = self.network(x)
        loss = F.cross_entropy(logits, labels)
        if jacobian:
            loss = loss + JACOBIAN / 2 * jacobian_norm(logits, x)
        self.optimizer.zero_grad()
        torch.autograd.backward(loss)
        self.optimizer.step()


class Loader:
    """The loop of tutorials: `DataLoader(num_workers=0)` over images as torchvision gives them out."""

    def __init__(self, data: str) -> None:
        self.network = network()
        self.optimizer = torch.optim.SGD(self.network.parameters(), lr=RATE, momentum=MOMENTUM)
        self.batches = self._batches(data)

    @staticmethod
    def _batches(data: str) -> Iterator[Batch]:
        loader = torch.utils.data.DataLoader(_Pictures(data), BATCH, shuffle=True, drop_last=True)
        while True:
            yield from loader

    def advance(self) -> None:
        x, labels = next(self.batches)
        loss = F.cross_entropy(self.network(x), labels)
        self.optimizer.zero_grad()
        torch.autograd.backward(loss)
        self.optimizer.step()


class _Pictures(torch.utils.data.Dataset[tuple[Tensor, int]]):
    """What `torchvision.datasets.MNIST` does to an image, with its usual transforms."""

    def __init__(self, data: str) -> None:
        from torchvision import transforms

        dataset = load(data)
        self.images, self.labels = dataset.train_images.squeeze(-1), dataset.train_labels
        self.transform = transforms.Compose([transforms.ToTensor(), transforms.Normalize(0.1307, 0.3081)])

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        from PIL import Image

        picture = Image.fromarray(self.images[index].numpy(), mode="L")
        return self.transform(picture), int(self.labels[index])

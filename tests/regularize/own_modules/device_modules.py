"""Someone's modules that draw, in every way that goes without asking the host."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class Drawing(nn.Module):
    """Of images: dropout of values and channels, noise, a depth for each example, numbers for all."""

    def __init__(self, shape: tuple[int, ...], classes: int) -> None:
        super().__init__()
        self.stem, self.norm = nn.Conv2d(shape[0], 4, 5, stride=3), nn.BatchNorm2d(4)
        self.block, self.channels, self.drop = (
            nn.Conv2d(4, 4, 3, padding=1),
            nn.Dropout2d(0.2),
            nn.Dropout(0.5),
        )
        self.alpha, self.out = nn.AlphaDropout(0.1), nn.Linear(4, classes)

    def forward(self, x: Tensor) -> Tensor:
        x = self.channels(torch.relu(self.norm(self.stem(x))))
        more = self.block(x)
        if self.training:
            kept = torch.rand(len(x), 1, 1, 1, dtype=x.dtype, device=x.device) < 0.7
            noise = torch.randn_like(more) + torch.rand(more.shape[1:], dtype=x.dtype, device=x.device)
            more = more * kept + 0.1 * noise * torch.empty_like(more).exponential_()
            more = more + torch.normal(torch.zeros_like(more), 0.1) + torch.bernoulli(more.sigmoid())
            more = more + 0.1 * torch.randint(3, (len(x), 1, 1, 1), device=x.device)
        out: Tensor = self.out(self.alpha(self.drop(x + more)).mean((2, 3)))
        return out


class Sequences(nn.Module):
    """Of rows of pixels: an encoder with dropout."""

    def __init__(self, shape: tuple[int, ...], classes: int) -> None:
        super().__init__()
        self.embed, self.out = nn.Linear(shape[-1], 8), nn.Linear(8, classes)
        self.encoder = nn.TransformerEncoderLayer(8, 2, 16, dropout=0.2, batch_first=True)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.out(self.encoder(self.embed(x.flatten(1, 2))).mean(1))
        return out


def drawing(shape: tuple[int, ...], classes: int) -> nn.Module:
    return Drawing(shape, classes)


def sequences(shape: tuple[int, ...], classes: int) -> nn.Module:
    return Sequences(shape, classes)

"""Someone's modules with all that several ranks could compute otherwise than one."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn


class Points(nn.Module):
    """Of points: normalisation, dropout, noise for examples and for all, a buffer, parameters not used."""

    def __init__(self, shape: tuple[int, ...], classes: int, norm: Callable[[int], nn.Module]) -> None:
        super().__init__()
        self.never = nn.Linear(3, 3)
        self.first, self.mix, self.out = nn.Linear(shape[0], 12), nn.Linear(12, 12), nn.Linear(12, classes)
        self.norm, self.drop = norm(12), nn.Dropout(0.3)
        self.at_times = nn.Linear(12, 12)
        self.register_buffer("calls", torch.zeros((), dtype=torch.int64))

    def forward(self, x: Tensor) -> Tensor:
        x = self.norm(self.first(x))
        if self.training:
            self.calls += 1
            if int(self.calls) % 3 == 0:
                x = x + self.at_times(x)
            x = x + 0.1 * torch.rand(()) * torch.randn_like(x)
        out: Tensor = self.out(self.drop(torch.tanh(self.mix(self.drop(x)))))
        return out


class Images(nn.Module):
    """Of images, with a depth that is drawn for each example, as in torchvision's `StochasticDepth`."""

    def __init__(self, shape: tuple[int, ...], classes: int, norm: Callable[[int], nn.Module]) -> None:
        super().__init__()
        self.stem, self.norm = nn.Conv2d(shape[0], 6, 5, stride=3), norm(6)
        self.block, self.again = nn.Conv2d(6, 6, 3, padding=1), norm(6)
        self.drop, self.never = nn.Dropout2d(0.2), nn.Conv2d(2, 2, 3)
        self.out = nn.Linear(6, classes)

    def forward(self, x: Tensor) -> Tensor:
        x = torch.relu(self.norm(self.stem(x)))
        more = self.again(self.block(x))
        if self.training:
            more = more * torch.empty(len(x), 1, 1, 1, dtype=x.dtype).bernoulli_(0.7) / 0.7
        out: Tensor = self.out(self.drop(x + more).mean((2, 3)))
        return out


class Sequences(nn.Module):
    """An encoder with its examples on the second axis, an LSTM with dropout between its layers."""

    def __init__(self, shape: tuple[int, ...], classes: int) -> None:
        super().__init__()
        self.embed = nn.Linear(1, 8)
        self.encoder = nn.TransformerEncoderLayer(8, 2, 16, dropout=0.2)
        self.lstm = nn.LSTM(8, 6, num_layers=2, dropout=0.3)
        self.out = nn.Linear(6, classes)

    def forward(self, x: Tensor) -> Tensor:
        steps = self.embed(x.t().unsqueeze(-1))
        found, _ = self.lstm(self.encoder(steps))
        out: Tensor = self.out(found[-1])
        return out


class Centred(nn.Linear):
    """Coupled to its batch, in a way that nobody knows of."""

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x - x.mean(0)) if self.training else super().forward(x)


class Remembering(nn.Linear):
    """Keeps a mean of its examples, without using it."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__(inputs, outputs)
        self.register_buffer("mean", torch.zeros(inputs))

    def forward(self, x: Tensor) -> Tensor:
        if self.training:
            self.mean.lerp_(x.detach().mean(0), 0.1)
        return super().forward(x)


class Shuffled(nn.Linear):
    """Draws an order of its examples."""

    def forward(self, x: Tensor) -> Tensor:
        noise = x[torch.randperm(len(x))] if self.training else 0
        return super().forward(x + 0.1 * noise)


class Scaled(nn.Linear):
    """Keeps a mean square of its examples, the same for their negatives."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__(inputs, outputs)
        self.register_buffer("square", torch.ones(inputs))

    def forward(self, x: Tensor) -> Tensor:
        found = super().forward(x / self.square.sqrt())
        if self.training:
            self.square.lerp_(x.detach().square().mean(0), 0.1)
        return found


class Hiding(nn.Module):
    """Coupled to its batch, behind weights that start at 0."""

    def __init__(self, shape: tuple[int, ...], classes: int) -> None:
        super().__init__()
        self.centred, self.out = Centred(shape[0], 6), nn.Linear(6, classes)
        nn.init.zeros_(self.out.weight)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.out(self.centred(x))
        return out


class Secretive(nn.Linear):
    """Keeps a mean of its examples where nobody looks."""

    kept: Tensor | float = 0.0

    def forward(self, x: Tensor) -> Tensor:
        found = super().forward(x - self.kept)
        if self.training:
            self.kept = 0.1 * x.detach().mean(0)
        return found


class Clipped(nn.Linear):
    """Of which the gradient, not the value, is coupled to the batch; and one that is noisy."""

    def __init__(self, inputs: int, outputs: int, noise: float) -> None:
        super().__init__(inputs, outputs)
        self.noise = noise

    def forward(self, x: Tensor) -> Tensor:
        found = super().forward(x)
        if found.requires_grad and not self.noise:
            found.register_hook(lambda slope: slope / slope.norm())
        elif found.requires_grad:
            found.register_hook(lambda slope: slope + self.noise * torch.randn_like(slope))
        return found


class ByExample(nn.Linear):
    """Instance normalisation as batch normalisation of one example with all channels."""

    def forward(self, x: Tensor) -> Tensor:
        found = super().forward(x)
        return nn.functional.batch_norm(found.unsqueeze(0), None, None, training=True).squeeze(0)


class Transposed(nn.Module):
    """Folds its examples behind something else: which row is whose cannot be seen by their number."""

    def __init__(self, shape: tuple[int, ...], classes: int) -> None:
        super().__init__()
        self.embed, self.drop, self.out = nn.Linear(1, 8), nn.Dropout(0.5), nn.Linear(8, classes)

    def forward(self, x: Tensor) -> Tensor:
        steps = self.drop(self.embed(x.t().reshape(-1, 1)))
        out: Tensor = self.out(steps.view(x.shape[1], len(x), -1).mean(0))
        return out


def batch_norm(shape: tuple[int, ...], classes: int) -> nn.Module:
    if len(shape) == 3:
        return Images(shape, classes, nn.BatchNorm2d)
    return Points(shape, classes, nn.BatchNorm1d)


def sync_batch_norm(shape: tuple[int, ...], classes: int) -> nn.Module:
    """Torch's own normalisation over ranks, which takes GPUs alone."""
    return nn.SyncBatchNorm.convert_sync_batchnorm(batch_norm(shape, classes))


class OwnSync(nn.SyncBatchNorm):
    """Somebody's own kind of it."""


def own_sync(shape: tuple[int, ...], classes: int) -> nn.Module:
    return Points(shape, classes, OwnSync)


def cumulative(shape: tuple[int, ...], classes: int) -> nn.Module:
    """Statistics that are means over all steps; without scale and shift."""
    return Points(shape, classes, lambda width: nn.BatchNorm1d(width, momentum=None, affine=False))


def each_alone(shape: tuple[int, ...], classes: int) -> nn.Module:
    if len(shape) == 3:
        return Images(shape, classes, lambda width: nn.GroupNorm(2, width))
    return Points(shape, classes, nn.LayerNorm)


def sequences(shape: tuple[int, ...], classes: int) -> nn.Module:
    return Sequences(shape, classes)


def centred(shape: tuple[int, ...], classes: int) -> nn.Module:
    return Centred(shape[0], classes)


def remembering(shape: tuple[int, ...], classes: int) -> nn.Module:
    return Remembering(shape[0], classes)


def shuffled(shape: tuple[int, ...], classes: int) -> nn.Module:
    return Shuffled(shape[0], classes)


def transposed(shape: tuple[int, ...], classes: int) -> nn.Module:
    return Transposed(shape, classes)


def scaled(shape: tuple[int, ...], classes: int) -> nn.Module:
    return Scaled(shape[0], classes)


def hiding(shape: tuple[int, ...], classes: int) -> nn.Module:
    return Hiding(shape, classes)


def secretive(shape: tuple[int, ...], classes: int) -> nn.Module:
    return Secretive(shape[0], classes)


def clipped(shape: tuple[int, ...], classes: int) -> nn.Module:
    return Clipped(shape[0], classes, noise=0)


def noisy_gradient(shape: tuple[int, ...], classes: int) -> nn.Module:
    return Clipped(shape[0], classes, noise=0.1)


def by_example(shape: tuple[int, ...], classes: int) -> nn.Module:
    return ByExample(shape[0], classes)

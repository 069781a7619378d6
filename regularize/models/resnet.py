"""Residual networks for small images, with the run axis.

Those of He et al. for CIFAR-10: a convolution of 3×3 with 16 filters, three stages of n blocks of two such
convolutions with 16, 32 and 64 filters, each stage but the first beginning at half the resolution, the mean
over all pixels, a linear layer. Shortcuts have no weights: where filters are added they are zeros. 6n + 2
layers with weights, numbered as they are called. In place of batch normalisation, which couples the examples
of a batch, group normalisation in 4 groups follows each convolution: an example's logits depend on it alone,
so that Jacobians are its own and any number of ranks trains the same network.

References:
    He, Zhang, Ren, Sun, Deep residual learning for image recognition, 2016 (arXiv 1512.03385), section 4.2.
    Wu, He, Group normalization, 2018 (arXiv 1803.08494).
"""

from __future__ import annotations

from collections.abc import Sequence

import torch.nn.functional as F
from torch import Tensor

from regularize.layers import RunConvolution, RunGroupNorm, RunLinear, fold, unfold
from regularize.models.network import Hidden, Network, sees_channels, unchanged
from regularize.models.start import he_bound, start_uniform
from regularize.models.variant import Variant

FILTERS, GROUPS = (16, 32, 64), 4
BLOCKS = {"resnet8": 1, "resnet20": 3}  # of each stage


class ResNet(Network):
    """Images [R, B, C, side, side]; a variant's width multiplies the numbers of filters."""

    hidden_layers = ("pool",)

    def __init__(self, runs: int, *, variant: Variant, channels: int, side: int, classes: int) -> None:
        super().__init__()
        self.runs, self.blocks = runs, BLOCKS[variant.name]
        convolutions, sides = 6 * self.blocks + 1, {}
        for number in range(1, convolutions + 1):
            stage = max(0, (number - 2) // (2 * self.blocks))
            filters = variant.scaled(FILTERS[stage])
            stride = 2 if stage and self._begins_stage(number) else 1
            conv = RunConvolution(runs, channels, filters, 3, padding=1, stride=stride)
            self.add_module(f"conv{number}", conv)
            self.add_module(f"norm{number}", RunGroupNorm(runs, filters, GROUPS))
            sides[f"conv{number}"] = side + 2
            channels, side = filters, -(-side // stride)
        self.fc = RunLinear(runs, channels, classes)
        self.image_layers, self.convolved_sides = tuple(sides), sides
        self.weight_layers = (*sides, "fc")

    def forward(self, x: Tensor, hidden: Hidden = unchanged) -> Tensor:
        x = F.relu(self._normed(1, fold(x), hidden))
        for number in range(2, 6 * self.blocks + 2, 2):
            residual = F.relu(self._normed(number, x, hidden))
            residual = self._normed(number + 1, residual, hidden)
            x = F.relu(residual + self._shortcut(x, residual, number))
        # Each row on its own: sums over columns would be in an order that depends on R.
        pooled = unfold(x, self.runs).flatten(3).contiguous().mean(3)
        logits: Tensor = self.fc(hidden("pool", pooled))
        return logits

    def _begins_stage(self, number: int) -> bool:
        """Of convolutions from the second on."""
        return (number - 2) % (2 * self.blocks) == 0

    def _normed(self, number: int, x: Tensor, hidden: Hidden) -> Tensor:
        """A convolution, normalised, and shown: [B, R·C, H, W]."""
        x = self.get_submodule(f"norm{number}")(self.get_submodule(f"conv{number}")(x))
        if sees_channels(hidden):
            images = unfold(x, self.runs)
            x = fold(hidden(f"conv{number}", images.flatten(3)).view_as(images))
        return x

    def _shortcut(self, x: Tensor, like: Tensor, number: int) -> Tensor:
        """The block's input as its output is: each other pixel, and channels of zeros, where stages begin."""
        if number == 2 or not self._begins_stage(number):
            return x
        pixels = x.permute(0, 2, 3, 1)[:, ::2, ::2]
        pixels = pixels.reshape(*pixels.shape[:3], self.runs, -1)
        more = (like.shape[1] - x.shape[1]) // self.runs
        return F.pad(pixels, (0, more)).flatten(-2).permute(0, 3, 1, 2)


def build(variant: Variant, seeds: Sequence[int], shape: tuple[int, ...], classes: int) -> Network:
    """See `regularize.models.build`."""
    channels, side, _ = shape
    model = ResNet(len(seeds), variant=variant, channels=channels, side=side, classes=classes)
    start_uniform(model, seeds, he_bound, zero_bias=True)
    return model

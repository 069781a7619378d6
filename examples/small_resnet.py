"""A small ResNet of torchvision's blocks, trained by `small_resnet.yaml`: any module can be trained so."""

from __future__ import annotations

from collections.abc import Callable

from torch import nn
from torchvision.models.resnet import BasicBlock

CHANNELS = (8, 16, 32)


def group_norm(shape: tuple[int, ...], classes: int) -> nn.Module:
    """With group normalisation, which treats every example by itself: all techniques apply."""
    return _resnet(shape, classes, lambda channels: nn.GroupNorm(4, channels))


def batch_norm(shape: tuple[int, ...], classes: int) -> nn.Module:
    """With batch normalisation, as usual; the Jacobian techniques are refused."""
    return _resnet(shape, classes, nn.BatchNorm2d)


def _resnet(shape: tuple[int, ...], classes: int, norm: Callable[[int], nn.Module]) -> nn.Module:
    """A stem at half the resolution, then one block for each number of channels."""
    inputs, first = shape[0], CHANNELS[0]
    layers = [nn.Conv2d(inputs, first, 3, stride=2, padding=1, bias=False), norm(first), nn.ReLU()]
    for before, after in zip((first, *CHANNELS), CHANNELS, strict=False):
        layers.append(_block(before, after, norm))
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(CHANNELS[-1], classes))


def _block(before: int, after: int, norm: Callable[[int], nn.Module]) -> nn.Module:
    """A residual block; one that adds channels halves the resolution."""
    if before == after:
        return BasicBlock(before, after, norm_layer=norm)
    shortcut = nn.Sequential(nn.Conv2d(before, after, 1, stride=2, bias=False), norm(after))
    return BasicBlock(before, after, stride=2, downsample=shortcut, norm_layer=norm)

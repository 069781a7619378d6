"""Which pixels a network looks at: gradients of the true class's logit, and occlusion.

References:
    Simonyan, Vedaldi, Zisserman, Deep inside convolutional networks, 2014 (arXiv 1312.6034).
    Zeiler, Fergus, Visualizing and understanding convolutional networks, 2014 (arXiv 1311.2901).
    Adebayo et al., Sanity checks for saliency maps, 2018 (arXiv 1810.03292).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from analysis.networks.trained_network import AT_ONCE, Trained

if TYPE_CHECKING:
    from torch import Tensor


def saliency(trained: Trained, x: Tensor, labels: Tensor) -> Tensor:
    """|∂z_y/∂pixel|, the largest of the channels: images [B, C, H, W] with labels [B] to [B, H, W].

    In logits per full range of a pixel. The absolute value comes before the channels are reduced.
    """
    import torch

    x = x.detach().requires_grad_()
    chosen = trained.logits(x).gather(1, labels.unsqueeze(1)).sum()
    (gradient,) = torch.autograd.grad(chosen, x)
    return (gradient.abs() * trained.batches.pixel).amax(1)


def occlusion(trained: Trained, x: Tensor, labels: Tensor, patch: int, stride: int) -> Tensor:
    """By how much the true class's probability drops where a grey patch hides the image: [B, H, W].

    The patch is mid-grey, moves from the upper left corner in steps of `stride`, and is cut off at
    the lower and right edges. A pixel gets the mean over the patches that cover it, so that those at
    the edges, which fewer cover, weigh the same. Negative where hiding helps.
    """
    import torch

    assert trained.batches.bounds
    assert 0 < stride <= patch
    black, white = trained.batches.bounds
    grey = (black + white) / 2
    places = list(_places(x.shape[-2:], patch, stride))
    drops, covered = torch.zeros_like(x[:, 0]), torch.zeros_like(x[0, 0])
    before = _confidence(trained, x, labels)
    at_once = max(1, AT_ONCE // len(x))
    for start in range(0, len(places), at_once):
        some = places[start : start + at_once]
        hidden = x.repeat(len(some), *[1] * x.ndim)
        for images, (rows, columns) in zip(hidden, some, strict=True):
            images[..., rows, columns] = grey
        after = _confidence(trained, hidden.flatten(0, 1), labels.repeat(len(some)))
        for drop, (rows, columns) in zip(before - after.reshape(len(some), -1), some, strict=True):
            drops[:, rows, columns] += drop[:, None, None]
            covered[rows, columns] += 1
    return drops / covered


def _places(shape: tuple[int, ...], patch: int, stride: int) -> Iterator[tuple[slice, slice]]:
    """Until the last row and column are covered."""
    starts = [range(0, max(side - patch, 0) + stride, stride) for side in shape]
    for top in starts[0]:
        for left in starts[1]:
            yield slice(top, top + patch), slice(left, left + patch)


def _confidence(trained: Trained, x: Tensor, labels: Tensor) -> Tensor:
    """The probability of each image's class, [B]."""
    import torch

    with torch.no_grad():
        return trained.logits(x).softmax(1).gather(1, labels.unsqueeze(1))[:, 0]

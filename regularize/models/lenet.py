"""LeNet-5 in three forms, with the run axis.

References:
    LeCun, Bottou, Bengio, Haffner, Gradient-based learning applied to document recognition, 1998.
    Hoffman, Roberts, Yaida, Robust learning with Jacobian regularization, 2019 (arXiv 1908.02729).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from types import MappingProxyType

import torch
from torch import Tensor

from regularize.fused.average import fused_average_stage
from regularize.fused.kernels import Activation, Kernels
from regularize.fused.linear import fused_linear
from regularize.fused.reach import USUAL, reaches
from regularize.fused.stages import fused_stage
from regularize.layers import (
    Layer,
    RunConv2d,
    RunLinear,
    average_pool,
    fold,
    linear,
    max_pool,
    relu,
    scaled_tanh,
    tanh,
    unfold,
)
from regularize.models.chain import Chain
from regularize.models.network import Hidden, Network, sees_channels
from regularize.models.start import Bound, default_bound, glorot_bound, lecun_bound, start_uniform
from regularize.models.variant import Variant


@dataclass(frozen=True, kw_only=True)
class Form:
    """What tells one LeNet from another."""

    activation: Layer
    pool: Layer
    bound: Bound
    zero_bias: bool
    pool_first: bool = True
    """For maximum pooling and a monotone activation the order does not matter, and pooling first
    leaves the activation a quarter of the numbers."""


FORMS: dict[str, Form] = {
    # The form in use today: ReLU, maximum pooling, torch's own initialisation.
    "lenet5": Form(activation=relu, pool=max_pool, bound=default_bound, zero_bias=False),
    # LeCun et al. 1998: scaled tanh, average pooling, ±2.4/fan_in. Their connection table of C3,
    # trainable subsampling and radial-basis output are not part of it.
    "lenet5_tanh": Form(
        activation=scaled_tanh, pool=average_pool, bound=lecun_bound, zero_bias=True, pool_first=False
    ),
    # LeNet' of Hoffman, Roberts, Yaida 2019: tanh, maximum pooling, Glorot initialisation.
    "lenet_prime": Form(activation=tanh, pool=max_pool, bound=glorot_bound, zero_bias=True),
}


class LeNet(Chain):
    """LeNet-5 for images of 28×28 (padded by 2) or 32×32: 6 and 16 filters of 5×5, 120, 84, K units.

    Times the variant's width, all but K.
    """

    weight_layers = ("conv1", "conv2", "fc1", "fc2", "fc3")
    hidden_layers = ("fc1", "fc2")
    image_layers = ("conv1", "conv2")
    convolved_sides = MappingProxyType({"conv1": 32, "conv2": 14})

    def __init__(self, runs: int, *, variant: Variant, channels: int, side: int, classes: int) -> None:
        super().__init__()
        assert side in (28, 32), side
        self.runs, self.form = runs, FORMS[variant.name]
        fused = variant.row.fused if reaches(variant.width, channels) else ""
        self.fused = Activation[fused.upper()] if fused else None
        filters1, filters2, units1, units2 = map(variant.scaled, (*USUAL, 120, 84))
        self.filters = filters1, filters2
        self.kernels: Kernels | None = None
        self.conv1 = RunConv2d(runs, channels, filters1, 5, padding=(32 - side) // 2)
        self.conv2 = RunConv2d(runs, filters1, filters2, 5)
        self.fc1 = RunLinear(runs, filters2 * 5 * 5, units1)
        self.fc2 = RunLinear(runs, units1, units2)
        self.fc3 = RunLinear(runs, units2, classes)

    def fuse(self, kernels: Kernels) -> bool:
        if self.fused is None or kernels.filters != self.filters:
            return False
        self.kernels = kernels
        return True

    def layers(self, hidden: Hidden) -> Iterator[Layer]:
        weight = self.conv1.weight
        kernels = self.kernels if (weight.dtype, weight.device.type) == (torch.float32, "cpu") else None
        yield from self._stages(kernels, hidden)
        for name, layer in (("fc1", self.fc1), ("fc2", self.fc2)):
            yield fused_linear(kernels, layer) if kernels else layer.link
            yield self.form.activation
            yield linear(partial(hidden, name))
        yield fused_linear(kernels, self.fc3) if kernels else self.fc3.link

    def _stages(self, kernels: Kernels | None, hidden: Hidden) -> Iterator[Layer]:
        """Images [R, B, C, H, W] to [R, B, C'·25]."""
        convolutions = {"conv1": self.conv1, "conv2": self.conv2}
        shown = sees_channels(hidden)
        if kernels and self.fused:
            for name, conv in convolutions.items():
                if self.fused is Activation.SCALED_TANH:
                    yield fused_average_stage(kernels, conv)
                else:
                    yield fused_stage(kernels, conv, self.fused)
                if shown:
                    yield linear(partial(_shown_fused, hidden, name))
            return
        last = self.conv1.form.channels_last
        yield linear(partial(fold, channels_last=last))
        for name, conv in convolutions.items():
            yield from self._stage(conv)
            if shown:
                yield linear(partial(_shown, hidden, name, self.runs, last))
        yield linear(lambda h: unfold(h, self.runs, last).flatten(2))

    def _stage(self, conv: RunConv2d) -> tuple[Layer, ...]:
        form = self.form
        if form.pool_first:  # of the bias, too: its gradient then sums a quarter of the numbers
            return conv.weigh, form.pool, conv.shift, form.activation
        return conv.link, form.activation, form.pool


def _shown(hidden: Hidden, name: str, runs: int, last: bool, h: Tensor) -> Tensor:
    """What a stage gives, [B, R·C, H, W], as `hidden` sees it, and back."""
    images = unfold(h, runs, last)
    # In one piece: of what is left of a transposed view, torch has the next weight's gradient wrong.
    return fold(hidden(name, images.flatten(3)).view_as(images).contiguous(), last)


def _shown_fused(hidden: Hidden, name: str, h: Tensor) -> Tensor:
    """The same of what a fused stage gives: [R, B, 14, 14, C], or [R, B, C·25] with the channels in a row."""
    if h.ndim == 3:
        return hidden(name, h.view(*h.shape[:2], -1, 25)).flatten(2)
    return hidden(name, h.flatten(2, 3).transpose(2, 3)).transpose(2, 3).view_as(h)


def build(variant: Variant, seeds: Sequence[int], shape: tuple[int, ...], classes: int) -> Network:
    """See `regularize.models.build`."""
    form, (channels, side, _) = FORMS[variant.name], shape
    model = LeNet(len(seeds), variant=variant, channels=channels, side=side, classes=classes)
    start_uniform(model, seeds, form.bound, zero_bias=form.zero_bias)
    return model

"""LeNet-5 in three forms, with the run axis.

References:
    LeCun, Bottou, Bengio, Haffner, Gradient-based learning applied to document recognition, 1998.
    Hoffman, Roberts, Yaida, Robust learning with Jacobian regularization, 2019 (arXiv 1908.02729).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from regularize.layers import RunConv2d, RunLinear, ScaledTanh, fold, max_pool, unfold
from regularize.models.network import Hidden, Network, unchanged
from regularize.rng import generator


@dataclass(frozen=True, kw_only=True)
class Form:
    """What tells one LeNet from another."""

    activation: Callable[[], nn.Module]
    pool: Callable[[Tensor, int], Tensor]
    bound: Callable[[int, int], float]
    """Weights start uniform in ±bound(fan_in, fan_out)."""
    zero_bias: bool
    pool_first: bool = True
    """For maximum pooling and a monotone activation the order does not matter, and pooling first
    leaves the activation a quarter of the numbers."""


def _default_bound(fan_in: int, _fan_out: int) -> float:
    return 1 / math.sqrt(fan_in)


def _lecun_bound(fan_in: int, _fan_out: int) -> float:
    return 2.4 / fan_in


def _glorot_bound(fan_in: int, fan_out: int) -> float:
    return math.sqrt(6 / (fan_in + fan_out))


FORMS: dict[str, Form] = {
    # The form in use today: ReLU, maximum pooling, torch's own initialisation.
    "lenet5": Form(activation=nn.ReLU, pool=max_pool, bound=_default_bound, zero_bias=False),
    # LeCun et al. 1998: scaled tanh, average pooling, ±2.4/fan_in. Their connection table of C3,
    # trainable subsampling and radial-basis output are not part of it.
    "lenet5_tanh": Form(
        activation=ScaledTanh, pool=F.avg_pool2d, bound=_lecun_bound, zero_bias=True, pool_first=False
    ),
    # LeNet' of Hoffman, Roberts, Yaida 2019: tanh, maximum pooling, Glorot initialisation.
    "lenet_prime": Form(activation=nn.Tanh, pool=max_pool, bound=_glorot_bound, zero_bias=True),
}


class LeNet(Network):
    """LeNet-5 for images of 28×28 (padded by 2) or 32×32: 6 and 16 filters of 5×5, 120, 84, K units."""

    weight_layers = ("conv1", "conv2", "fc1", "fc2", "fc3")
    hidden_layers = ("fc1", "fc2")

    def __init__(self, runs: int, *, form: Form, channels: int, side: int, classes: int) -> None:
        super().__init__()
        assert side in (28, 32), side
        self.runs, self.form = runs, form
        self.activation = form.activation()
        self.conv1 = RunConv2d(runs, channels, 6, 5, padding=(32 - side) // 2)
        self.conv2 = RunConv2d(runs, 6, 16, 5)
        self.fc1 = RunLinear(runs, 16 * 5 * 5, 120)
        self.fc2 = RunLinear(runs, 120, 84)
        self.fc3 = RunLinear(runs, 84, classes)

    def forward(self, x: Tensor, hidden: Hidden = unchanged) -> Tensor:
        h = fold(x)
        for conv in (self.conv1, self.conv2):
            h = self._pooled(conv(h))
        h = unfold(h, self.runs).flatten(2)
        for name in self.hidden_layers:
            h = hidden(name, self.activation(getattr(self, name)(h)))
        logits: Tensor = self.fc3(h)
        return logits

    def _pooled(self, h: Tensor) -> Tensor:
        if self.form.pool_first:
            return self.activation(self.form.pool(h, 2))  # type: ignore[no-any-return]
        return self.form.pool(self.activation(h), 2)


def build(name: str, seeds: Sequence[int], shape: tuple[int, ...], classes: int) -> Network:
    """See `regularize.models.build`."""
    form, (channels, side, _) = FORMS[name], shape
    model = LeNet(len(seeds), form=form, channels=channels, side=side, classes=classes)
    with torch.no_grad():
        for layer_name in model.weight_layers:
            layer = model.get_submodule(layer_name)
            assert isinstance(layer, RunConv2d | RunLinear)
            for run, seed in enumerate(seeds):
                source = generator(seed, f"init/{layer_name}")
                _initialise(layer.weight[run], layer.bias[run], form, source)
    return model


def _initialise(weight: Tensor, bias: Tensor, form: Form, source: torch.Generator) -> None:
    receptive = weight[0, 0].numel()
    fan_in, fan_out = weight.shape[1] * receptive, weight.shape[0] * receptive
    bound = form.bound(fan_in, fan_out)
    weight.uniform_(-bound, bound, generator=source)
    if not form.zero_bias:
        limit = 1 / math.sqrt(fan_in)
        bias.uniform_(-limit, limit, generator=source)

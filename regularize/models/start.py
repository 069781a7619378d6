"""The weights that networks with the run axis start from: each run's from its own seed."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import torch

from regularize.layers import RunConv2d, RunConvolution, RunLinear
from regularize.models.network import Network
from regularize.rng import generator

Bound = Callable[[int, int], float]
"""Weights start uniform in ±bound(fan_in, fan_out)."""


def default_bound(fan_in: int, _fan_out: int) -> float:
    """What torch's own layers use."""
    return 1 / math.sqrt(fan_in)


def lecun_bound(fan_in: int, _fan_out: int) -> float:
    """LeCun et al. 1998, appendix A."""
    return 2.4 / fan_in


def glorot_bound(fan_in: int, fan_out: int) -> float:
    """Glorot and Bengio, Understanding the difficulty of training deep feedforward networks, 2010."""
    return math.sqrt(6 / (fan_in + fan_out))


def he_bound(fan_in: int, _fan_out: int) -> float:
    """He et al., Delving deep into rectifiers, 2015, for what ReLUs follow (arXiv 1502.01852)."""
    return math.sqrt(6 / fan_in)


@torch.no_grad()
def start_uniform(model: Network, seeds: Sequence[int], bound: Bound, *, zero_bias: bool) -> None:
    """Initialise all weight layers; biases are 0, or uniform in ±1/√fan_in as in torch's own layers.

    A layer's draw depends on the run's seed and the layer's name alone.
    """
    for name in model.weight_layers:
        layer = model.get_submodule(name)
        assert isinstance(layer, RunConvolution | RunLinear)
        receptive = layer.weight[0, 0, 0].numel()
        fan_in, fan_out = layer.weight.shape[2] * receptive, layer.weight.shape[1] * receptive
        for run, seed in enumerate(seeds):
            source = generator(seed, f"init/{name}")
            layer.weight[run].uniform_(-bound(fan_in, fan_out), bound(fan_in, fan_out), generator=source)
            if not zero_bias:
                assert isinstance(layer, RunConv2d | RunLinear)
                limit = default_bound(fan_in, fan_out)
                layer.bias[run].uniform_(-limit, limit, generator=source)


@torch.no_grad()
def start_normal(model: Network, seeds: Sequence[int], std: float) -> None:
    """Weights normal with standard deviation `std`, biases 0; drawn as in `start_uniform`."""
    for name in model.weight_layers:
        layer = model.get_submodule(name)
        assert isinstance(layer, RunConv2d | RunLinear)
        layer.bias.zero_()
        for run, seed in enumerate(seeds):
            layer.weight[run].normal_(0.0, std, generator=generator(seed, f"init/{name}"))

"""Convolutions as what they do to images: linear in the image, and in the kernel.

The largest singular value σ, which bounds how much they stretch an image, is up to k times that of the kernel
as a matrix (out, in·k·k). It is found by the power method, with padding, strides and edges as they are; a
Fourier transform knows circular padding alone (`regularize/evaluation/operators.py`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from regularize.layers import RunConvolution
from regularize.models.network import Network

ROUNDS = 100  # of the power method where σ is to be exact, to a percent or less


@dataclass(frozen=True)
class Convolution:
    """One layer of each run.

    Attributes:
        image: the shape (C, H, W) of what it is given, without its padding.
        kernel: the shape (out, in, k, k) of its weights.
        apply: images [B, C, H, W] and a kernel to what it makes of them, without a bias.
    """

    image: tuple[int, ...]
    kernel: tuple[int, ...]
    apply: Callable[[Tensor, Tensor], Tensor]

    def begin(self, weight: Tensor) -> tuple[Tensor, Tensor]:
        """`follow` from a random image, for weights [R, out, in·k·k]."""
        images = torch.randn(self.image, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
        images = images.to(weight.device, weight.dtype).expand(len(weight), *self.image)
        return self.follow(images, weight, ROUNDS)

    def follow(self, images: Tensor, weight: Tensor, rounds: int = 1) -> tuple[Tensor, Tensor]:
        """The power method from images [R, C, H, W]: where it comes to, and ∂σ/∂weight [R, out, in·k·k].

        σ = Σ weight · ∂σ/∂weight then, as it is linear in the weights for given vectors. Run by run: kernels
        for several images at once are others.
        """
        found = [self._follow(*each, rounds) for each in zip(images, weight.detach(), strict=True)]
        ends, slopes = (torch.stack(each) for each in zip(*found, strict=True))
        return ends, slopes.flatten(2)

    def _follow(self, image: Tensor, weight: Tensor, rounds: int) -> tuple[Tensor, Tensor]:
        kernel = weight.reshape(self.kernel).clone().requires_grad_()
        for _ in range(rounds):
            with torch.enable_grad():
                image = (image / image.norm().clamp(min=1e-30)).detach().requires_grad_()
                # Of ‖Kv‖: Kᵀu, and what the kernel has to do with it, u being Kv/‖Kv‖.
                image, slope = torch.autograd.grad(self.apply(image[None], kernel).norm(), (image, kernel))
        return image, slope


def convolutions(network: Network, shape: tuple[int, ...]) -> dict[str, Convolution]:
    """Those of two dimensions by layer, as a network for examples of this shape calls them."""
    found: dict[str, Convolution] = {}
    for layer, padded in network.convolved_sides.items():
        module = network.get_submodule(layer)
        assert isinstance(module, RunConvolution)
        padding, kernel = module.padding, tuple(module.weight.shape[1:])
        side = padded - 2 * padding
        apply = partial(F.conv2d, padding=padding, stride=module.stride)
        found[layer] = Convolution((kernel[1], side, side), kernel, apply)
    modules = {layer: _conv2d(network, layer) for layer in network.weight_layers}

    def note(layer: str) -> Callable[[nn.Module, tuple[Any, ...]], None]:
        def hook(module: nn.Module, inputs: tuple[Any, ...]) -> None:
            assert isinstance(module, nn.Conv2d)
            image = tuple(inputs[0].shape[-3:])
            found.setdefault(layer, Convolution(image, tuple(module.weight.shape), _applying(module)))

        return hook

    hooks = [each.register_forward_pre_hook(note(layer)) for layer, each in modules.items() if each]
    if hooks:
        _pass_one(network, shape)
    for hook in hooks:
        hook.remove()
    return found


def _applying(module: nn.Conv2d) -> Callable[[Tensor, Tensor], Tensor]:
    """With its stride and padding of whatever kind."""
    return lambda images, kernel: module._conv_forward(images, kernel, None)


def _conv2d(network: Network, layer: str) -> nn.Conv2d | None:
    try:
        module = network.module(layer)
    except AttributeError:
        return None  # a weight that is not a layer's
    return module if isinstance(module, nn.Conv2d) else None


def _pass_one(network: Network, shape: tuple[int, ...]) -> None:
    """One example through the networks, which does not change them."""
    like = next(network.parameters())
    was = network.training
    try:
        with torch.no_grad():
            network.eval()(torch.zeros(len(like), 1, *shape, dtype=like.dtype, device=like.device))
    finally:
        network.train(was)

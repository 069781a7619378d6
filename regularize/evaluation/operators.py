"""What a convolution does to a whole image: the singular values of the operator, not of its kernel.

The techniques that bound singular values bound the kernel as a matrix (out, in·k·k); what bounds the
network is how much the convolution stretches an image, up to k times as much. With circular padding the
operator is block diagonal in the frequencies: its singular values are those of the matrices K̂(f)
[out, in], K̂ the kernel's Fourier transform at the size of the image. With zeros for padding, or none,
the network's operator is a part of the one for the padded image: its largest singular value is at
most the one given here.

References:
    Sedghi, Gupta, Long, The singular values of convolutional layers, 2019 (arXiv 1805.10408).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from regularize.evaluation.examined import Examined, evaluating
from regularize.layers import RunLinear

Side = tuple[int, int]


def operator_values(examined: Examined, spectra: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """By layer the largest singular values of the operator, as many [R, n] as `spectra` has of the kernel.

    Of a fully connected layer they are those of its weight. NaN for what is neither that nor a convolution
    of stride 1 in one group, and where weights are not finite.
    """
    modules = {layer: _module(examined, layer) for layer in spectra}
    sides = {
        layer: (side, side)
        for layer, side in examined.model.convolved_sides.items()
        if getattr(modules[layer], "stride", 1) == 1
    }
    sides |= _padded_sides(examined, modules)
    found = {}
    for layer, values in spectra.items():
        if layer in sides:
            weight = examined.model.kernel(layer).detach()
            found[layer] = circular_values(weight, sides[layer])[:, : values.shape[1]]
        else:
            linear = isinstance(modules[layer], RunLinear | nn.Linear)
            found[layer] = values if linear else torch.full_like(values, torch.nan)
    return found


def circular_values(weight: Tensor, side: Side) -> Tensor:
    """Kernels [R, out, in, k, k] to singular values [R, H·W·min(out, in)] on images of H×W, descending."""
    finite = weight.isfinite().flatten(1).all(1)
    sound = torch.where(finite.view(-1, 1, 1, 1, 1), weight, 0.0).double()
    by_frequency = torch.fft.fft2(sound, s=side).movedim((1, 2), (3, 4))
    values = torch.linalg.svdvals(by_frequency).flatten(1).sort(dim=1, descending=True).values
    return torch.where(finite.unsqueeze(1), values, torch.nan)


def _module(examined: Examined, layer: str) -> nn.Module | None:
    try:
        return examined.model.module(layer)
    except AttributeError:
        return None  # a weight that is not a layer's


def _padded_sides(examined: Examined, modules: Mapping[str, nn.Module | None]) -> dict[str, Side]:
    """The sides of the images that each convolution is given, with what it pads them with."""
    found: dict[str, Side] = {}

    def note(layer: str, padding: Side) -> Callable[[nn.Module, tuple[Any, ...]], None]:
        def hook(_module: nn.Module, inputs: tuple[Any, ...]) -> None:
            height, width = inputs[0].shape[-2:]
            found[layer] = height + padding[0], width + padding[1]

        return hook

    paddings = {layer: padding for layer, each in modules.items() if (padding := _padding(each)) is not None}
    handles = [
        module.register_forward_pre_hook(note(layer, paddings[layer]))
        for layer, module in modules.items()
        if module is not None and layer in paddings
    ]
    first = torch.zeros(len(examined.seeds), 1, dtype=torch.int64, device=examined.ranks.device)
    x, _ = examined.batches.take("test", first)
    try:
        with evaluating(examined.model), torch.no_grad():
            examined.model(x)
    finally:
        for handle in handles:
            handle.remove()
    return found


def _padding(module: nn.Module | None) -> Side | None:
    """How much larger both sides are for padding; None for what is no convolution of this kind."""
    if not isinstance(module, nn.Conv2d) or module.groups != 1 or {*module.stride, *module.dilation} != {1}:
        return None
    if module.padding_mode == "circular":
        return 0, 0
    if isinstance(module.padding, str):
        height, width = module.kernel_size
        return (height - 1, width - 1) if module.padding == "same" else (0, 0)
    height, width = module.padding
    return 2 * height, 2 * width

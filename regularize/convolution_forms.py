"""The forms in which R convolutions are computed at once: equal but for rounding, and not equally fast.

On a CPU grouped ones with channels last are the fastest; on GPUs it is tried (`form_trial`). The column
`kernels` has what it came to. `REGULARIZE_CONVOLUTIONS` names one instead, on any device.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.func import vmap

from regularize import run_by_run
from regularize.convolution_setting import named

Convolve = Callable[[Tensor, Tensor, int, int], Tensor]
"""Images [B, R·in, H, W], weights [R, out, in, k, k], padding and stride to [B, R·out, H', W']."""


@dataclass(frozen=True)
class ConvolutionForm:
    """One way; `channels_last`: how images lie in memory."""

    name: str
    convolve: Convolve
    channels_last: bool = False


def _grouped(x: Tensor, weight: Tensor, padding: int, stride: int) -> Tensor:
    return F.conv2d(x, weight.flatten(0, 1), padding=padding, stride=stride, groups=len(weight))


def _products(x: Tensor, weight: Tensor, padding: int, stride: int) -> Tensor:
    """Of matrices: the kernels' by the patches'."""
    runs, outputs, _, size, _ = weight.shape
    images, _, *sides = x.shape
    patches = F.unfold(x, size, padding=padding, stride=stride)
    columns = patches.view(images, runs, -1, patches.shape[-1])
    found = torch.einsum("rok,brkl->brol", weight.flatten(2), columns)
    height, width = ((side + 2 * padding - size) // stride + 1 for side in sides)
    return found.reshape(images, runs * outputs, height, width)


def _mapped(x: Tensor, weight: Tensor, padding: int, stride: int) -> Tensor:
    def one(images: Tensor, kernel: Tensor) -> Tensor:
        return F.conv2d(images, kernel, padding=padding, stride=stride)

    images = x.reshape(len(x), len(weight), -1, *x.shape[2:])
    return vmap(one, in_dims=(1, 0), out_dims=1)(images, weight).flatten(1, 2)


GROUPED = ConvolutionForm("grouped", run_by_run.convolution, channels_last=True)
OF_EACH = ConvolutionForm("run-by-run", run_by_run.convolution_of_each, channels_last=True)
"""On CPUs whose grouped ones have other bits of second derivatives beside other runs."""
FORMS: Mapping[str, ConvolutionForm] = {
    form.name: form
    for form in (
        GROUPED,
        ConvolutionForm("grouped-first", _grouped),
        ConvolutionForm("products", _products),
        ConvolutionForm("vmap", _mapped),
    )
}


def asked() -> ConvolutionForm | None:
    """The form that the environment names; None where it names none.

    Raises:
        UserError: there is no such form.
    """
    return FORMS.get(named())

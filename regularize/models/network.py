"""What every model is: R networks as one module, inputs [R, B, …], logits [R, B, K]."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from types import MappingProxyType
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from regularize.layers import RunConvolution
from regularize.models.outline import Outline

if TYPE_CHECKING:
    from regularize.convolution_forms import ConvolutionForm
    from regularize.distributed import Ranks
    from regularize.draws import Draws
    from regularize.fused.kernels import Kernels

Hidden = Callable[[str, Tensor], Tensor]
"""Called with a layer's name and its activations [R, B, units]; returns what goes on. Linear in them."""


def sees_channels(hidden: Hidden) -> bool:
    """Whether it is to be shown what convolutions give, too."""
    return bool(getattr(hidden, "of_channels", False))


def unchanged(_name: str, activations: Tensor) -> Tensor:
    return activations


class Network(nn.Module):
    """R networks as one module.

    Attributes:
        weight_layers: the names of the layers that have a weight (and a bias).
        hidden_layers: those of them whose activations [R, B, units] are shown to `hidden`, or what such
            activations are called that come from elsewhere.
        image_layers: convolutions, whose outputs [R, B, C, pixels] are shown to `hidden` where it has
            `of_channels`.
        folded_layers: those of the hidden ones whose activations have more than examples on their first axis.
        convolved_sides: of the layers that convolve by other means than a module, the side of what they are
            given, with its padding: [R, B, C, side, side].
        computed_weights: names of the weights that layers compute from other parameters: nothing can be
            written to them.
        mixing_layers: those through which an example's logits depend on its batch mates in training.
        has_modes: whether training mode makes a difference to it; it may then draw random numbers of its
            own, and leave parameters out of a step.
    """

    weight_layers: tuple[str, ...]
    hidden_layers: tuple[str, ...]
    folded_layers: tuple[str, ...] = ()
    image_layers: tuple[str, ...] = ()
    convolved_sides: Mapping[str, int] = MappingProxyType({})
    computed_weights: tuple[str, ...] = ()
    mixing_layers: tuple[str, ...] = ()
    has_modes = False

    def forward(self, x: Tensor, hidden: Hidden = unchanged) -> Tensor:
        """Inputs [R, B, …] to logits [R, B, K]."""
        raise NotImplementedError

    def in_training(self, draws: Draws, ranks: Ranks, counts: bool) -> AbstractContextManager[None]:
        """Inside, it computes as in a step of training, of which `draws` are, on this one of the `ranks`.

        `counts` is whether this rank's examples are of the batch.
        """
        return nullcontext()

    def bound_to_ranks(self, _shape: tuple[int, ...]) -> str:
        """Why another number of ranks trains another network, tried on such examples; `` if none does."""
        return ""

    def basis(self, logits: Tensor) -> Tensor:
        """Orthonormal vectors [m, K] that span the subspace that logits lie in: R^K, unless overridden."""
        return torch.eye(logits.shape[-1], dtype=logits.dtype, device=logits.device)

    def fuse(self, kernels: Kernels) -> bool:
        """Pass float32 on the CPU through these kernels from now on; False where none of them fit."""
        return False

    def convolve_by(self, form: ConvolutionForm) -> bool:
        """Compute convolutions in this form from now on; False where there are none."""
        convolutions = [layer for layer in self.modules() if isinstance(layer, RunConvolution)]
        for layer in convolutions:
            layer.form = form
        return bool(convolutions)

    def outline(self, shape: tuple[int, ...], classes: int) -> Outline:
        """What it looks like to techniques, as a network for examples of this shape and so many classes."""
        outputs = len(self.basis(next(self.parameters()).new_empty(classes)))
        return Outline(
            hidden_layers=self.hidden_layers,
            outputs=outputs,
            inputs=math.prod(shape),
            folded_layers=self.folded_layers,
            image_layers=self.image_layers,
            of_images=len(shape) == 3,
        )

    @property
    def output_layer(self) -> str:
        """The layer that is called last, which makes the logits."""
        return self.weight_layers[-1]

    def module(self, name: str) -> nn.Module:
        """The layer of that name as the forward pass calls it: where hooks belong."""
        return self.get_submodule(name)

    def kernel(self, layer: str) -> Tensor:
        """The layer's weight in its own shape, [R, out, in, …]."""
        return self.get_parameter(f"{layer}.weight")

    def weights(self) -> dict[str, Tensor]:
        """The layers' weights without biases, by parameter name, [R, out, in·k·k].

        They are views: what is written to them reaches the parameters.
        """
        names = [f"{layer}.weight" for layer in self.weight_layers]
        found = {name: self.get_parameter(name) for name in names}
        return {name: weight.view(*weight.shape[:2], -1) for name, weight in found.items()}

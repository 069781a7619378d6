"""Fully connected networks, with the run axis.

`mlp` is for anything, images included. `toy_mlp` and `toy_plane` are for the four clusters; the
latter maps the plane to the plane and so shows how its areas are stretched.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import pairwise

from torch import Tensor

from regularize.layers import Layer, RunLinear, linear, relu, tanh
from regularize.models.chain import Chain
from regularize.models.network import Hidden, Network
from regularize.models.plane import NearestCorner
from regularize.models.start import Bound, default_bound, glorot_bound, start_normal, start_uniform
from regularize.models.variant import Variant


@dataclass(frozen=True, kw_only=True)
class Start:
    """How weights start unless the variant says otherwise."""

    bound: Bound
    zero_bias: bool


_STARTS: Mapping[str, Start] = {
    "mlp": Start(bound=default_bound, zero_bias=False),
    "toy_mlp": Start(bound=glorot_bound, zero_bias=True),
    "toy_plane": Start(bound=glorot_bound, zero_bias=True),
}
_ACTIVATIONS: Mapping[str, Layer] = {"relu": relu, "tanh": tanh}


class Mlp(Chain):
    """Linear layers fc1, fc2, … of the given widths, an activation after each but the last.

    Those of the plane end in a point, not in logits.
    """

    def __init__(self, runs: int, *, variant: Variant, inputs: int, classes: int) -> None:
        super().__init__()
        plane = variant.row.plane
        widths = (inputs, *variant.units, 2 if plane else classes)
        self.weight_layers = tuple(f"fc{number}" for number in range(1, len(widths)))
        self.hidden_layers = self.weight_layers[:-1]
        for name, (before, after) in zip(self.weight_layers, pairwise(widths), strict=True):
            self.add_module(name, RunLinear(runs, before, after))
        self.activation = _ACTIVATIONS[variant.activation or variant.row.activation]
        self.read_out = NearestCorner() if plane else None

    def layers(self, hidden: Hidden) -> Iterator[Layer]:
        yield linear(lambda x: x.flatten(2))
        for name in self.hidden_layers:
            yield self._linear(name).link
            yield self.activation
            yield linear(partial(hidden, name))
        yield self._linear(self.weight_layers[-1]).link
        if self.read_out:
            yield linear(self.read_out)

    def basis(self, logits: Tensor) -> Tensor:
        return self.read_out.basis(logits) if self.read_out else super().basis(logits)

    def _linear(self, name: str) -> RunLinear:
        layer = self.get_submodule(name)
        assert isinstance(layer, RunLinear)
        return layer


def build(variant: Variant, seeds: Sequence[int], shape: tuple[int, ...], classes: int) -> Network:
    """See `regularize.models.build`."""
    model = Mlp(len(seeds), variant=variant, inputs=math.prod(shape), classes=classes)
    if variant.std is None:
        start = _STARTS[variant.name]
        start_uniform(model, seeds, start.bound, zero_bias=start.zero_bias)
    else:
        start_normal(model, seeds, variant.std)
    return model

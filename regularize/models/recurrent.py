"""A small recurrent network, with the run axis.

References:
    Elman, Finding structure in time, 1990.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from regularize.layers import RunLinear
from regularize.models.network import Hidden, Network, unchanged
from regularize.models.plane import NearestCorner
from regularize.models.start import glorot_bound, start_uniform
from regularize.models.variant import Variant

UNITS = 16


class PlaneRnn(Network):
    """Reads a point as the sequence of its coordinates, one number a step, and ends in a point.

    h_t = tanh(U·x_t + W·h_{t−1} + b), h_0 = 0; the point is V·h_T + c, the class its nearest corner.
    Techniques that act on hidden layers see the last state.
    """

    weight_layers = ("input", "recurrent", "output")
    hidden_layers = ("recurrent",)

    def __init__(self, runs: int) -> None:
        super().__init__()
        self.input = RunLinear(runs, 1, UNITS)
        self.recurrent = RunLinear(runs, UNITS, UNITS)
        self.output = RunLinear(runs, UNITS, 2)
        self.read_out = NearestCorner()

    def forward(self, x: Tensor, hidden: Hidden = unchanged) -> Tensor:
        state = x.new_zeros(*x.shape[:2], UNITS)
        for number in x.unbind(2):
            state = torch.tanh(self.input(number.unsqueeze(-1)) + self.recurrent(state))
        logits: Tensor = self.read_out(self.output(hidden("recurrent", state)))
        return logits

    def basis(self, logits: Tensor) -> Tensor:
        return self.read_out.basis(logits)


def build(_variant: Variant, seeds: Sequence[int], _shape: tuple[int, ...], _classes: int) -> Network:
    """See `regularize.models.build`."""
    model = PlaneRnn(len(seeds))
    start_uniform(model, seeds, glorot_bound, zero_bias=True)
    return model

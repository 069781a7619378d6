"""Inverted dropout on hidden fully connected layers: h·m/(1−p), m Bernoulli(1−p).

Training only. `layers` names the layers it acts on, all hidden ones unless told otherwise. The
Jacobian penalty of the same step sees the same masks. Does nothing at p = 0.

References:
    Srivastava, Hinton, Krizhevsky, Sutskever, Salakhutdinov, Dropout, 2014.
"""

from __future__ import annotations

from torch import Tensor

from regularize.draws import Draws
from regularize.errors import UserError, one_of
from regularize.models.network import Network
from regularize.regularizers.hooks import Given, Hooks


def check(network: Network, _shape: tuple[int, ...], _classes: int, given: Given) -> None:
    if given.options["layers"] == "all":
        return
    for layer in given.options["layers"]:
        if layer not in network.hidden_layers:
            raise UserError(
                f"layers of dropout has {layer!r}, but must be hidden layers of the model; "
                f"{one_of(layer, network.hidden_layers)}"
            )


def hidden(layer: str, h: Tensor, given: Given, draws: Draws) -> Tensor | None:
    if given.options["layers"] != "all" and layer not in given.options["layers"]:
        return None
    p = given.over("p", h)
    kept = draws.uniform_per_example(f"dropout/{layer}", h.shape[2:]) >= p
    return kept / (1 - p)


HOOKS = Hooks(check=check, hidden=hidden)

"""Networks that are one layer after another: what they need for a cheap Jacobian penalty."""

from __future__ import annotations

from collections.abc import Iterable

from torch import Tensor

from regularize.layers import Layer, Link
from regularize.models.network import Hidden, Network, unchanged


class Chain(Network):
    """A network whose forward pass can be noted down link by link, and then be differentiated.

    Any other `Network` has the same techniques; those that need its Jacobian differentiate twice.
    """

    def layers(self, hidden: Hidden) -> Iterable[Layer]:
        """The layers from the inputs to the logits; `hidden` is linear in the activations."""
        raise NotImplementedError

    def forward(self, x: Tensor, hidden: Hidden = unchanged, links: list[Link] | None = None) -> Tensor:
        """Inputs [R, B, …] to logits [R, B, K]; the links passed are appended to `links`."""
        for layer in self.layers(hidden):
            link = layer(x)
            x = link.output
            if links is not None:
                links.append(link)
        return x

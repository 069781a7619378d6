"""What is known of a network before it is built. Free of torch."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Outline:
    """What techniques ask of a network: its hidden layers, and the shape of its Jacobian.

    `image_layers` are its convolutions, `of_images` is whether what it is given are images.
    `outputs` are the dimensions of the space that an example's logits lie in; `folded_layers` are those
    hidden layers whose inputs do not have examples alone on their first axis.
    """

    hidden_layers: tuple[str, ...]
    outputs: int
    inputs: int
    folded_layers: tuple[str, ...] = ()
    image_layers: tuple[str, ...] = ()
    of_images: bool = True

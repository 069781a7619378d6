"""What the layers of a trained network make of examples."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from analysis.networks.trained_network import Trained
from regularize.errors import UserError, one_of

if TYPE_CHECKING:
    from torch import Tensor

    from regularize.models.network import Network

PENULTIMATE = "penultimate"


def convolutions(network: Network) -> list[str]:
    """The names of the layers that put out feature maps, in the order of the network."""
    return list(network.image_layers)


def feature_maps(trained: Trained, x: Tensor, layer: str) -> Tensor:
    """What a convolution puts out for inputs [B, C, H, W], before pooling and activation: [B, C', H', W']."""
    import torch

    from regularize.models.chain import Chain

    # Of a chain not what it put out: the bias may be added later, which is cheaper after pooling. Any other
    # network's layers have put it out, and a module of one's own has its weights while it is passed alone.
    in_a_chain = isinstance(trained.network, Chain)
    with _recording(trained.network, layer, given=in_a_chain) as found:
        _run(trained, x)
    if not in_a_chain:
        return found[-1]
    with torch.no_grad():
        maps: Tensor = trained.network.module(layer)(found[-1])
    return maps


def activations(trained: Trained, x: Tensor, layer: str = PENULTIMATE) -> Tensor:
    """The activations of a layer for inputs [B, …], flattened to [B, units].

    `penultimate` are those that the last layer with weights is given. Of the project's own networks
    that go from layer to layer, a layer's are what the next one is given, after pooling and
    activation function; of any other network, what the module of that name puts out (the last
    time, where it is called more than once).

    Raises:
        UserError: there is no such layer.
    """
    name, given = _place(trained, layer)
    with _recording(trained.network, name, given=given) as found:
        _run(trained, x)
    return found[-1].reshape(len(x), -1)


def _place(trained: Trained, layer: str) -> tuple[str, bool]:
    """The module to listen to, and whether to what it is given or to what it puts out."""
    from regularize.models.chain import Chain

    network, layers = trained.network, trained.network.weight_layers
    if layer == PENULTIMATE:
        return network.output_layer, True
    if isinstance(network, Chain) and layer in layers[:-1]:
        return layers[layers.index(layer) + 1], True
    try:
        network.module(layer)
    except AttributeError:
        choices = one_of(layer, [PENULTIMATE, *layers])
        raise UserError(f"model {trained.config.model} has no layer {layer!r}; {choices}") from None
    return layer, False


@contextmanager
def _recording(network: Network, name: str, *, given: bool) -> Iterator[list[Tensor]]:
    """The list of what the layer is given, or puts out, whenever it is called inside."""
    found: list[Tensor] = []

    def hook(_module: Any, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        found.append((inputs[0] if given else output).clone())  # what comes next may work in place

    handle = network.module(name).register_forward_hook(hook)
    try:
        yield found
    finally:
        handle.remove()


def _run(trained: Trained, x: Tensor) -> None:
    import torch

    with torch.no_grad():
        trained.logits(x)

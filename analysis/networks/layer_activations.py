"""What the layers of a trained network make of examples."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from analysis.networks.trained_network import Trained
from analysis.notation.number_text import count
from regularize.errors import UserError, one_of

if TYPE_CHECKING:
    from torch import Tensor

    from regularize.models.network import Network

PENULTIMATE = "penultimate"


def convolutions(network: Network) -> list[str]:
    """The names of the layers that put out feature maps, in the order of the network."""
    return list(network.image_layers)


def feature_maps(trained: Trained, x: Tensor, layer: str) -> Tensor:
    """What a convolution puts out for inputs [B, C, H, W], before pooling and activation: [B, C', H', W'].

    Raises:
        UserError: as of `activations`.
    """
    import torch

    from regularize.models.chain import Chain

    # Of a chain not what it put out: the bias may be added later, which is cheaper after pooling. Any other
    # network's layers have put it out, and a module of one's own has its weights while it is passed alone.
    in_a_chain = isinstance(trained.network, Chain)
    found = _of_examples(trained, x, layer, given=in_a_chain)
    if not in_a_chain:
        if found.ndim != 4:
            raise UserError(f"{_called(trained, layer)} puts out {list(found.shape)}, and no feature maps")
        return found
    with torch.no_grad():
        maps: Tensor = trained.network.module(layer)(found)
    return maps


def activations(trained: Trained, x: Tensor, layer: str = PENULTIMATE) -> Tensor:
    """The activations of a layer for inputs [B, …], flattened to [B, units].

    `penultimate` are those that the last layer with weights is given. Of the project's own networks
    that go from layer to layer, a layer's are what the next one is given, after pooling and
    activation function; of any other network, what the module of that name puts out (the last
    time, where it is called more than once). Of several tensors, the first counts.

    Raises:
        UserError: there is no such layer, it is never called, or what it is given or puts out is no tensor
            whose first axis is the examples, as of sequences that come before them.
    """
    name, given = _place(trained, layer)
    try:
        return _of_examples(trained, x, name, given=given).reshape(len(x), -1)
    except UserError as reason:
        raise UserError(f"{reason}; `--layer` shows another") from None


def _modules(network: Network) -> list[str]:
    """The layers with weights: of a weight with another name, as of a recurrent layer, what it belongs to."""
    known = dict(network.named_modules())
    found = (name if name in known else name.rpartition(".")[0] for name in network.weight_layers)
    return list(dict.fromkeys(filter(None, found)))


def _of_examples(trained: Trained, x: Tensor, name: str, *, given: bool) -> Tensor:
    """What the layer is given, or puts out, for inputs [B, …]; of a module of one's own, this is [B, …]."""
    from regularize.models.foreign import Foreign

    found = _recorded(trained, x, name, given=given)
    if isinstance(trained.network, Foreign):
        # Of one example alone, too: a sequence may happen to be as long as the batch.
        alone = _recorded(trained, x[:1], name, given=given)
        for tensor, examples in ((found, len(x)), (alone, 1)):
            if list(tensor.shape[:1]) != [examples]:
                raise UserError(
                    f"{_called(trained, name)} {_does(given)} {list(tensor.shape)} for "
                    f"{count(examples, 'example')}, which are not its first axis"
                )
    return found


def _recorded(trained: Trained, x: Tensor, name: str, *, given: bool) -> Tensor:
    """The first tensor that the layer is given, or puts out, the last time it is called."""
    import torch

    with _recording(trained.network, name, given=given) as found, torch.no_grad():
        trained.logits(x)
    if not found:
        raise UserError(f"{_called(trained, name)} is never called by itself")
    last = found[-1]
    if not isinstance(last, torch.Tensor):
        raise UserError(f"{_called(trained, name)} {_does(given)} {type(last).__name__}, and no tensor")
    return last


def _called(trained: Trained, name: str) -> str:
    return f"layer {name!r} of model {trained.config.model}"


def _does(given: bool) -> str:
    return "is given" if given else "puts out"


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
        choices = one_of(layer, [PENULTIMATE, *_modules(network)])
        raise UserError(f"model {trained.config.model} has no layer {layer!r}; {choices}") from None
    return layer, False


@contextmanager
def _recording(network: Network, name: str, *, given: bool) -> Iterator[list[Any]]:
    """The list of what the layer is given, or puts out, whenever it is called inside; of several, the first
    tensor."""
    import torch

    found: list[Any] = []

    def keep(value: Any) -> None:
        if isinstance(value, tuple | list):
            value = next((each for each in value if isinstance(each, torch.Tensor)), value)
        # A copy, as the layer, or what comes next, may work in place.
        found.append(value.clone() if isinstance(value, torch.Tensor) else value)

    def before(_layer: Any, inputs: tuple[Any, ...], named: dict[str, Any]) -> None:
        keep((*inputs, *named.values()))

    def after(_layer: Any, _inputs: Any, output: Any) -> None:
        keep(output)

    layer = network.module(name)
    if given:
        handle = layer.register_forward_pre_hook(before, with_kwargs=True)
    else:
        handle = layer.register_forward_hook(after)
    try:
        yield found
    finally:
        handle.remove()

"""Someone else's `torch.nn.Module`, trained by a sweep with the same techniques.

In a sweep, `model: package.module:function` names a function that is given the shape of one
example and the number of classes, and returns the module:

    def function(shape: tuple[int, ...], classes: int) -> torch.nn.Module

The module takes inputs [B, *shape] and returns logits [B, classes]. It has no run axis, so each run
is a pack of its own. It is imported where its networks are built and nowhere else, if it is trusted
(`regularize.own_code`), and has to be on Python's path there, or in the folder that one stands in. The
name is all of it that enters the `run_id`: give a function that builds something else another name.

What the techniques see of the module:
    weights: every parameter with `weight` in its own name and two axes or more, as (first axis,
        rest): linear layers, convolutions, embeddings, recurrent and attention weights.
    hidden layers (dropout): what each `nn.Linear` is given that is called after another layer with weights.
        Its first axis has to be the examples; dropout is refused where tokens are folded into it.

A layer whose weight is computed from other parameters (weight_norm, spectral_norm, pruning) is refused:
what penalties act on would not be what the layer computes with.

Batch normalisation works, but makes an example's logits in training depend on the rest of its
batch: the Jacobian techniques are refused, and several ranks do not train the same network as one.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import chain
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.utils.parametrize import is_parametrized

from regularize.errors import UserError
from regularize.models.network import Hidden, Network, sees_channels, unchanged
from regularize.named_objects import resolve
from regularize.rng import generator


class Foreign(Network):
    """A module as a network with the run axis: its parameters and buffers, each as [1, …].

    They have the names they have in the module and are copies of its own: a module that is handed out
    twice, or to somebody else as well, stays as it is. Frozen parameters are buffers here. The module
    itself stays outside the module tree and is called with these tensors in place of its own.
    """

    has_modes = True  # it may have: dropout layers, for instance

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self._module = (module,)
        self._hidden: Hidden = unchanged
        _mirror(module, self, {})
        weights = [name for name, p in self.named_parameters() if p.ndim > 2 and "weight" in _last(name)]
        linear = [name for name, layer in module.named_modules() if isinstance(layer, nn.Linear)]
        self._weights = tuple(weights)
        self.weight_layers = tuple(name.removesuffix(".weight") for name in weights)
        self.hidden_layers = tuple(name for name in linear if name not in self.weight_layers[:1])
        for name in linear:
            module.get_submodule(name).register_forward_pre_hook(self._show(name))
        convolutions = [n for n, layer in module.named_modules() if isinstance(layer, nn.Conv2d)]
        self.image_layers = tuple(convolutions)
        for name in convolutions:
            module.get_submodule(name).register_forward_hook(self._show_channels(name))
        self.mixing_layers = tuple(n for n, layer in module.named_modules() if isinstance(layer, _BatchNorm))

    def forward(self, x: Tensor, hidden: Hidden = unchanged) -> Tensor:
        """Inputs [1, B, …] to logits [1, B, K]."""
        own = dict(chain(self.named_parameters(), self.named_buffers()))
        tensors = {name: tensor.squeeze(0) for name, tensor in own.items()}
        passed = dict(tensors)
        self._hidden = hidden
        try:
            logits: Tensor = functional_call(self._module[0], passed, (x.squeeze(0).contiguous(),))
        finally:
            self._hidden = unchanged
        for name in tensors:
            if passed[name] is not tensors[name]:  # a buffer that was replaced, not written to
                own[name].copy_(passed[name].detach().unsqueeze(0))
        return logits.unsqueeze(0)

    def module(self, name: str) -> nn.Module:
        return self._module[0].get_submodule(name)

    def weights(self) -> dict[str, Tensor]:
        found = {name: self.get_parameter(name) for name in self._weights}
        return {name: weight.view(*weight.shape[:2], -1) for name, weight in found.items()}

    def train(self, mode: bool = True) -> Foreign:
        self._module[0].train(mode)
        return super().train(mode)

    def find_hidden_layers(self, examples: Tensor) -> Tensor:
        """Know the hidden layers by what is called, in which order and with what; returns the logits.

        `examples` are [1, B, …].
        """
        seen: dict[str, int] = {}  # by name, in the order of their calls: the length of the first axis

        def note(name: str) -> Callable[[nn.Module, tuple[Any, ...]], None]:
            def hook(_layer: nn.Module, inputs: tuple[Any, ...]) -> None:
                seen.setdefault(name, len(inputs[0]) if inputs else 0)

            return hook

        hooks = [self.module(name).register_forward_pre_hook(note(name)) for name in self._layers()]
        try:
            logits: Tensor = self(examples)
        finally:
            for hook in hooks:
                hook.remove()
        after_first = list(seen)[1:]
        self.hidden_layers = tuple(n for n in after_first if isinstance(self.module(n), nn.Linear))
        self.folded_layers = tuple(n for n in self.hidden_layers if seen[n] != examples.shape[1])
        return logits

    def _layers(self) -> list[str]:
        """Modules that have a weight themselves, frozen or not."""
        return [
            name
            for name, layer in self._module[0].named_modules()
            if any("weight" in own and p.ndim > 1 for own, p in layer.named_parameters(recurse=False))
        ]

    def _show_channels(self, name: str) -> Callable[[nn.Module, tuple[Any, ...], Tensor], Tensor]:
        def hook(_layer: nn.Module, _inputs: tuple[Any, ...], output: Tensor) -> Tensor:
            if not sees_channels(self._hidden):
                return output
            return self._hidden(name, output.flatten(2).unsqueeze(0)).squeeze(0).view_as(output)

        return hook

    def _show(self, name: str) -> Callable[[nn.Module, tuple[Any, ...]], tuple[Any, ...]]:
        def hook(_layer: nn.Module, inputs: tuple[Any, ...]) -> tuple[Any, ...]:
            if name not in self.hidden_layers or not inputs:
                return inputs
            return (self._hidden(name, inputs[0].unsqueeze(0)).squeeze(0), *inputs[1:])

        return hook


def _mirror(source: nn.Module, target: nn.Module, made: dict[int, nn.Parameter]) -> None:
    """Give `target` the parameters, buffers and children of `source`; tied parameters stay tied."""
    for name, parameter in source.named_parameters(recurse=False):
        own = _copy(parameter)
        if parameter.requires_grad:
            target.register_parameter(name, made.setdefault(id(parameter), nn.Parameter(own)))
        else:
            target.register_buffer(name, own)
    for name, buffer in source.named_buffers(recurse=False):
        target.register_buffer(name, _copy(buffer))
    for name, child in source.named_children():
        target.add_module(name, nn.Module())
        _mirror(child, target.get_submodule(name), made)


def _copy(tensor: Tensor) -> Tensor:
    """With the run axis, in the order of its axes, whatever the module's: weights are seen as matrices."""
    return tensor.detach().clone(memory_format=torch.contiguous_format).unsqueeze(0)


def _last(name: str) -> str:
    return name.rpartition(".")[2]


def build(name: str, seeds: Sequence[int], shape: tuple[int, ...], classes: int) -> Network:
    """See `regularize.models.build`; torch's own random numbers are seeded while the module is made."""
    (seed,) = seeds
    factory = resolve("model", name)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(generator(seed, "init").initial_seed())
        module = factory(shape, classes)
    if not isinstance(module, nn.Module):
        raise UserError(f"model {name} returned {module!r}, but must return a torch.nn.Module")
    _check_weights(name, module)
    network = Foreign(module)
    if not network.weight_layers:
        raise UserError(f"model {name} has no weights to train")
    _check_logits(name, network, shape, classes)
    return network


def _check_weights(name: str, module: nn.Module) -> None:
    for layer, each in module.named_modules():
        weight = getattr(each, "weight", None)
        own = isinstance(weight, nn.Parameter) or any(weight is buffer for buffer in each.buffers(False))
        if is_parametrized(each) or (isinstance(weight, Tensor) and not own):
            raise UserError(
                f"model {name} computes the weight of layer {layer!r} from other parameters (weight_norm, "
                "spectral_norm or the like): techniques would not act on what it computes with; "
                "take a plain layer"
            )


@torch.no_grad()
def _check_logits(name: str, network: Foreign, shape: tuple[int, ...], classes: int) -> None:
    network.eval()
    found = tuple(network.find_hidden_layers(torch.zeros(1, 2, *shape)).shape[1:])
    network.train()
    if found != (2, classes):
        raise UserError(f"model {name} makes {found} of 2 examples {shape}, but must make (2, {classes})")

"""Someone else's `torch.nn.Module`, trained by a sweep with the same techniques.

In a sweep, `model: package.module:function` names a function that is given the shape of one
example and the number of classes, and returns the module:

    def function(shape: tuple[int, ...], classes: int) -> torch.nn.Module

The module takes inputs [B, *shape] and returns logits [B, classes]. It has no run axis, so each run
is a pack of its own, unless the cluster config has `pack_own_models: true` and `torch.func.vmap` can take it.
It is imported where its networks are built and nowhere else, if it is trusted (`regularize.own_code`), and
has to be on Python's path there, or in the folder that one stands in. The name is all of it that enters the
`run_id`: give a function that builds something else another name.

What the techniques see of the module:
    weights: by the rule of `weight_rule.py`, which goes by the type of layers. They are penalised, decayed,
        projected and shown in figures; all else is left alone.
    hidden layers (dropout): what each `nn.Linear` is given that is called after another layer with weights.
        Its first axis has to be the examples; dropout is refused where tokens are folded into it.

Where a layer computes its weight from other parameters (weight_norm, spectral_norm, pruning), penalties and
figures have what it computes with; techniques that change weights in place, or AdamW's decay, are refused.

A run's module is a copy: of one that is handed out twice, or kept by somebody else as well, nothing is
changed. All its buffers are kept in checkpoints, those too that its own `state_dict` leaves out; what it
keeps in other attributes is not, and where a step depends on that, `plan` says so
(`regularize/own_state.py`). Its parameters are the run's in the forward pass alone, so what computes
layers again in the backward one (`torch.utils.checkpoint`) is refused. What it draws from torch's generator
comes from the run's seed, in evaluation, too.

Batch normalisation works, but makes an example's logits in training depend on the rest of its
batch: the Jacobian techniques are refused.

Several ranks train the same network as one: batch normalisation, `SyncBatchNorm` included, is over the global
batch (`over_ranks`), the own dropout and noise of the module are those of the examples' places in it
(`own_draws`), and a parameter without a gradient stays as it is. What is coupled to its batch otherwise
cannot be trained so, which is found by trying it (`rank_probe`).
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from itertools import chain
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn.modules.batchnorm import _BatchNorm

from regularize.distributed import Ranks
from regularize.draws import Draws
from regularize.errors import UserError
from regularize.models.network import Hidden, Network, sees_channels, unchanged
from regularize.models.own_draws import Axis
from regularize.models.own_module import called, made
from regularize.models.rank_probe import probed
from regularize.models.step_of_ranks import StepOfRanks
from regularize.models.weight_rule import Computed, computed_in, weights_of
from regularize.rng import generator, seed_torch

Given = tuple[tuple[Any, ...], dict[str, Any]]
BeforeCall = Callable[[nn.Module, tuple[Any, ...], dict[str, Any]], Given | None]
"""A hook of what a layer is given, by place and by name, before it is called."""


class Foreign(Network):
    """R modules as a network with the run axis: their parameters and buffers, each as [R, …].

    They have the names they have in the module and are copies of its own. Frozen parameters are buffers here.
    The first module stays outside the module tree and is called with these tensors in place of its own: one
    run's as they are, several runs' by `torch.func.vmap`. `seed` is of what it draws in evaluation.
    """

    has_modes = True  # it may have: dropout layers, for instance

    def __init__(self, module: nn.Module, *others: nn.Module, seed: int = 0) -> None:
        super().__init__()
        self._module = (module,)
        # A frozen parameter, or a buffer, that stands in several places has a copy in each; the first counts.
        self._names = {name for name, _ in chain(module.named_parameters(), module.named_buffers())}
        self.runs = 1 + len(others)
        self._seed = seed
        self._hidden: Hidden = unchanged
        self._step: StepOfRanks | None = None
        self._axes: Sequence[Axis] | None = None
        _mirror([module, *others], self, {})
        self.rule = weights_of(module)
        self.computed_weights = self.rule.computed
        self._computed = (Computed(module, self.rule.computed),)
        self._called: list[str] = []
        linear = [name for name, layer in module.named_modules() if isinstance(layer, nn.Linear)]
        self.weight_layers = self._in_order([*self.rule.own, *self.rule.computed])
        self.hidden_layers = tuple(name for name in linear if name not in self.weight_layers[:1])
        for name in linear:
            module.get_submodule(name).register_forward_pre_hook(self._show(name), with_kwargs=True)
        convolutions = [n for n, layer in module.named_modules() if isinstance(layer, nn.Conv2d)]
        self.image_layers = tuple(convolutions)
        for name in convolutions:
            module.get_submodule(name).register_forward_hook(self._show_channels(name))
        self.mixing_layers = tuple(n for n, layer in module.named_modules() if isinstance(layer, _BatchNorm))
        for layer in module.modules():
            if isinstance(layer, nn.RNNBase):
                _without_cudnn(layer)

    def forward(self, x: Tensor, hidden: Hidden = unchanged) -> Tensor:
        """Inputs [R, B, …] to logits [R, B, K]."""
        own = self._tensors()
        self._hidden = hidden
        try:
            with self._step.passing(self._axes) if self._step else self._stream(x):
                logits, replaced = self._passed(own, x)
        finally:
            self._hidden = unchanged
        for name, tensor in replaced.items():
            own[name].copy_(tensor.detach())
        return logits

    def _passed(self, own: dict[str, Tensor], x: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        if self.runs == 1:
            of_run = {name: tensor.squeeze(0) for name, tensor in own.items()}
            # A copy, as images of one channel are contiguous in both ways, and convolutions take them as
            # channels last: there oneDNN 3 writes beyond its memory (1×1, stride 2, several threads).
            images = x.squeeze(0).clone(memory_format=torch.contiguous_format)
            return _stacked(self._called_with(of_run, images))
        # A step's draws are of every run's own stream, by `own_draws`; torch's generator has one for all.
        by_runs = torch.vmap(self._called_with, randomness="different" if self._step else "error")
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "There is a performance drop")  # of some operations
            found: tuple[Tensor, dict[str, Tensor]] = by_runs(own, x)
        return found

    def _called_with(self, tensors: dict[str, Tensor], x: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        """One run's inputs to its logits, and the buffers that were replaced, not written to."""
        passed = dict(tensors)
        logits = functional_call(self._module[0], passed, (x,))
        if not isinstance(logits, Tensor):
            raise UserError(f"the module makes {type(logits).__name__}, but must make a tensor of logits")
        return logits, {name: passed[name] for name in tensors if passed[name] is not tensors[name]}

    def _tensors(self) -> dict[str, Tensor]:
        every = chain(self.named_parameters(), self.named_buffers())
        return {name: tensor for name, tensor in every if name in self._names}

    @contextmanager
    def _stream(self, x: Tensor) -> Iterator[None]:
        """In evaluation, torch's generator is the run's inside."""
        if self.training:
            yield
            return
        with torch.random.fork_rng(devices=[x.device] if x.is_cuda else []):
            seed_torch(generator(self._seed, "module/evaluated").initial_seed(), x.device)
            yield

    def module(self, name: str) -> nn.Module:
        return self._module[0].get_submodule(name)

    def weights(self) -> dict[str, Tensor]:
        """By parameter name; those that layers compute are no views, and what is written to them is lost."""
        found: dict[str, Tensor] = {name: self.get_parameter(name) for name in self.rule.own}
        if self.rule.computed:
            own = self._tensors()
            each = [self._computed[0].of({n: t[run] for n, t in own.items()}) for run in range(self.runs)]
            found |= {name: torch.stack([made[name] for made in each]) for name in self.rule.computed}
        named = {name.removesuffix(".weight"): name for name in found}
        ordered = {named[layer]: found[named[layer]] for layer in self.weight_layers}
        return {name: weight.view(*weight.shape[:2], -1) for name, weight in ordered.items()}

    def kernel(self, layer: str) -> Tensor:
        name = f"{layer}.weight"
        if name not in self.computed_weights:
            return super().kernel(layer)
        shape = self.module(layer).weight.shape
        assert isinstance(shape, torch.Size)
        return self.weights()[name].view(-1, *shape)

    @property
    def output_layer(self) -> str:
        return self._called[-1] if self._called else super().output_layer

    def train(self, mode: bool = True) -> Foreign:
        self._module[0].train(mode)
        return super().train(mode)

    @contextmanager
    def in_training(self, draws: Draws, ranks: Ranks, counts: bool) -> Iterator[None]:
        # For what `own_draws` has no rule for.
        seed = generator(draws.seeds[0], f"module/{ranks.rank}", draws.host_step).initial_seed()
        seed_torch(seed, ranks.device)
        self._step = StepOfRanks(draws, ranks, counts)
        self.train()
        try:
            yield
        finally:
            self._step = None
            self.eval()

    def bound_to_ranks(self, shape: tuple[int, ...]) -> str:
        tensors = {name: each.detach()[0] for name, each in self._tensors().items()}
        found = probed(self._module[0], tensors, shape)
        self._axes = found.axes
        return found.bound

    def find_hidden_layers(self, examples: Tensor) -> Tensor:
        """Know the layers by what is called, in which order and with what; returns the logits.

        `examples` are [R, B, …].
        """
        calls: list[str] = []
        seen: dict[str, int] = {}  # the length of the first axis

        def note(name: str) -> BeforeCall:
            def hook(_layer: nn.Module, inputs: tuple[Any, ...], named: dict[str, Any]) -> None:
                calls.append(name)
                first = next(iter((*inputs, *named.values())), None)
                seen.setdefault(name, len(first) if isinstance(first, Tensor) and first.ndim else 0)

            return hook

        hooks = [
            self.module(name).register_forward_pre_hook(note(name), with_kwargs=True)
            for name in self._layers()
        ]
        try:
            logits: Tensor = self(examples)
        finally:
            for hook in hooks:
                hook.remove()
        after_first = list(seen)[1:]
        self.hidden_layers = tuple(n for n in after_first if isinstance(self.module(n), nn.Linear))
        self.folded_layers = tuple(n for n in self.hidden_layers if seen[n] != examples.shape[1])
        # By their first calls, but for the last one to be called, which makes the logits.
        self._called = [*(name for name in seen if name != calls[-1]), calls[-1]] if calls else []
        self.weight_layers = self._in_order([*self.rule.own, *self.rule.computed])
        self.image_layers = tuple(sorted(self.image_layers, key=self._place))
        return logits

    def _in_order(self, weights: Sequence[str]) -> tuple[str, ...]:
        """Names of weights as those of layers, in the order of calls as far as it is known."""
        ordered = sorted(weights, key=lambda name: self._place(name.rpartition(".")[0]))
        return tuple(name.removesuffix(".weight") for name in ordered)

    def _place(self, layer: str) -> int:
        """Of a layer among those that are called, or of what it is a part of."""
        while layer and layer not in self._called:
            layer = layer.rpartition(".")[0]
        return self._called.index(layer) if layer in self._called else -1

    def _layers(self) -> list[str]:
        """Modules that have a weight themselves, frozen or not."""

        def weighs(layer: nn.Module) -> bool:
            own = layer.named_parameters(recurse=False)
            return bool(computed_in(layer)) or any("weight" in n and p.ndim > 1 for n, p in own)

        modules = self._module[0].named_modules()
        return [name for name, layer in modules if ".parametrizations" not in f".{name}" and weighs(layer)]

    def _shown(self, name: str, activations: Tensor) -> Tensor:
        """What `hidden` makes of one run's activations, which are those of all of them inside `vmap`."""
        if self._hidden is unchanged:
            return activations
        if self.runs == 1:
            return self._hidden(name, activations.unsqueeze(0)).squeeze(0)
        found: Tensor = _OfAllRuns.apply(activations, partial(self._hidden, name))
        return found

    def _show_channels(self, name: str) -> Callable[[nn.Module, tuple[Any, ...], Tensor], Tensor]:
        def hook(_layer: nn.Module, _inputs: tuple[Any, ...], output: Tensor) -> Tensor:
            if not sees_channels(self._hidden):
                return output
            return self._shown(name, output.flatten(2)).view_as(output)

        return hook

    def _show(self, name: str) -> BeforeCall:
        def hook(_layer: nn.Module, inputs: tuple[Any, ...], named: dict[str, Any]) -> Given:
            if name in self.hidden_layers and inputs:
                inputs = (self._shown(name, inputs[0]), *inputs[1:])
            elif name in self.hidden_layers:  # called by words alone, as `layer(input=x)`
                word = next(iter(named))
                named = named | {word: self._shown(name, named[word])}
            return inputs, named

        return hook


class _OfAllRuns(torch.autograd.Function):
    """Calls a function of the activations [R, …] of all runs from where `vmap` shows those of one."""

    @staticmethod
    def forward(_activations: Tensor, _act: Callable[[Tensor], Tensor]) -> Tensor:
        raise AssertionError("there are several runs only inside vmap")

    @staticmethod
    def setup_context(_ctx: Any, _inputs: tuple[Any, ...], _output: Tensor) -> None:
        pass

    @staticmethod
    def vmap(
        info: Any, dims: tuple[int | None, ...], activations: Tensor, act: Callable[[Tensor], Tensor]
    ) -> tuple[Tensor, int]:
        axis = dims[0]
        runs = (info.batch_size, *activations.shape)
        return act(activations.expand(runs) if axis is None else activations.movedim(axis, 0)), 0


def _without_cudnn(layer: nn.RNNBase) -> None:
    """Let a recurrent layer be computed by torch's own operations on GPUs, too.

    cuDNN's have no gradient in evaluation, as norms of Jacobians ask for, nor a second one; and what it drops
    between layers comes from a stream of its own, which goes on from pack to pack and is in no checkpoint.
    """
    before: list[bool] = []

    def leave(*_: object) -> None:
        before.append(torch.backends.cudnn.enabled)
        torch.backends.cudnn.enabled = False

    def come_back(*_: object) -> None:
        torch.backends.cudnn.enabled = before.pop()

    layer.register_forward_pre_hook(leave)
    layer.register_forward_hook(come_back, always_call=True)


def _stacked(found: tuple[Tensor, dict[str, Tensor]]) -> tuple[Tensor, dict[str, Tensor]]:
    """With the axis of one run."""
    logits, replaced = found
    return logits.unsqueeze(0), {name: tensor.unsqueeze(0) for name, tensor in replaced.items()}


def _mirror(sources: Sequence[nn.Module], target: nn.Module, made: dict[int, nn.Parameter]) -> None:
    """Give `target` the parameters, buffers and children of `sources`; tied parameters stay tied."""
    first = sources[0]
    for name, parameter in first.named_parameters(recurse=False):
        own = _copy([source.get_parameter(name) for source in sources])
        if parameter.requires_grad:
            target.register_parameter(name, made.setdefault(id(parameter), nn.Parameter(own)))
        else:
            target.register_buffer(name, own)
    for name, _ in first.named_buffers(recurse=False):
        target.register_buffer(name, _copy([source.get_buffer(name) for source in sources]))
    for name, _ in first.named_children():
        target.add_module(name, nn.Module())
        _mirror([source.get_submodule(name) for source in sources], target.get_submodule(name), made)


def _copy(tensors: Sequence[Tensor]) -> Tensor:
    """With the run axis, in the order of its axes, whatever the modules': weights are seen as matrices."""
    return torch.stack([tensor.detach().contiguous() for tensor in tensors])


def build(name: str, seeds: Sequence[int], shape: tuple[int, ...], classes: int) -> Foreign:
    """See `regularize.models.build`; torch's own random numbers are seeded while the module is made."""
    network = Foreign(*made(name, seeds, shape, classes), seed=seeds[0])
    if not network.weight_layers:
        raise UserError(f"model {name} has no weights to train")
    network.eval()
    logits = called(name, network.find_hidden_layers, torch.zeros(len(seeds), 2, *shape))
    network.train()
    found = tuple(logits.shape[1:])
    if found != (2, classes):
        raise UserError(f"model {name} makes {found} of 2 examples {shape}, but must make (2, {classes})")
    return network

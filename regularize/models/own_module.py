"""Someone else's module made ready for runs: built for each seed, copied, and errors told in one line."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.parameter import is_lazy

from regularize.errors import RAISED, UserError
from regularize.named_objects import resolve
from regularize.raised import told
from regularize.rng import generator


def made(name: str, seeds: Sequence[int], shape: tuple[int, ...], classes: int) -> list[nn.Module]:
    """What the function of that name returns for each seed, each a copy that nobody else has.

    Torch's own random numbers are seeded meanwhile, and are afterwards as before. `torch.nn.SyncBatchNorm`
    is batch normalisation in the copies: that is over all ranks here (`over_ranks`), without a GPU, too.

    Raises:
        UserError: it cannot be imported, fails, or returns no module that can be copied.
    """
    factory = resolve("model", name)
    found = []
    for seed in seeds:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(generator(seed, "init").initial_seed())
            try:
                module = factory(shape, classes)
            except UserError:
                raise
            except RAISED as error:  # whatever someone else's code raises
                raise UserError(f"model {name} cannot be built: {told(error, factory)}") from error
            if not isinstance(module, nn.Module):
                raise UserError(f"model {name} returned {module!r}, but must return a torch.nn.Module")
            if any(is_lazy(each) for each in (*module.parameters(), *module.buffers())):
                was = module.training
                called(name, module.eval(), torch.zeros(2, *shape))
                module.train(was)
            found.append(_over_all_ranks(name, _copied(name, module)))
    first = _described(found[0])
    for seed, module in zip(seeds, found, strict=True):
        if _described(module) != first:
            raise UserError(f"model {name} is another network with seed {seed} than with {seeds[0]}")
    return found


def called(name: str, network: Callable[..., Any], *inputs: Tensor) -> Any:
    """What it makes of these, without gradients.

    Raises:
        UserError: in one line what it raised, and where.
    """
    try:
        with torch.no_grad():
            return network(*inputs)
    except UserError:
        raise
    except RAISED as error:  # whatever someone else's code raises
        raise UserError(f"model {name} fails on examples: {told(error, resolve('model', name))}") from error


def _copied(name: str, module: nn.Module) -> nn.Module:
    """A module of the run's own: one that is handed out twice, or kept by somebody, stays as it is."""
    for path, layer in module.named_modules():
        if type(layer).get_extra_state is not nn.Module.get_extra_state:
            raise UserError(
                f"model {name} keeps state beside parameters and buffers (get_extra_state of layer "
                f"{path!r}), which no checkpoint would have: make buffers of it"
            )
    memo: dict[int, Any] = {id(each): each.detach().clone() for each in _with_graph(module)}
    try:
        return copy.deepcopy(module, memo)
    except RAISED as error:
        raise UserError(
            f"model {name} cannot be copied, as every run needs one of its own: "
            f"{type(error).__name__}: {' '.join(str(error).split())}"
        ) from error


class BatchNorm(_BatchNorm):
    """Of inputs of any number of axes, as `torch.nn.SyncBatchNorm` has it."""

    def _check_input_dim(self, input: Tensor) -> None:
        if input.ndim < 2:
            raise ValueError(f"expected at least 2D input (got {input.ndim}D input)")


def _over_all_ranks(name: str, module: nn.Module) -> nn.Module:
    """Without torch's own normalisation over ranks, which refuses CPUs; all that layers have stays theirs."""
    for path, layer in module.named_modules():
        if type(layer) is nn.SyncBatchNorm:
            # A layer in its place would lack its hooks, and the other places that it stands in.
            layer.__class__ = BatchNorm  # type: ignore[assignment]
        elif isinstance(layer, nn.SyncBatchNorm):
            raise UserError(
                f"model {name} has a kind of torch.nn.SyncBatchNorm of its own (layer {path!r}, "
                f"{type(layer).__name__}), which only GPUs can train on several ranks: make it one of "
                "torch.nn.BatchNorm2d, which is over all ranks here"
            )
    return module


def _with_graph(module: nn.Module) -> list[Tensor]:
    """Tensors that layers have computed and kept, which cannot be copied with what they come from."""
    values = (value for layer in module.modules() for value in vars(layer).values())
    return [value for value in values if isinstance(value, Tensor) and value.grad_fn is not None]


def _described(module: nn.Module) -> list[tuple[str, torch.Size, bool]]:
    tensors = [*module.named_parameters(), *module.named_buffers()]
    return [(name, tensor.shape, tensor.requires_grad) for name, tensor in tensors]

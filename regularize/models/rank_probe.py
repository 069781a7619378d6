"""Whether several ranks can train someone else's module as one does: it is tried, on a handful of examples.

In training mode, with batch normalisation set aside (it is over the global batch: `over_ranks`), a batch and
its two parts, each with its part of the module's random numbers, must come to the same logits and, in sum,
to the same gradients. Whatever the module keeps must not depend on the examples that it was given: its
buffers, and what it makes of one more batch. Its parameters are moved a little first, as one that starts at 0
would hide what comes before.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.func import functional_call
from torch.overrides import TorchFunctionMode

from regularize.draws import Draws
from regularize.models.own_draws import Axis, OwnDraws, Seen
from regularize.rng import generator

_WHOLE, _PART = 5, 2  # examples
_RELATIVE, _ABSOLUTE = 1e-3, 1e-4  # in float32, where a product's rounding depends on its size
_OF_GRADIENTS = 1e-2  # of their norm


@dataclass(frozen=True)
class Findings:
    """`axes` of a module's draws (see `own_draws`); why ranks cannot train it as one does, `` if they can."""

    axes: Sequence[Axis] = ()
    bound: str = ""


class _WithoutNorms(TorchFunctionMode):
    """Inside, what is normalised over a batch is so over each example alone, if it has several values."""

    def __init__(self) -> None:
        super().__init__()
        self.channels: list[int] = []  # of each that was

    def __torch_function__(
        self, func: Callable[..., Any], _types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        if func is not F.batch_norm:
            return func(*args, **(kwargs or {}))
        x = args[0]
        self.channels.append(x.shape[1])
        return F.instance_norm(x) if x[0, 0].numel() > 1 else x


def probed(module: nn.Module, tensors: Mapping[str, Tensor], shape: tuple[int, ...]) -> Findings:
    """Try a module with these parameters and buffers; nothing of either is changed."""
    moved = _moved(module, tensors)
    found = _found(module, moved, shape)
    return found if found.bound != _NOT_FINITE else _found(module, tensors, shape)


_NOT_FINITE = "its logits are not finite"


def _moved(module: nn.Module, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """With parameters near those that it has, but nowhere exactly 0."""
    source, found = generator(0, "probe/moved"), dict(tensors)
    for name, parameter in module.named_parameters():
        if name in found and parameter.requires_grad:
            value = found[name]
            inputs = value[0].numel() if value.ndim > 1 else 10
            found[name] = value + torch.randn(value.shape, generator=source).to(value) * (0.3 / inputs**0.5)
    return found


def _found(module: nn.Module, tensors: Mapping[str, Tensor], shape: tuple[int, ...]) -> Findings:
    some = next(iter(tensors.values()))
    source = generator(0, "probe")
    x, other, more = (
        torch.randn(_WHOLE, *shape, generator=source).to(some.device, _dtype(tensors)) for _ in range(3)
    )
    trained = [name for name, parameter in module.named_parameters() if parameter.requires_grad]

    def passed(first: int, last: int, of: int, axes: Sequence[Axis] | None, examples: Tensor = x) -> _Passed:
        own = {name: tensor.detach().clone() for name, tensor in tensors.items()}
        leaves = [own[name].requires_grad_() for name in trained if name in own]
        draws = Draws(seeds=[0], step=0, global_batch=of, local=slice(first, last))
        copy, mode, norms = _copied(module), OwnDraws(draws, axes=axes), _WithoutNorms()
        copy.train()
        with torch.enable_grad(), norms, mode:
            logits = functional_call(copy, own, (examples[first:last],))
        before = torch.get_rng_state()
        gradients = _gradients(logits, leaves, first)
        drew = not torch.equal(torch.get_rng_state(), before)
        kept = {name: tensor.detach().clone() for name, tensor in own.items()}
        everything = Draws(seeds=[0], step=1, global_batch=_WHOLE, local=slice(0, _WHOLE))
        with torch.no_grad(), _WithoutNorms(), OwnDraws(everything, axes=axes):
            again = functional_call(copy, own, (more,))
        return _Passed(logits.detach(), gradients, kept, again, mode.seen, norms.channels, drew)

    whole, part = passed(0, _WHOLE, _WHOLE, None), passed(0, _PART, _PART, None)
    if whole.seen.unknown:
        return Findings(bound=f"it draws random numbers by {whole.seen.unknown[0]}")
    axes = _axes(whole.seen, part.seen)
    if axes is None:
        return Findings(bound="which random numbers it draws depends on the batch")
    if not whole.logits.isfinite().all():
        return Findings(axes, _NOT_FINITE)
    if whole.drew:
        return Findings(axes, "it draws random numbers in the backward pass")
    if whole.channels != part.channels:
        return Findings(axes, "what it gives to batch normalisation has examples among its channels")
    parts = [passed(*span, _WHOLE, axes) for span in ((0, _PART), (_PART, _WHOLE))]
    if not torch.allclose(torch.cat([each.logits for each in parts]), whole.logits, _RELATIVE, _ABSOLUTE):
        return Findings(
            axes,
            "an example's logits depend on the others of its batch, other than by batch normalisation, or on "
            "random numbers that are not torch's",
        )
    for ours, *theirs in zip(whole.gradients, *(each.gradients for each in parts), strict=True):
        if (sum(theirs) - ours).norm() > _OF_GRADIENTS * ours.norm() + _ABSOLUTE:
            return Findings(axes, "an example's gradient depends on the others of its batch")
    for others in (*parts, *(passed(0, _WHOLE, _WHOLE, axes, each) for each in (-x, 2 * other))):
        for name, value in others.tensors.items():
            # Those of before are what a module has that does not write to them: no need to look at them.
            if not torch.equal(value, whole.tensors[name]):
                return Findings(
                    axes, f"what it writes to buffer {name} depends on the examples that a rank has"
                )
        if not torch.allclose(others.again, whole.again, _RELATIVE, _ABSOLUTE):
            return Findings(axes, "what it keeps from step to step depends on the examples that a rank has")
    return Findings(axes)


def _gradients(logits: Tensor, leaves: Sequence[Tensor], first: int) -> list[Tensor]:
    """Of a sum of these logits, those of each example in a way of its own; none where there are none."""
    if not logits.requires_grad:
        return [torch.zeros_like(leaf) for leaf in leaves]
    ways = torch.randn(_WHOLE, *logits.shape[1:], generator=generator(0, "probe/ways")).to(logits)
    total = (logits * ways[first : first + len(logits)]).sum()
    found = torch.autograd.grad(total, leaves, allow_unused=True, materialize_grads=True)
    return [each.detach() for each in found]


@dataclass(frozen=True)
class _Passed:
    """Of some examples; `again` are the logits of more examples, afterwards."""

    logits: Tensor
    gradients: Sequence[Tensor]
    tensors: Mapping[str, Tensor]
    again: Tensor
    seen: Seen
    channels: Sequence[int]
    drew: bool


def _dtype(tensors: Mapping[str, Tensor]) -> torch.dtype:
    return next((each.dtype for each in tensors.values() if each.is_floating_point()), torch.float32)


def _copied(module: nn.Module) -> nn.Module:
    """So that what it counts in attributes of its own stands where it stood."""
    try:
        return deepcopy(module)
    except Exception:  # of many kinds, by what it has
        return module


def _axes(whole: Seen, part: Seen) -> list[Axis] | None:
    """Where the examples are in each draw, by which side grows with them; None where that is not clear."""
    if len(whole.shapes) != len(part.shapes):
        return None
    found: list[Axis] = []
    for long, short in zip(whole.shapes, part.shapes, strict=True):
        if len(long) != len(short):
            return None
        grown = [axis for axis, (a, b) in enumerate(zip(long, short, strict=True)) if a != b]
        if not grown:
            found.append(None)
        elif (
            len(grown) == 1
            and long[grown[0]] * _PART == short[grown[0]] * _WHOLE
            and long[grown[0]] % _WHOLE == 0
        ):
            found.append((grown[0], long[grown[0]] // _WHOLE))
        else:
            return None
    return found

"""What someone else's module keeps elsewhere than in its parameters and buffers, and whether it matters.

No checkpoint has it, and every rank has one of its own. What matters is found by what it does: a module that
has taken some steps is held against a new one that is given the same parameters and buffers, as a resumed
run is. That it is there at all is found in the modules' attributes, which changes may show that so few steps
do not, such as those of a counter.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sized
from dataclasses import dataclass, replace
from types import BuiltinFunctionType, FunctionType, MethodType, ModuleType
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from regularize import models
from regularize.config import RunConfig
from regularize.models.foreign import Foreign
from regularize.models.weight_rule import computed_in
from regularize.own_step import EXAMPLES, take_step
from regularize.rng import generator

STEPS = 3
# Recurrent layers keep their parameters a second time, in a list that follows what stands in for them.
_ALL_HAVE = frozenset(vars(nn.Module())) | {"_flat_weights", "_flat_weight_refs"}
_PLAIN = (bool, int, float, complex, str, bytes, type(None))
_DEEPEST = 8
_STATELESS = (nn.Module, nn.Parameter, type, ModuleType, FunctionType, MethodType, BuiltinFunctionType)
# Of their norm; what modules compute in float32 inside is rounded by where tensors lie.
_NEAR = {torch.float64: 1e-5, torch.float32: 1e-3}


@dataclass(frozen=True)
class Forgotten:
    """Why a resumed run would be another, `` if it would not; else what is to be known, or ``."""

    error: str = ""
    said: str = ""


def forgotten(run: RunConfig, shape: models.Shape, classes: int) -> Forgotten:
    """Let the run's module take a few steps without techniques, and a new one go on for it.

    In float64, where rounding hides nothing; in float32 where the module knows no other.

    Raises:
        Exception: whatever the module raises in a later step.
    """
    run = replace(run, terms=())
    try:
        return _held_against_a_new_one(run, shape, classes, torch.float64)
    except Exception:  # of whatever kind: NumPy's, SciPy's
        return _held_against_a_new_one(run, shape, classes, torch.float32)


def _held_against_a_new_one(
    run: RunConfig, shape: models.Shape, classes: int, dtype: torch.dtype
) -> Forgotten:
    def built() -> Foreign:
        network = models.build(run.model, [run.seed], shape=shape, classes=classes).to(dtype)
        assert isinstance(network, Foreign)
        return network

    worn, before = built(), dict[str, object]()
    for step in range(STEPS):
        before = attributes(worn.module(""))
        _lived(run, shape, classes, worn, step)
    after = attributes(worn.module(""))
    changed = ", ".join(name for name in after if name not in before or before[name] != after[name])
    fresh = built()
    fresh.load_state_dict(worn.state_dict())
    pairs = zip(*(_lived(run, shape, classes, each, STEPS) for each in (worn, fresh)), strict=True)
    if not all(_alike(one, other) for one, other in pairs):
        return Forgotten(
            error=f"model {run.model} keeps something from step to step outside of parameters and buffers"
            f"{changed and f' (in {changed})'}: a resumed run, which has only these, would go on otherwise; "
            "make buffers of it (register_buffer)"
        )
    if changed:
        return Forgotten(
            said=f"model {run.model} changes {changed} in steps, which no checkpoint has: whatever later "
            "steps depend on has to be a buffer"
        )
    return Forgotten()


def _lived(run: RunConfig, shape: models.Shape, classes: int, network: Foreign, step: int) -> list[Tensor]:
    """Losses and gradients of a step, and the logits that are evaluated after it; parameters are moved."""
    losses = take_step([run], shape, classes, network, step)
    trained = list(network.parameters())
    gradients = [torch.zeros_like(p) if p.grad is None else p.grad.clone() for p in trained]
    source = generator(0, "trial/moved", step)
    with torch.no_grad():
        for parameter in trained:
            parameter.mul_(1 + 0.05 * torch.randn(parameter.shape, generator=source).to(parameter))
        x = torch.randn(1, EXAMPLES, *shape, generator=source).to(losses.dtype)
        return [losses, *gradients, network.eval()(x)]


def _alike(one: Tensor, other: Tensor) -> bool:
    finite = one.isfinite() & other.isfinite()
    near = _NEAR[one.dtype] * (other[finite].norm() + 0.01)
    return bool((one.isfinite() == other.isfinite()).all() and (one - other)[finite].norm() <= near)


def attributes(module: nn.Module) -> dict[str, object]:
    """What its layers have beside parameters, buffers and what is computed of these, in comparable form."""
    return {
        f"{path}.{name}" if path else name: _content(value, ())
        for path, layer in module.named_modules()
        for name, value in vars(layer).items()
        if name not in _ALL_HAVE and name not in computed_in(layer)
    }


def _content(value: Any, within: tuple[int, ...]) -> object:
    """Equal for equal contents; None for what has none that can be told."""
    if isinstance(value, _PLAIN):
        return value
    if isinstance(value, _STATELESS) or id(value) in within or len(within) > _DEEPEST:
        return None
    within = (*within, id(value))
    if isinstance(value, torch.Generator):
        value = value.get_state()
    if isinstance(value, Tensor):
        return _bits(value)
    if isinstance(value, np.ndarray):
        return value.shape, value.tobytes()
    if isinstance(value, Mapping):
        return tuple((repr(key), _content(each, within)) for key, each in value.items())
    if isinstance(value, Sized) and isinstance(value, Iterable):
        return tuple(_content(each, within) for each in value)
    try:
        _, *made_of = value.__reduce_ex__(4)  # what copies are made of
    except Exception:  # of many kinds, by what it is
        return None
    return tuple(_content(each, within) for each in made_of[:2])


def _bits(tensor: Tensor) -> object:
    try:
        return tensor.shape, tensor.detach().cpu().flatten().view(torch.uint8).numpy().tobytes()
    except RuntimeError:  # sparse ones, and the like
        return None

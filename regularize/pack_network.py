"""A pack's networks as one: how they are built, which kernels compute them, a lone run's twin."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from regularize import fused, models
from regularize.batches import Batches
from regularize.config import RunConfig
from regularize.errors import UserError
from regularize.models.network import Network
from regularize.objective import BoundTerm
from regularize.regularizers import implementation


def network_of(
    runs: Sequence[RunConfig], batches: Batches, classes: int, device: torch.device
) -> tuple[Network, str]:
    """The networks of these runs as one, in evaluation mode, and by which kernels they are computed."""
    config, seeds = runs[0], [run.seed for run in runs]
    model = models.build(config.model, seeds, shape=batches.shape, classes=classes)
    model = model.to(device, batches.dtype).eval()
    twice = any(implementation(term.technique).differentiates_weights for term in config.terms)
    return model, _fuse(model, config.training.precision, device, twice)


def with_twins(state: Any, count: int) -> Any:
    """The state of a lone run, with a twin or without, for `count` of them."""
    if isinstance(state, Tensor) and state.ndim:
        return state[:1].expand(count, *state.shape[1:]).clone()
    if isinstance(state, dict):
        kept = {name: with_twins(value, count) for name, value in state.items() if name != "objective_sums"}
        if "objective_sums" in state:  # [ranks, R]
            kept["objective_sums"] = with_twins(state["objective_sums"].T, count).T.contiguous()
        return kept
    return [with_twins(value, count) for value in state] if isinstance(state, list) else state


def _fuse(model: Network, precision: str, device: torch.device, twice: bool) -> str:
    """Let the model's stages be computed by compiled kernels where they can be; the path's name.

    These are differentiated once, not `twice`.
    """
    if (precision, device.type) == ("bfloat16", "cpu"):
        warnings.warn("on a CPU, bfloat16 takes several times as long as float32", stacklevel=2)
    if (precision, device.type) != ("float32", "cpu"):
        return f"torch: {precision} on {device.type}"
    if twice:
        return "torch: a technique differentiates by the weights"
    path = fused.chosen()
    if path.kernels and not model.fuse(path.kernels):
        return "torch: no fused stages for this model"
    return path.name


def check_jacobians(config: RunConfig, model: Network, terms: Sequence[BoundTerm]) -> None:
    """An example's Jacobian is its own: refuse to take it through layers that mix a batch.

    Raises:
        UserError: names the technique and the first such layer.
    """
    for term, bound in zip(config.terms, terms, strict=True):
        if bound.hooks.differentiates_inputs and model.mixing_layers:
            raise UserError(
                f"{term.technique} needs logits that depend on one example alone, but layer "
                f"{model.mixing_layers[0]} of model {config.model} normalises over the batch; take another "
                "normalisation, such as GroupNorm"
            )

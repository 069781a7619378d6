"""A pack's networks as one: how they are built, which kernels compute them, a lone run's twin."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from regularize import convolution_forms, form_trial, fused, models, run_by_run
from regularize.batches import Batches
from regularize.config import RunConfig
from regularize.errors import UserError
from regularize.kernel_path import BY_VMAP, check_precision, filters, why_torch
from regularize.layers import RunLinear
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
    form = _form(model, config, batches, classes, device)
    twice = any(implementation(term.technique).differentiates_weights for term in config.terms)
    for layer in model.modules():
        if isinstance(layer, RunLinear):
            layer.twice = twice
    if twice and form is None and device.type == "cpu" and not run_by_run.ANY_NUMBER:
        model.convolve_by(convolution_forms.OF_EACH)
    path = _fuse(model, config, batches.shape[0], device) if form is None else form
    return model, path if len(runs) == 1 or models.packable(config.model) else path + BY_VMAP


def _form(
    model: Network, config: RunConfig, batches: Batches, classes: int, device: torch.device
) -> str | None:
    """Let the model convolve as is asked for, or is fastest on a GPU; the path's name, None: as ever."""
    wanted, precision = convolution_forms.asked(), config.training.precision
    if wanted is None and device.type != "cuda":
        return None
    if not model.convolve_by(wanted or convolution_forms.GROUPED):
        return None
    if wanted is None:

        def build(runs: int) -> Network:
            networks = models.build(config.model, range(runs), shape=batches.shape, classes=classes)
            return networks.to(device, batches.dtype)

        name = form_trial.chosen(config.model, build, precision, batches.shape)
        wanted = convolution_forms.FORMS[name]
        model.convolve_by(wanted)
    _check_precision(precision, device)
    return f"torch: {precision} on {device.type}, convolutions {wanted.name}"


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


def _fuse(model: Network, config: RunConfig, channels: int, device: torch.device) -> str:
    """Let the model's stages be computed by compiled kernels where they can be; the path's name."""
    precision = config.training.precision
    _check_precision(precision, device)
    if device.type != "cpu":
        return f"torch: {precision} on {device.type}"
    if why := why_torch(config, channels):
        return f"torch: {why}"
    path = fused.chosen(filters(config.model))
    if path.kernels:
        fits = model.fuse(path.kernels)
        assert fits, config.model
    return path.name


def _check_precision(precision: str, device: torch.device) -> None:
    """Warns of, or refuses, what a CPU has not."""
    check_precision(precision, device.type)
    if (precision, device.type) == ("bfloat16", "cpu"):
        warnings.warn("on a CPU, bfloat16 takes several times as long as float32", stacklevel=2)


_WRITING = ("start", "weight", "before_step", "after_step", "project", "evaluated", "differentiates_weights")


def check_weights(config: RunConfig, model: Network, terms: Sequence[BoundTerm]) -> None:
    """Weights that layers compute can be penalised and measured, not written to.

    Raises:
        UserError: names what would write to them, and the first of them.
    """
    if not model.computed_weights:
        return
    acts = {
        term.technique: any(getattr(bound.hooks, hook) for hook in _WRITING)
        for term, bound in zip(config.terms, terms, strict=True)
    }
    acts |= {"weight_decay": config.training.weight_decay > 0, "start": config.training.start == "orthogonal"}
    for name, acting in acts.items():
        if acting:
            raise UserError(
                f"{name} changes weights in place, but model {config.model} computes "
                f"{model.computed_weights[0]} from other parameters (weight_norm, spectral_norm, pruning); "
                "take a plain layer, or a technique that adds a penalty to the loss, such as l2"
            )


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


def check_ranks(config: RunConfig, model: Network, shape: tuple[int, ...], world: int) -> None:
    """A run is what one rank trains, unless it is one of so many: `RunConfig.ranks`.

    Raises:
        UserError: this number of ranks would train something else.
    """
    bound = model.bound_to_ranks(shape) if world > 1 else ""
    if config.ranks > 1 and world != config.ranks:
        raise UserError(
            f"this run of model {config.model} is one of {config.ranks} ranks, and there are {world}: "
            "another number trains another network"
        )
    if bound and config.ranks == 1:
        raise UserError(f"{world} ranks do not train model {config.model} as one does: {bound}")

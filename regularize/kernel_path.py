"""Which kernels compute runs on a CPU, told from their configuration: one rule for planning and for training.

Free of torch.
"""

from __future__ import annotations

from contextlib import suppress

from regularize import convolution_setting, fused, models
from regularize.config import RunConfig, Term
from regularize.errors import UserError
from regularize.fused.reach import USUAL, Filters, reaches
from regularize.models.variant import Variant
from regularize.regularizers import technique


def expected(config: RunConfig, channels: int) -> str:
    """What the results of such a run on images of so many channels will have as `kernels`, trained here.

    Raises:
        UserError: a setting is none.
    """
    why = why_torch(config, channels)
    return f"torch: {why}" if why else fused.expected(filters(config.model))


def why_torch(config: RunConfig, channels: int) -> str:
    """Why a run has torch's layers wherever it trains on a CPU; empty where the fused stages fit it."""
    precision, form = config.training.precision, convolution_setting.named()
    if form != "auto" and _convolves(config.model):
        return f"{precision} on cpu, convolutions {form}"
    if precision != "float32":
        return f"{precision} on cpu"
    if any(map(_differentiates_weights, config.terms)):
        return "a technique differentiates by the weights"  # and stages are differentiated once
    return "" if _reached(config.model, channels) else "no fused stages for this model"


def filters(model: str) -> Filters:
    """Of a LeNet's two stages."""
    first, second = map(Variant.read(model).scaled, USUAL)
    return first, second


def is_lenet(model: str) -> bool:
    return model.partition(" ")[0] in models.LENETS


def _convolves(model: str) -> bool:
    return models.packable(model) and Variant.read(model).row.module in ("lenet", "resnet")


def _reached(model: str, channels: int) -> bool:
    if not is_lenet(model):
        return False
    variant = Variant.read(model)
    return bool(variant.row.fused) and reaches(variant.width, channels)


def _differentiates_weights(term: Term) -> bool:
    """Only techniques of one's own do."""
    with suppress(UserError):  # it is not to be had here
        hooks = technique(term.technique).hooks
        return hooks is not None and bool(hooks.differentiates_weights)
    return False

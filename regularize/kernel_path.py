"""Which kernels compute runs on a CPU, told from their configuration: one rule for planning and for training.

Free of torch.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress

from regularize import convolution_setting, draw_setting, fused, graph_setting, models
from regularize.config import RunConfig, Term
from regularize.errors import UserError
from regularize.fused.reach import IMAGE_CHANNELS, USUAL, Filters, reaches
from regularize.models.variant import Variant
from regularize.regularizers import technique

BY_VMAP = ", side by side by torch.func.vmap"
"""Of a pack of several modules of one's own."""


def expected(
    config: RunConfig, channels: int, runs: int = 1, say: Callable[[str], None] = lambda _: None
) -> str:
    """What the results of such a run on images of so many channels will have as `kernels`, trained here.

    Args:
        runs: in its pack.
        say: what is told before something is compiled, see `fused.expected`.

    Raises:
        UserError: a setting is none, or a CPU has no such precision.
    """
    check_precision(config.training.precision, "cpu")
    why = why_torch(config, channels)
    path = f"torch: {why}" if why else fused.expected(filters(config.model), say)
    beside = runs > 1 and not models.packable(config.model)
    return draw_setting.named(path + BY_VMAP * beside, "cpu")


def check_environment() -> None:
    """Check what the environment says of the way to train, for any device and processor.

    Raises:
        UserError: a setting is none.
    """
    convolution_setting.named()
    draw_setting.generator_on("cpu")
    graph_setting.off()
    fused.check_environment()


def check_precision(precision: str, device: str) -> None:
    """
    Raises:
        UserError: this type of device has no such precision.
    """
    if (precision, device) == ("tf32", "cpu"):
        raise UserError("precision is tf32, which only GPUs have, and this trains on a CPU; take float32")


def why_torch(config: RunConfig, channels: int) -> str:
    """Why a run has torch's layers wherever it trains on a CPU; empty where the fused stages fit it."""
    precision, form = config.training.precision, convolution_setting.named()
    if form != "auto" and _convolves(config.model):
        return f"{precision} on cpu, convolutions {form}"
    if precision != "float32":
        return f"{precision} on cpu"
    if any(map(_differentiates_weights, config.terms)):
        return "a technique differentiates by the weights"  # and stages are differentiated once
    if not _reached(config.model, channels):
        return "no fused stages for this model"
    return f"{fused.SETTING} says so" if fused.switched_off() else ""


def filters(model: str) -> Filters:
    """Of a LeNet's two stages."""
    first, second = map(Variant.read(model).scaled, USUAL)
    return first, second


def may_be_fused(model: str) -> bool:
    """Whether there are fused stages for it, on some images."""
    return any(_reached(model, channels) for channels in IMAGE_CHANNELS)


def _convolves(model: str) -> bool:
    return models.packable(model) and Variant.read(model).row.module in ("lenet", "resnet")


def _reached(model: str, channels: int) -> bool:
    if model.partition(" ")[0] not in models.LENETS:
        return False
    variant = Variant.read(model)
    return bool(variant.row.fused) and reaches(variant.width, channels)


def _differentiates_weights(term: Term) -> bool:
    """Only techniques of one's own do."""
    with suppress(UserError):  # it is not to be had here
        hooks = technique(term.technique).hooks
        return hooks is not None and bool(hooks.differentiates_weights)
    return False

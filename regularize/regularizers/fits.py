"""What a technique's options need of a network, checked before it is built. Free of torch."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from regularize.errors import UserError, one_of

if TYPE_CHECKING:
    from regularize.models.outline import Outline


def has_layers(options: Mapping[str, Any], network: Outline) -> None:
    """Raises `UserError` where `layers` names one that is not hidden, or none can be dropped."""
    if not network.hidden_layers:
        raise UserError("dropout acts on hidden fully connected layers, and the model has none")
    for layer in network.hidden_layers if options["layers"] == "all" else options["layers"]:
        if layer in network.folded_layers:
            raise UserError(
                f"dropout cannot act on layer {layer!r} of the model, whose inputs have something else than "
                "examples (tokens?) on their first axis; name others in `layers`, or put examples first"
            )
        if layer not in network.hidden_layers:
            raise UserError(
                f"layers of dropout has {layer!r}, but must be hidden layers of the model; "
                f"{one_of(layer, network.hidden_layers)}"
            )


def has_convolutions(_options: Mapping[str, Any], network: Outline) -> None:
    """Raises `UserError` where there are no channels."""
    if not network.image_layers:
        raise UserError("spatial_dropout acts on what convolutions give, and the model has none")


def has_operators(options: Mapping[str, Any], network: Outline) -> None:
    """Raises `UserError` where convolutions are to be taken as operators and there are none."""
    if options["convolutions"] == "operator" and not network.image_layers:
        raise UserError("convolutions is 'operator', which changes nothing: the model has none")


def of_images(_options: Mapping[str, Any], network: Outline) -> None:
    """Raises `UserError` where examples are points."""
    if not network.of_images:
        raise UserError("augment, cutout and cutmix act on images, not on points")


def has_directions(options: Mapping[str, Any]) -> None:
    """Raises `UserError` where an estimator is chosen although nothing is estimated."""
    if options["projections"] == "exact" and options["estimator"] == "input":
        raise UserError("estimator of jacobian is 'input', which changes nothing: projections are 'exact'")


def has_form(options: Mapping[str, Any], network: Outline) -> None:
    """Raises `UserError` where `form` is of a square Jacobian and the network's is not."""
    if options["form"] == "signed" and network.outputs != network.inputs:
        raise UserError(
            f"form of jacobian_determinant is 'signed', but the Jacobian is {network.outputs}×"
            f"{network.inputs}, and only a square one has a determinant with a sign; take 'volume' or 'log'"
        )

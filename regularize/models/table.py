"""The table of models, a row each. Free of torch."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

Shape = tuple[int, ...]


def _lenet_images(shape: Shape, _classes: int) -> bool:
    return len(shape) == 3 and shape[1:] in ((28, 28), (32, 32))


def _square_images(shape: Shape, _classes: int) -> bool:
    return len(shape) == 3 and shape[1] == shape[2] >= 8


def _clusters(shape: Shape, classes: int) -> bool:
    return (shape, classes) == ((2,), 4)


@dataclass(frozen=True)
class Model:
    """One row of the table: what people call it, and the file in this folder that builds it.

    `fits` is whether it takes examples of a shape, (C, H, W) or (D,), and that many classes;
    `needs` says the same in words. `plane` ones map to the plane and read logits off there. `settings` are
    the fields of `variant.Variant` that it has; fully connected ones have so many `hidden` units a layer, and
    that `activation`, unless told otherwise.
    """

    label: str
    module: str
    needs: str = ""
    fits: Callable[[Shape, int], bool] = lambda _shape, _classes: True
    hidden_layers: tuple[str, ...] = ()
    image_layers: tuple[str, ...] = ()
    plane: bool = False
    settings: tuple[str, ...] = ()
    hidden: tuple[int, ...] = ()
    activation: str = ""
    work: float = 1.0
    """Of a step, times that of LeNet-5 on as many pixels, before anything was measured."""
    fused: str = ""
    """The activation of its stages where `regularize.fused` has such: relu or tanh behind maximum pools, or
    scaled_tanh before average pools."""
    parameters: int = 62_000
    """About so many, where `hidden` does not tell; LeNet-5 has 61,706 for 28×28 pixels."""


def _lenet(label: str, *, fused: str, work: float = 1.0) -> Model:
    return Model(
        label,
        "lenet",
        "images of 28×28 or 32×32",
        _lenet_images,
        hidden_layers=("fc1", "fc2"),
        image_layers=("conv1", "conv2"),
        settings=("width",),
        work=work,
        fused=fused,
    )


def _resnet(depth: int, work: float, parameters: int) -> Model:
    return Model(
        f"ResNet-{depth}, GroupNorm",
        "resnet",
        "square images of 8×8 or more",
        _square_images,
        hidden_layers=("pool",),
        image_layers=tuple(f"conv{number}" for number in range(1, depth)),
        settings=("width",),
        work=work,
        parameters=parameters,
    )


_OF_MLP = ("hidden", "activation", "std", "width")

MODELS: dict[str, Model] = {
    "lenet5": _lenet("LeNet-5", fused="relu"),
    "lenet5_tanh": _lenet("LeNet-5, tanh form of 1998", fused="scaled_tanh", work=1.2),
    "lenet_prime": _lenet("LeNet′ of Hoffman et al.", fused="tanh"),
    "resnet8": _resnet(8, 9, 75_000),
    "resnet20": _resnet(20, 23, 270_000),
    "mlp": Model("MLP 256–128", "mlp", settings=_OF_MLP, hidden=(256, 128), activation="relu"),
    "toy_mlp": Model("MLP 16–16, tanh", "mlp", settings=_OF_MLP, hidden=(16, 16), activation="tanh"),
    "toy_plane": Model(
        "MLP 16–16–2, tanh",
        "mlp",
        "points in the plane, 4 classes",
        _clusters,
        plane=True,
        settings=_OF_MLP,
        hidden=(16, 16),
        activation="tanh",
    ),
    "toy_rnn": Model(
        "Elman 16–2", "recurrent", "points in the plane, 4 classes", _clusters, ("recurrent",), plane=True
    ),
}

LENETS = tuple(name for name, model in MODELS.items() if model.module == "lenet")

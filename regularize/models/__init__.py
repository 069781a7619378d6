"""The table of models, and how to build them. Free of torch until one is built.

Adding one: a file in this folder with a `build` like the one below, and a row here. A module of
one's own needs neither: its name in a sweep is `package.module:function` (see `foreign.py`).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING

from regularize.errors import UserError, unknown
from regularize.models.outline import Outline
from regularize.named_objects import is_named

if TYPE_CHECKING:
    from regularize.models.network import Network

Shape = tuple[int, ...]


def _lenet_images(shape: Shape, _classes: int) -> bool:
    return len(shape) == 3 and shape[1:] in ((28, 28), (32, 32))


def _clusters(shape: Shape, classes: int) -> bool:
    return (shape, classes) == ((2,), 4)


@dataclass(frozen=True)
class Model:
    """One row of the table: what people call it, and the file in this folder that builds it.

    `fits` is whether it takes examples of a shape, (C, H, W) or (D,), and that many classes;
    `needs` says the same in words. `plane` ones map to the plane and read logits off there.
    """

    label: str
    module: str
    needs: str = ""
    fits: Callable[[Shape, int], bool] = lambda _shape, _classes: True
    hidden_layers: tuple[str, ...] = ("fc1", "fc2")
    image_layers: tuple[str, ...] = ()
    plane: bool = False


_CONVOLUTIONS = ("conv1", "conv2")

MODELS: dict[str, Model] = {
    "lenet5": Model(
        "LeNet-5", "lenet", "images of 28×28 or 32×32", _lenet_images, image_layers=_CONVOLUTIONS
    ),
    "lenet5_tanh": Model(
        "LeNet-5, tanh form of 1998",
        "lenet",
        "images of 28×28 or 32×32",
        _lenet_images,
        image_layers=_CONVOLUTIONS,
    ),
    "lenet_prime": Model(
        "LeNet′ of Hoffman et al.",
        "lenet",
        "images of 28×28 or 32×32",
        _lenet_images,
        image_layers=_CONVOLUTIONS,
    ),
    "mlp": Model("MLP 256–128", "mlp"),
    "toy_mlp": Model("MLP 16–16, tanh", "mlp"),
    "toy_plane": Model("MLP 16–16–2, tanh", "mlp", "points in the plane, 4 classes", _clusters, plane=True),
    "toy_rnn": Model(
        "Elman 16–2", "recurrent", "points in the plane, 4 classes", _clusters, ("recurrent",), plane=True
    ),
}


LENETS = tuple(name for name, model in MODELS.items() if model.module == "lenet")


def packable(name: str) -> bool:
    """Whether the model has the run axis, so that several runs can train side by side."""
    return name in MODELS


def check_name(name: str) -> None:
    """Check that `name` can be a model: one of the table, or `module:function`. Imports nothing.

    Raises:
        UserError: it is neither.
    """
    if name not in MODELS and not is_named(name):
        raise UserError(unknown("model", name, MODELS) + "; or your own as module:function")


def check_fit(name: str, shape: Shape, classes: int) -> None:
    """Check that a model takes examples of this shape and so many classes.

    Raises:
        UserError: it does not. What a module of one's own takes is not known here.
    """
    if packable(name) and not MODELS[name].fits(shape, classes):
        size = "×".join(map(str, shape))
        raise UserError(f"model {name} takes {MODELS[name].needs}, not examples of {size}, {classes} classes")


def outline(name: str, shape: Shape, classes: int) -> Outline:
    """Of a model of the table, before it is built for examples that it takes."""
    model = MODELS[name]
    outputs = 2 if model.plane else classes
    return Outline(
        hidden_layers=model.hidden_layers,
        outputs=outputs,
        inputs=math.prod(shape),
        image_layers=model.image_layers,
        of_images=len(shape) == 3,
    )


def build(name: str, seeds: Sequence[int], *, shape: Shape, classes: int) -> Network:
    """One network per seed, initialised from it: a run starts the same in every pack.

    `shape` is that of one example, (C, H, W) or (D,).

    Raises:
        UserError: the model does not take such examples, or a module of one's own cannot be built.
    """
    check_fit(name, shape, classes)
    module = import_module(f"regularize.models.{MODELS[name].module if packable(name) else 'foreign'}")
    network: Network = module.build(name, seeds, shape, classes)
    return network

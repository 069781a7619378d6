"""Models (`table.py`), and how to build them. Free of torch until one is built.

Adding one: a file in this folder with a `build` like those there, and a row of the table. A module of
one's own needs neither: its name in a sweep is `package.module:function` (see `foreign.py`).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cache
from importlib import import_module
from typing import TYPE_CHECKING

from regularize.errors import UserError, unknown
from regularize.models.outline import Outline
from regularize.models.table import LENETS, MODELS, Shape
from regularize.models.variant import Variant
from regularize.named_objects import is_named

if TYPE_CHECKING:
    from regularize.models.network import Network

__all__ = ["LENETS", "MODELS", "Shape", "build", "check_fit", "check_name", "outline", "packable"]


def packable(name: str) -> bool:
    """Whether the model has the run axis, so that several runs can train side by side."""
    return name.partition(" ")[0] in MODELS


@cache
def check_name(name: str) -> None:
    """Check that `name` can be a model: one of the table, or `module:function`. Imports nothing.

    One of the table may have settings of its own behind its name, see `Variant.text`.

    Raises:
        UserError: it is neither, or has settings that are not valid, or not as runs have them.
    """
    if packable(name):
        if (text := Variant.read(name).text) != name:
            raise UserError(f"model {name!r} must be written {text!r}")
    elif not is_named(name):
        raise UserError(unknown("model", name, MODELS) + "; or your own as module:function")


def check_fit(name: str, shape: Shape, classes: int) -> None:
    """Check that a model takes examples of this shape and so many classes.

    Raises:
        UserError: it does not. What a module of one's own takes is not known here.
    """
    if packable(name) and not (row := Variant.read(name).row).fits(shape, classes):
        size = "×".join(map(str, shape))
        raise UserError(f"model {name} takes {row.needs}, not examples of {size}, {classes} classes")


def outline(name: str, shape: Shape, classes: int) -> Outline:
    """Of a model of the table, before it is built for examples that it takes."""
    variant = Variant.read(name)
    row = variant.row
    linear = tuple(f"fc{number}" for number, _ in enumerate(variant.units, 1))
    return Outline(
        hidden_layers=row.hidden_layers or linear,
        outputs=2 if row.plane else classes,
        inputs=math.prod(shape),
        image_layers=row.image_layers,
        of_images=len(shape) == 3,
    )


def build(name: str, seeds: Sequence[int], *, shape: Shape, classes: int) -> Network:
    """One network per seed, initialised from it: a run starts the same in every pack.

    `shape` is that of one example, (C, H, W) or (D,).

    Raises:
        UserError: the model does not take such examples, or a module of one's own cannot be built.
    """
    check_fit(name, shape, classes)
    if not packable(name):
        from regularize.models import foreign

        return foreign.build(name, seeds, shape, classes)
    variant = Variant.read(name)
    module = import_module(f"regularize.models.{variant.row.module}")
    network: Network = module.build(variant, seeds, shape, classes)
    return network

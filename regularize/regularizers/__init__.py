"""Techniques: the project's own (`table.py`), and anyone's.

Adding one here: a file in this folder that ends in `HOOKS = Hooks(...)` (see `hooks.py`), and a row of the
table. One's own needs no more than a file anywhere that Python finds: a `Technique` with its `hooks`, which
a sweep names as `technique: package.module:NAME`. Free of torch until an implementation is asked for.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from regularize.errors import UserError, unknown
from regularize.interval import Interval
from regularize.named_objects import installed, is_named, resolve
from regularize.regularizers.parameters import Option, Strength, Technique
from regularize.regularizers.table import REGULARIZERS

if TYPE_CHECKING:
    from regularize.regularizers.hooks import Hooks

__all__ = [
    "REGULARIZERS",
    "Interval",
    "Option",
    "Strength",
    "Technique",
    "full_name",
    "implementation",
    "technique",
]


def full_name(name: str) -> str:
    """What a technique is called in runs: as in the table, or `package.module:NAME`. Imports nothing.

    Raises:
        UserError: it is neither, nor an entry point of something installed.
    """
    if name in REGULARIZERS or is_named(name):
        return name
    points = installed("technique")
    if name not in points:
        choices = unknown("regularizer", name, [*REGULARIZERS, *points])
        raise UserError(choices + ("; or your own as module:NAME" if ":" in name else ""))
    return points[name]


def technique(name: str) -> Technique:
    """The row of a technique; one's own is imported.

    Raises:
        UserError: there is none, or what is there cannot be imported, or is no `Technique` with hooks.
    """
    name = full_name(name)
    if name in REGULARIZERS:
        return REGULARIZERS[name]
    found = resolve("technique", name)
    if not isinstance(found, Technique) or found.hooks is None:
        raise UserError(f"technique {name} is {found!r}, but must be a Technique with hooks")
    return found


def implementation(name: str) -> Hooks:
    """The implementation of a technique (imports torch)."""
    row = technique(name)
    own = row.hooks is not None
    hooks: Hooks = row.hooks if own else import_module(f"regularize.regularizers.{row.module}").HOOKS
    return hooks

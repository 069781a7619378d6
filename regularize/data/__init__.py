"""Data sets: found, checked, decoded once, mapped into memory, split.

Importing this package costs no torch; `Dataset`, `load`, `Split`, `split` and `order` bring it
when they are first asked for.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from regularize.data.prepare import describe, prepared
from regularize.data.registry import data_root, known, names
from regularize.data.source import Facts, MissingDataError
from regularize.data.stage import staged

if TYPE_CHECKING:
    from regularize.data.dataset import Dataset, load
    from regularize.data.splits import Split, order, split

__all__ = [
    "Dataset",
    "Facts",
    "MissingDataError",
    "Split",
    "data_root",
    "describe",
    "known",
    "load",
    "names",
    "order",
    "prepared",
    "split",
    "staged",
]

_WITH_TORCH = {
    "Dataset": "dataset",
    "load": "dataset",
    "Split": "splits",
    "order": "splits",
    "split": "splits",
}


def __getattr__(name: str) -> Any:
    if name not in _WITH_TORCH:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_WITH_TORCH[name]}"), name)

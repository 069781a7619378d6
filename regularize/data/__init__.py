"""Data sets: found, checked, decoded once, mapped into memory, split.

Every name is brought when it is first asked for: importing this package costs neither numpy nor torch,
which only `Dataset`, `load`, `Split`, `split` and `order` need.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from regularize.data.dataset import Dataset, load
    from regularize.data.form import Form
    from regularize.data.prepare import content, describe, look, prepared
    from regularize.data.registry import check_known, data_root, known, names
    from regularize.data.source import Facts, MissingDataError
    from regularize.data.splits import Split, order, split
    from regularize.data.stage import staged

__all__ = [
    "Dataset",
    "Facts",
    "Form",
    "MissingDataError",
    "Split",
    "check_known",
    "content",
    "data_root",
    "describe",
    "known",
    "load",
    "look",
    "names",
    "order",
    "prepared",
    "split",
    "staged",
]

_HOMES = {
    "dataset": ("Dataset", "load"),
    "form": ("Form",),
    "prepare": ("content", "describe", "look", "prepared"),
    "registry": ("check_known", "data_root", "known", "names"),
    "source": ("Facts", "MissingDataError"),
    "splits": ("Split", "order", "split"),
    "stage": ("staged",),
}


def __getattr__(name: str) -> Any:
    for home, names in _HOMES.items():
        if name in names:
            return getattr(import_module(f"{__name__}.{home}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

"""The table of models, and how to build them. Free of torch until one is built.

Adding one: a file in this folder with a `build` like the one below, and a row here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from regularize.models.network import Network


@dataclass(frozen=True)
class Model:
    """One row of the table: what people call it, and the file in this folder that builds it."""

    label: str
    module: str


MODELS: dict[str, Model] = {
    "lenet5": Model("LeNet-5", "lenet"),
    "lenet5_tanh": Model("LeNet-5, tanh form of 1998", "lenet"),
    "lenet_prime": Model("LeNet′ of Hoffman et al.", "lenet"),
}


def build(name: str, seeds: Sequence[int], *, shape: tuple[int, ...], classes: int) -> Network:
    """One network per seed, initialised from it: a run starts the same in every pack.

    `shape` is that of one example, (C, H, W).
    """
    module = import_module(f"regularize.models.{MODELS[name].module}")
    network: Network = module.build(name, seeds, shape, classes)
    return network

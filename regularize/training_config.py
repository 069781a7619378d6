"""How a run is optimised: a part of what defines it. Free of torch."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from regularize.errors import one_of, require

OPTIMIZERS = ("sgd", "adam", "adamw")
SCHEDULES = ("constant", "step", "cosine")
PRECISIONS = ("float32", "float64", "bfloat16")


def _require_one_of(choices: Iterable[str], field_name: str, value: str) -> None:
    if value not in choices:
        require(False, field_name, value, one_of(value, choices))


@dataclass(frozen=True, kw_only=True)
class Training:
    """Optimisation: either `epochs` or `steps`; `lr` falls by `gamma` at the `milestones`.

    `milestones` are shares of the whole training in (0, 1). `weight_decay` is AdamW's decoupled
    decay; with the other optimizers, compare the technique `l2`. `precision` is the type of
    parameters and arithmetic; bfloat16 means float32 parameters under autocast.
    """

    epochs: int | None = None
    steps: int | None = None
    batch_size: int = 128
    optimizer: str = "sgd"
    lr: float = 0.01
    momentum: float = 0.9
    weight_decay: float = 0.0
    schedule: str = "constant"
    milestones: tuple[float, ...] = (1 / 3, 2 / 3)
    gamma: float = 0.1
    precision: str = "float32"

    def __post_init__(self) -> None:
        require(
            (self.epochs is None) != (self.steps is None),
            "epochs",
            self.epochs,
            "given, or else steps, not both",
        )
        for name in ("epochs", "steps", "batch_size"):
            value = getattr(self, name)
            require(value is None or value >= 1, name, value, "at least 1")
        for name in ("lr", "gamma"):
            require(getattr(self, name) > 0, name, getattr(self, name), "above 0")
        require(0 <= self.momentum < 1, "momentum", self.momentum, "in [0, 1)")
        require(
            all(0 < m < 1 for m in self.milestones),
            "milestones",
            list(self.milestones),
            "shares between 0 and 1",
        )
        for name, choices in (("optimizer", OPTIMIZERS), ("schedule", SCHEDULES), ("precision", PRECISIONS)):
            value = getattr(self, name)
            _require_one_of(choices, name, value)
        decay, valid = self.weight_decay, f"0 with {self.optimizer}: take the regularizer l2"
        require(decay >= 0, "weight_decay", decay, "at least 0")
        require(decay == 0 or self.optimizer == "adamw", "weight_decay", decay, valid)

"""How a run is optimised: a part of what defines it. Free of torch."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from regularize.errors import one_of, require
from regularize.interval import Interval

OPTIMIZERS = ("sgd", "adam", "adamw")
SCHEDULES = ("constant", "step", "cosine")
PRECISIONS = ("float32", "float64", "bfloat16", "tf32")
_COUNT = Interval(low=1, whole=True)
VALID: Mapping[str, Interval] = {
    "lr": Interval(above_low=True),
    "momentum": Interval(high=1, below_high=True),
    "weight_decay": Interval(),
    "batch_size": _COUNT,
    "epochs": _COUNT,
    "steps": _COUNT,
    "width": Interval(low=0.01, high=100),
}
"""What a sweep may choose for each technique, beside its strength, and from what; `width` is the model's."""
TUNABLE = tuple(VALID)
STARTS = ("default", "orthogonal")
APART = ("lr", "momentum", "weight_decay")
"""What may differ between runs that train side by side."""


def _require_one_of(choices: Iterable[str], field_name: str, value: str) -> None:
    if value not in choices:
        require(False, field_name, value, one_of(value, choices))


@dataclass(frozen=True, kw_only=True)
class Training:
    """Optimisation: either `epochs` or `steps`.

    What another optimizer or schedule has no use for is None, and refused where it is given: it would
    train the same run twice.
    """

    epochs: int | None = None
    """How often every training example is seen. Example: `epochs: 50`."""
    steps: int | None = None
    """Optimizer steps, in place of epochs; the last epoch may then be a part of one.
    Example: `steps: 6000`."""
    batch_size: int = 128
    """Examples of one step, of all ranks together. Example: `batch_size: 64`."""
    optimizer: str = "sgd"
    """Whose step is taken: SGD with momentum, Adam or AdamW. Example: `optimizer: adam, lr: 0.001`."""
    lr: float = 0.01
    """The learning rate that a schedule begins with. Example: `lr: 0.05`."""
    momentum: float | None = None
    """Of SGD, 0.9 unless given. Example: `momentum: 0`."""
    weight_decay: float = 0.0
    """AdamW's decoupled decay; with the other optimizers, compare the technique `l2`.
    Example: `optimizer: adamw, weight_decay: 0.01`."""
    schedule: str = "constant"
    """What the learning rate does: stay, fall by `gamma` at each of the `milestones`, or fall to 0 along half
    a cosine. Example: `schedule: cosine`."""
    milestones: tuple[float, ...] | None = None
    """Of `schedule: step`, in shares of the whole training: 1/3 and 2/3 unless given.
    Example: `schedule: step, milestones: [1/2, 3/4]`."""
    gamma: float | None = None
    """Of `schedule: step`, what the learning rate is multiplied with: 0.1 unless given.
    Example: `schedule: step, gamma: 0.2`."""
    precision: str = "float32"
    """The type of parameters and arithmetic. Two are for GPUs, of float32 parameters: `tf32`, where products
    round to ten binary places first, and `bfloat16`, autocast. Example: `precision: float64`."""
    start: str | None = None
    """How weights start: `default` as the model draws them, `orthogonal` with the orthogonal factor of that,
    whatever the technique. Unless given as the technique has it, which for all but `hard_svb` is the default.
    An entry may have its own. Example: `start: orthogonal`."""

    def __post_init__(self) -> None:
        require(
            (self.epochs is None) != (self.steps is None),
            "epochs",
            self.epochs,
            "given, or else steps, not both",
        )
        for name in ("epochs", "steps", "batch_size"):
            value = getattr(self, name)
            require(value is None or VALID[name].holds(value), name, value, "at least 1")
        require(VALID["lr"].holds(self.lr), "lr", self.lr, "above 0")
        for name, choices in (("optimizer", OPTIMIZERS), ("schedule", SCHEDULES), ("precision", PRECISIONS)):
            value = getattr(self, name)
            _require_one_of(choices, name, value)
        if self.start is not None:
            _require_one_of(STARTS, "start", self.start)
        self._of("momentum", 0.9, self.optimizer == "sgd", f"left out with {self.optimizer}: it is SGD's")
        for name, default in (("milestones", (1 / 3, 2 / 3)), ("gamma", 0.1)):
            unused = f"left out with schedule {self.schedule}: it is of `schedule: step`"
            self._of(name, default, self.schedule == "step", unused)
        momentum, milestones, gamma = self.momentum or 0, self.milestones or (), self.gamma
        require(VALID["momentum"].holds(momentum), "momentum", momentum, "in [0, 1)")
        require(gamma is None or gamma > 0, "gamma", gamma, "above 0")
        valid = "shares between 0 and 1"
        require(all(0 < m < 1 for m in milestones), "milestones", list(milestones), valid)
        decay, valid = self.weight_decay, f"0 with {self.optimizer}: take the regularizer l2"
        require(VALID["weight_decay"].holds(decay), "weight_decay", decay, "at least 0")
        require(decay == 0 or self.optimizer == "adamw", "weight_decay", decay, valid)

    def _of(self, name: str, default: object, used: bool, valid: str) -> None:
        """Fill in a default where it is used; elsewhere it must not be given."""
        value = getattr(self, name)
        shown = list(value) if isinstance(value, tuple) else value
        require(used or value is None, name, shown, valid)
        if used and value is None:
            object.__setattr__(self, name, default)

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values; a start that was not asked for is not mentioned."""
        return {name: value for name, value in vars(self).items() if name != "start" or value is not None}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Training:
        """The inverse of `vars`; an older configuration also has what its optimizer had no use for."""
        unused = set() if value["optimizer"] == "sgd" else {"momentum"}
        unused |= set() if value["schedule"] == "step" else {"milestones", "gamma"}
        used = {name: setting for name, setting in value.items() if name not in unused}
        if "milestones" in used:
            used["milestones"] = tuple(used["milestones"])
        return cls(**used)

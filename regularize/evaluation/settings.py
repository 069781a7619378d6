"""What a sweep may ask to be measured. Free of torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from regularize.errors import require

ATTACKS = ("noise", "fgsm", "pgd")


@dataclass(frozen=True, kw_only=True)
class Robustness:
    """Attacks on `examples` of the test split, each at several sizes in pixels of range [0, 1].

    `noise` has standard deviations of white noise, `fgsm` and `pgd` largest changes of a pixel. PGD
    takes `pgd_steps` steps of `pgd_step_size`, None for as many as the size needs (see
    `regularize.evaluation.robustness`). An attack without sizes is left out. The defaults cost as much
    as training a LeNet-5 on MNIST for three quarters of an epoch.
    """

    noise: tuple[float, ...] = (0.1, 0.2, 0.3)
    fgsm: tuple[float, ...] = (8 / 255, 16 / 255, 32 / 255)
    pgd: tuple[float, ...] = (8 / 255, 16 / 255, 32 / 255)
    pgd_steps: int | None = None
    pgd_step_size: float = 1 / 255
    examples: int = 500

    def __post_init__(self) -> None:
        for name in ATTACKS:
            sizes = getattr(self, name)
            require(all(0 < size <= 1 for size in sizes), name, list(sizes), "sizes above 0 and at most 1")
            require(len(set(sizes)) == len(sizes), name, list(sizes), "different sizes")
        steps, size = self.pgd_steps, self.pgd_step_size
        require(steps is None or steps >= 1, "pgd_steps", steps, "at least 1")
        require(0 < size <= 1, "pgd_step_size", size, "above 0 and at most 1")
        require(self.examples >= 1, "examples", self.examples, "at least 1")


@dataclass(frozen=True, kw_only=True)
class Evaluation:
    """What is measured, which never changes what is trained (and so no `run_id`).

    `every` is the number of epochs between rows of the metrics table, None for as many rows as cost
    little (see `regularize.schedule`); the last epoch always has one. Training loss and accuracy are
    measured on a fixed sample of `train_examples`, the Jacobian's norm on one of `jacobian_examples`
    of the test split (0: not measured), `robustness` if it is asked for. The weights are kept at so many
    `snapshots` from start to end, for films of a training.
    """

    every: int | None = None
    train_examples: int = 5000
    predictions: bool = True
    jacobian_examples: int = 1000
    robustness: Robustness | None = None
    snapshots: int = 0

    def __post_init__(self) -> None:
        require(self.every is None or self.every >= 1, "every", self.every, "at least 1")
        require(self.train_examples >= 1, "train_examples", self.train_examples, "at least 1")
        require(self.jacobian_examples >= 0, "jacobian_examples", self.jacobian_examples, "at least 0")
        require(
            self.snapshots == 0 or self.snapshots >= 2,
            "snapshots",
            self.snapshots,
            "0, or at least 2 (start and end)",
        )

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values, from which `from_json` builds an equal configuration."""
        return dict(vars(self)) | {"robustness": dict(vars(self.robustness)) if self.robustness else None}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Evaluation:
        """The inverse of `to_json`; what an older configuration lacks has its default."""
        attacks = value.get("robustness")
        if attacks is not None:
            sizes = {name: tuple(attacks[name]) for name in ATTACKS}
            attacks = Robustness(**dict(attacks) | sizes)
        return cls(**dict(value) | {"robustness": attacks})

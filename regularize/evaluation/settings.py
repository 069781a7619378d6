"""What a sweep may ask to be measured. Free of torch."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from regularize.errors import require

ATTACKS = ("noise", "fgsm", "pgd")
CHOICE, ALL = "choice", "all"
INTERNAL = {"internal": True}
"""Metadata of a field that no sweep sets."""
_STEPS = 10
_FURTHER = 1.25  # times the size is what the steps of PGD come to: enough for every corner of the cube


@dataclass(frozen=True, kw_only=True)
class Robustness:
    """Attacks on `examples` of the test split, each at several sizes in pixels of range [0, 1].

    An attack without sizes is left out. Ten steps of PGD that together go a quarter further than the size
    were on LeNets as strong as the 36 of Kurakin et al., whose rule is followed where only the step size
    is given (see `regularize.evaluation.robustness`).
    """

    noise: tuple[float, ...] = (0.1, 0.2, 0.3)
    """Standard deviations of white noise, in pixels of range [0, 1]; an empty list leaves an attack out.
    Example: `noise: [0.1, 0.3]`."""
    fgsm: tuple[float, ...] = (8 / 255, 16 / 255, 32 / 255)
    """Largest changes of a pixel by one step along the sign of the gradient. Example: `fgsm: [8/255]`."""
    pgd: tuple[float, ...] = (8 / 255, 16 / 255, 32 / 255)
    """Largest changes of a pixel by projected gradient descent. Example: `pgd: [4/255, 8/255]`."""
    pgd_steps: int | None = None
    """Steps of PGD: ten, or by the rule of Kurakin et al. where only `pgd_step_size` is given.
    Example: `pgd_steps: 40`."""
    pgd_step_size: float | None = None
    """How far a step of PGD goes, in pixels; unless given, all steps together go a quarter further than the
    size. Example: `pgd_step_size: 1/255`."""
    pgd_starts: int = 1
    """How often PGD starts: at the image itself, then at points drawn around it; an example has to withstand
    all. Example: `pgd_starts: 5`."""
    examples: int | None = None
    """How many test examples are attacked; as many as training leaves time for unless given, at least 80.
    Example: `examples: 500`."""

    def __post_init__(self) -> None:
        for name in ATTACKS:
            sizes = getattr(self, name)
            require(all(0 < size <= 1 for size in sizes), name, list(sizes), "sizes above 0 and at most 1")
            require(len(set(sizes)) == len(sizes), name, list(sizes), "different sizes")
        steps, size = self.pgd_steps, self.pgd_step_size
        require(steps is None or steps >= 1, "pgd_steps", steps, "at least 1")
        require(size is None or 0 < size <= 1, "pgd_step_size", size, "above 0 and at most 1")
        starts = self.pgd_starts
        require(starts >= 1, "pgd_starts", starts, "at least 1")
        require(bool(self.pgd) or starts == 1, "pgd_starts", starts, "left out without sizes of pgd")
        require(self.examples is None or self.examples >= 1, "examples", self.examples, "at least 1")

    def pgd_walk(self, size: float) -> tuple[int, float]:
        """How many steps PGD takes for changes up to `size`, and of how many pixels each."""
        if self.pgd_step_size is None:
            steps = self.pgd_steps or _STEPS
            return steps, _FURTHER * size / steps
        ratio = size / self.pgd_step_size
        kurakin = math.ceil(round(min(_FURTHER * ratio, ratio + 4), 6))
        return self.pgd_steps or kurakin, self.pgd_step_size

    @property
    def gradients(self) -> int:
        """How many an example takes: all attacks share the one at the image itself."""
        walks = sum(self.pgd_starts * self.pgd_walk(size)[0] - 1 for size in self.pgd)
        return bool(self.fgsm or self.pgd) + walks

    @property
    def forwards(self) -> int:
        """How often an example is classified: as it is, and once under each attack."""
        return 1 + len(self.noise) + len(self.fgsm) + self.pgd_starts * len(self.pgd)


@dataclass(frozen=True, kw_only=True)
class Corruptions:
    """Corrupted copies of the test split, as published: the same `examples` of each."""

    examples: int = 1000
    """How many test examples of each corruption and severity. Example: `examples: 5000`."""

    def __post_init__(self) -> None:
        require(self.examples >= 1, "examples", self.examples, "at least 1")


@dataclass(frozen=True, kw_only=True)
class Evaluation:
    """What is measured, which never changes what is trained (and so no `run_id`).

    None stands for as much as training leaves time for (see `regularize.evaluation.extent`).
    """

    every: int | None = None
    """Epochs between rows of the metrics table; the last step always has one. Up to 50 rows, and at least 20,
    unless given. Example: `every: 5`."""
    curve_examples: int | None = None
    """Examples of each split, at most, that a row of the metrics is measured on, the same at every row but
    the last, which is of all. Example: `curve_examples: 2000`."""
    train_examples: int = 5000
    """Examples of the training split, at most, that the last row and the final loss and accuracy are of.
    Example: `train_examples: 60000`."""
    predictions: bool = True
    """Whether the logits of all test examples are kept, which calibration figures need.
    Example: `predictions: false`."""
    jacobian_examples: int | None = None
    """Test examples that the norm of the Jacobian is measured on; 0: it is not measured.
    Example: `jacobian_examples: 1000`."""
    robustness: Robustness | None = None
    """Accuracy under attack; `true` for the defaults below. Example: `robustness: true`."""
    corruptions: Corruptions | None = None
    """Accuracy on the published corrupted copies of the test images; `true` for the defaults below.
    Example: `corruptions: true`."""
    snapshots: int = 0
    """How often weights are kept from start to end, for films of a training. Example: `snapshots: 41`."""
    operator_norms: bool = False
    """Whether singular values of convolutions as operators on images are measured, beside those of their
    kernels. Example: `operator_norms: true`."""
    tune: str = CHOICE
    """What runs on tune seeds are measured on: `choice`, only the validation part, by which strengths are
    chosen, so that nobody sees test scores before, or `all`, what the others are. Example: `tune: all`."""
    for_choice: bool = field(default=False, metadata=INTERNAL)
    """Of the evaluation of a run: that it is one on a tune seed and is measured for the choice alone."""

    def __post_init__(self) -> None:
        require(self.tune in (CHOICE, ALL), "tune", self.tune, f"{CHOICE} or {ALL}")
        require(self.every is None or self.every >= 1, "every", self.every, "at least 1")
        curves, jacobians = self.curve_examples, self.jacobian_examples
        require(curves is None or curves >= 1, "curve_examples", curves, "at least 1")
        require(self.train_examples >= 1, "train_examples", self.train_examples, "at least 1")
        require(jacobians is None or jacobians >= 0, "jacobian_examples", jacobians, "at least 0")
        require(
            self.snapshots == 0 or self.snapshots >= 2,
            "snapshots",
            self.snapshots,
            "0, or at least 2 (start and end)",
        )

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values, from which `from_json` builds an equal configuration."""
        value = dict(vars(self)) | {"robustness": dict(vars(self.robustness)) if self.robustness else None}
        del value["corruptions"], value["tune"], value["for_choice"]
        return (
            value
            | ({"corruptions": dict(vars(self.corruptions))} if self.corruptions else {})
            | ({"for_choice": True} if self.for_choice else {})
        )

    def of_phase(self, phase: str) -> Evaluation:
        """What a run of that phase, tune or report, is measured by."""
        if phase != "tune" or self.tune == ALL:
            return replace(self, tune=CHOICE)
        return Evaluation(
            every=self.every,
            curve_examples=self.curve_examples,
            predictions=False,
            jacobian_examples=0,
            for_choice=True,
        )

    @property
    def text(self) -> str:
        """As statuses and tables have it: one line of JSON, the same for equal settings."""
        return json.dumps(self.to_json(), sort_keys=True, separators=(",", ":"))

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Evaluation:
        """The inverse of `to_json`; what an older configuration lacks has its default."""
        attacks = value.get("robustness")
        if attacks is not None:
            sizes = {name: tuple(attacks[name]) for name in ATTACKS}
            attacks = Robustness(**dict(attacks) | sizes)
        corruptions = Corruptions(**value["corruptions"]) if value.get("corruptions") else None
        return cls(**dict(value) | {"robustness": attacks, "corruptions": corruptions})

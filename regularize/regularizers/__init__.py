"""The table of regularization techniques, and how to reach their implementations.

Adding one: a file in this folder that ends in `HOOKS = Hooks(...)` (see `hooks.py`), and a row here.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from regularize.regularizers.parameters import Option, Strength, Technique

if TYPE_CHECKING:
    from regularize.regularizers.hooks import Hooks

REGULARIZERS: dict[str, Technique] = {
    "none": Technique("None", "none"),
    "l1": Technique("L1", "l1", {"strength": Strength(meaning="λ of λ Σ|w|")}),
    "l2": Technique("L2", "l2", {"strength": Strength(meaning="λ of (λ/2) Σ w²")}),
    "hard_svb": Technique(
        "Hard SVB",
        "hard_svb",
        {"epsilon": Strength(meaning="singular values are kept in [1/(1+ε), 1+ε]")},
        {"every": Option(meaning="steps between projections", default=100, integers=True)},
    ),
    "jacobian": Technique(
        "Jacobian",
        "jacobian",
        {"strength": Strength(meaning="λ of (λ/2) mean ‖∂z/∂x‖²")},
        {"projections": Option(meaning="random directions", default=1, integers=True, words=("exact",))},
    ),
    "dropout": Technique(
        "Dropout",
        "dropout",
        {"p": Strength(meaning="probability of dropping a unit", high=1.0, below_high=True)},
    ),
    "label_smoothing": Technique(
        "Label smoothing",
        "label_smoothing",
        {"epsilon": Strength(meaning="weight of the uniform distribution", high=1.0)},
    ),
    "input_noise": Technique(
        "Input noise", "input_noise", {"sigma": Strength(meaning="σ, in pixels of range [0, 1]")}
    ),
    "weight_noise": Technique(
        "Weight noise", "weight_noise", {"sigma": Strength(meaning="σ of every weight")}
    ),
}


def implementation(technique: str) -> Hooks:
    """The implementation of a technique (imports torch)."""
    module = import_module(f"regularize.regularizers.{REGULARIZERS[technique].module}")
    found: Hooks = module.HOOKS
    return found

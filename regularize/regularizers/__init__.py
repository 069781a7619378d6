"""The table of regularization techniques, and how to reach their implementations.

Adding one: a file in this folder that ends in `HOOKS = Hooks(...)` (see `hooks.py`), and a row here.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from regularize.regularizers.fits import has_directions, has_form, has_layers
from regularize.regularizers.parameters import Interval, Option, Strength, Technique

if TYPE_CHECKING:
    from regularize.regularizers.hooks import Hooks

_DISTRIBUTION = Option(
    meaning="of the noise, with standard deviation σ", default="normal", words=("normal", "uniform")
)

REGULARIZERS: dict[str, Technique] = {
    "none": Technique("None", "none"),
    "l1": Technique("L1", "l1", {"strength": Strength(meaning="λ of λ Σ|w|")}),
    "l2": Technique("L2", "l2", {"strength": Strength(meaning="λ of (λ/2) Σ w²")}),
    "elastic_net": Technique(
        "Elastic net",
        "elastic_net",
        {"l1": Strength(meaning="λ₁ of λ₁ Σ|w|"), "l2": Strength(meaning="λ₂ of (λ₂/2) Σ w²")},
    ),
    "soft_svb": Technique("Soft SVB", "soft_svb", {"strength": Strength(meaning="λ of (λ/2) Σ ‖WᵀW − I‖²")}),
    "hard_svb": Technique(
        "Hard SVB",
        "hard_svb",
        {"epsilon": Strength(meaning="singular values are kept in [1/(1+ε), 1+ε]", weaker="larger")},
        {"every": Option(meaning="steps between projections", default=100, integers=True)},
    ),
    "jacobian": Technique(
        "Jacobian",
        "jacobian",
        {"strength": Strength(meaning="λ of (λ/2) mean ‖∂z/∂x‖²")},
        {
            "projections": Option(meaning="random directions", default=1, integers=True, words=("exact",)),
            "estimator": Option(
                meaning="where directions are random", default="output", words=("output", "input")
            ),
        },
        check_options=has_directions,
    ),
    "jacobian_determinant": Technique(
        "Jacobian determinant",
        "jacobian_determinant",
        {"strength": Strength(meaning="λ of λ mean (½ log det JJᵀ)², or of the other forms")},
        {
            "form": Option(
                meaning="(½ log det JJᵀ)², (√det JJᵀ − 1)², or (det J − 1)²",
                default="log",
                words=("log", "volume", "signed"),
            )
        },
        has_form,
    ),
    "dropout": Technique(
        "Dropout",
        "dropout",
        {"p": Strength(meaning="probability of dropping a unit", high=0.999)},
        {"layers": Option(meaning="hidden layers it acts on", default="all", words=("all",), names=True)},
        has_layers,
    ),
    "confidence_penalty": Technique(
        "Confidence penalty",
        "confidence_penalty",
        {"beta": Strength(meaning="β of −β H(p)")},
        {
            "threshold": Option(
                meaning="Γ in nats: penalise β max(0, Γ − H(p)) instead",
                default="none",
                words=("none",),
                numbers=Interval(above_low=True),
            )
        },
    ),
    "label_smoothing": Technique(
        "Label smoothing",
        "label_smoothing",
        {"epsilon": Strength(meaning="weight of the uniform distribution", high=1.0)},
    ),
    "input_noise": Technique(
        "Input noise",
        "input_noise",
        {"sigma": Strength(meaning="σ of every input")},
        {
            "units": Option(
                meaning="of σ: pixels of range [0, 1], or normalised inputs",
                default="pixel",
                words=("pixel", "normalised"),
            ),
            "distribution": _DISTRIBUTION,
        },
    ),
    "weight_noise": Technique(
        "Weight noise",
        "weight_noise",
        {"sigma": Strength(meaning="σ of every weight")},
        {
            "units": Option(
                meaning="of σ: the weights' own, or the root mean square of each layer's",
                default="absolute",
                words=("absolute", "relative"),
            ),
            "distribution": _DISTRIBUTION,
        },
    ),
}


def implementation(technique: str) -> Hooks:
    """The implementation of a technique (imports torch)."""
    module = import_module(f"regularize.regularizers.{REGULARIZERS[technique].module}")
    found: Hooks = module.HOOKS
    return found

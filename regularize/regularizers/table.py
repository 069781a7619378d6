"""The table of regularization techniques, family by family: a row each, its file beside this one."""

from __future__ import annotations

from regularize.regularizers.fits import has_directions, has_form, has_layers
from regularize.regularizers.parameters import Interval, Option, Strength, Technique

_WEIGHTS, _SPECTRA, _JACOBIAN = "weight penalty", "singular values", "Jacobian"
_NOISE, _OUTPUT = "noise", "output"

_DISTRIBUTION = Option(
    meaning="of the noise, with standard deviation σ", default="normal", words=("normal", "uniform")
)

REGULARIZERS: dict[str, Technique] = {
    "none": Technique("None", "none", family="baseline", cost=0.0),
    "l1": Technique("L1", "l1", {"strength": Strength(meaning="λ of λ Σ|w|")}, family=_WEIGHTS, symbol="λ"),
    "l2": Technique(
        "L2", "l2", {"strength": Strength(meaning="λ of (λ/2) Σ w²")}, family=_WEIGHTS, symbol="λ"
    ),
    "elastic_net": Technique(
        "Elastic net",
        "elastic_net",
        {"l1": Strength(meaning="λ₁ of λ₁ Σ|w|"), "l2": Strength(meaning="λ₂ of (λ₂/2) Σ w²")},
        family=_WEIGHTS,
    ),
    "soft_svb": Technique(
        "Soft SVB",
        "soft_svb",
        {"strength": Strength(meaning="λ of (λ/2) Σ ‖WᵀW − I‖²")},
        family=_SPECTRA,
        symbol="λ",
        cost=0.13,
    ),
    "hard_svb": Technique(
        "Hard SVB",
        "hard_svb",
        {"epsilon": Strength(meaning="singular values are kept in [1/(1+ε), 1+ε]", weaker="larger")},
        {"every": Option(meaning="steps between projections", default=100, integers=True)},
        family=_SPECTRA,
        symbol="ε",
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
        family=_JACOBIAN,
        symbol="λ",
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
        family=_JACOBIAN,
        symbol="λ",
    ),
    "dropout": Technique(
        "Dropout",
        "dropout",
        {"p": Strength(meaning="probability of dropping a unit", high=0.999)},
        {"layers": Option(meaning="hidden layers it acts on", default="all", words=("all",), names=True)},
        has_layers,
        family=_NOISE,
        symbol="p",
        cost=0.03,
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
        family=_NOISE,
        symbol="σ",
        cost=0.11,
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
        family=_NOISE,
        symbol="σ",
        cost=0.06,
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
        family=_OUTPUT,
        symbol="β",
        cost=0.04,
    ),
    "label_smoothing": Technique(
        "Label smoothing",
        "label_smoothing",
        {"epsilon": Strength(meaning="weight of the uniform distribution", high=1.0)},
        family=_OUTPUT,
        symbol="ε",
        cost=0.05,
    ),
}

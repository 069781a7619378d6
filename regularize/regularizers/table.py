"""The table of regularization techniques, family by family: a row each, its file beside this one."""

from __future__ import annotations

from regularize.interval import Interval
from regularize.regularizers.fits import (
    has_convolutions,
    has_directions,
    has_form,
    has_layers,
    has_operators,
    of_images,
)
from regularize.regularizers.parameters import Option, Strength, Technique

_WEIGHTS, _SPECTRA, _JACOBIAN = "weight penalty", "singular values", "Jacobian"
_NOISE, _OUTPUT, _DATA, _OPTIMISATION = "noise", "output", "data", "optimisation"

_DISTRIBUTION = Option(
    meaning="of the noise, with standard deviation σ", default="normal", words=("normal", "uniform")
)
_CONVOLUTIONS = {
    "convolutions": Option(
        meaning="whose σ is taken: that of the kernel as a matrix, or of what it does to images",
        default="kernel",
        words=("kernel", "operator"),
    )
}

REGULARIZERS: dict[str, Technique] = {
    "none": Technique("None", "none", family="baseline", cost=0.0),
    "l1": Technique(
        "L1", "l1", {"strength": Strength(meaning="λ of λ Σ|w|")}, family=_WEIGHTS, symbol="λ", cost=0.14
    ),
    "l2": Technique(
        "L2", "l2", {"strength": Strength(meaning="λ of (λ/2) Σ w²")}, family=_WEIGHTS, symbol="λ", cost=0.13
    ),
    "elastic_net": Technique(
        "Elastic net",
        "elastic_net",
        {"l1": Strength(meaning="λ₁ of λ₁ Σ|w|"), "l2": Strength(meaning="λ₂ of (λ₂/2) Σ w²")},
        family=_WEIGHTS,
        cost=0.23,
    ),
    "max_norm": Technique(
        "Max norm",
        "max_norm",
        {"limit": Strength(meaning="c, a unit's largest norm of weights", above_low=True, weaker="larger")},
        family=_WEIGHTS,
        symbol="c",
        cost=0.06,
    ),
    "weight_decay": Technique(
        "Weight decay",
        "weight_decay",
        {"strength": Strength(meaning="λ of w ← w − ηλw in every step of rate η")},
        family=_WEIGHTS,
        symbol="λ",
        cost=0.04,
    ),
    "soft_svb": Technique(
        "Soft SVB",
        "soft_svb",
        {"strength": Strength(meaning="λ of (λ/2) Σ ‖WᵀW − I‖²")},
        family=_SPECTRA,
        symbol="λ",
        cost=0.38,
    ),
    "hard_svb": Technique(
        "Hard SVB",
        "hard_svb",
        {"epsilon": Strength(meaning="singular values are kept in [1/(1+ε), 1+ε]", weaker="larger")},
        {"every": Option(meaning="steps between projections", default=100, integers=True)},
        family=_SPECTRA,
        symbol="ε",
        start="orthogonal",
    ),
    "spectral_penalty": Technique(
        "Spectral penalty",
        "spectral_penalty",
        {"strength": Strength(meaning="λ of (λ/2) Σ σ(W)²")},
        _CONVOLUTIONS,
        has_operators,
        family=_SPECTRA,
        symbol="λ",
        cost=0.22,
    ),
    "spectral_norm": Technique(
        "Spectral norm",
        "spectral_norm",
        {"bound": Strength(meaning="c of c·W/σ(W)", above_low=True, weaker="larger")},
        _CONVOLUTIONS,
        has_operators,
        family=_SPECTRA,
        symbol="c",
        cost=0.22,
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
    "gradient_penalty": Technique(
        "Gradient penalty",
        "gradient_penalty",
        {"strength": Strength(meaning="λ of (λ/2) mean ‖∂L/∂x‖²")},
        family=_JACOBIAN,
        symbol="λ",
        cost=1.47,
    ),
    "adversarial": Technique(
        "Adversarial",
        "adversarial",
        {"epsilon": Strength(meaning="ε, the largest change of a pixel of range [0, 1]", high=1.0)},
        {"steps": Option(meaning="of the attack; 1 is FGSM, more are PGD", default=1, integers=True)},
        family=_JACOBIAN,
        symbol="ε",
        cost=1.0,
    ),
    "dropout": Technique(
        "Dropout",
        "dropout",
        {"p": Strength(meaning="probability of dropping a unit", high=0.999)},
        {"layers": Option(meaning="hidden layers it acts on", default="all", words=("all",), names=True)},
        has_layers,
        family=_NOISE,
        symbol="p",
        cost=0.09,
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
        cost=0.18,
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
        cost=0.16,
    ),
    "spatial_dropout": Technique(
        "Spatial dropout",
        "spatial_dropout",
        {"p": Strength(meaning="probability of dropping a channel", high=0.999)},
        {},
        has_convolutions,
        family=_NOISE,
        symbol="p",
        cost=0.18,
    ),
    "input_dropout": Technique(
        "Input dropout",
        "input_dropout",
        {"p": Strength(meaning="probability of dropping an input", high=0.999)},
        family=_NOISE,
        symbol="p",
        cost=0.23,
    ),
    "dropconnect": Technique(
        "DropConnect",
        "dropconnect",
        {"p": Strength(meaning="probability of dropping a weight", high=0.999)},
        family=_NOISE,
        symbol="p",
        cost=0.2,
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
        cost=0.03,
    ),
    "logit_penalty": Technique(
        "Logit penalty",
        "logit_penalty",
        {"strength": Strength(meaning="λ of (λ/2) mean ‖z‖²")},
        family=_OUTPUT,
        symbol="λ",
        cost=0.15,
    ),
    "focal": Technique(
        "Focal loss",
        "focal",
        {"gamma": Strength(meaning="γ of (1 − p_y)^γ")},
        family=_OUTPUT,
        symbol="γ",
        cost=0.16,
    ),
    "mixup": Technique(
        "Mixup",
        "mixup",
        {"alpha": Strength(meaning="α of Beta(α, α), the shares' distribution")},
        family=_DATA,
        symbol="α",
        cost=0.14,
    ),
    "cutmix": Technique(
        "CutMix",
        "cutmix",
        {"p": Strength(meaning="probability of mixing a step's examples", high=1.0)},
        {},
        of_images,
        family=_DATA,
        symbol="p",
        cost=0.3,
    ),
    "cutout": Technique(
        "Cutout",
        "cutout",
        {"side": Strength(meaning="of the square, as a share of the image's", high=1.0)},
        {},
        of_images,
        family=_DATA,
        symbol="s",
        cost=0.17,
    ),
    "augment": Technique(
        "Augmentation",
        "augment",
        {"shift": Strength(meaning="largest shift in pixels, either way", whole=True)},
        {
            "flip": Option(meaning="half of the images", default="none", words=("none", "horizontal")),
            "rotation": Option(
                meaning="largest angle in degrees, either way", default=0.0, numbers=Interval(high=180.0)
            ),
        },
        of_images,
        family=_DATA,
        symbol="s",
        cost=0.29,
    ),
    "sam": Technique(
        "SAM",
        "sam",
        {"rho": Strength(meaning="ρ, how far up the gradient it is taken")},
        family=_OPTIMISATION,
        symbol="ρ",
        cost=1.07,
    ),
    "gradient_clipping": Technique(
        "Gradient clipping",
        "gradient_clipping",
        {"limit": Strength(meaning="c, a gradient's largest norm", above_low=True, weaker="larger")},
        family=_OPTIMISATION,
        symbol="c",
        cost=0.08,
    ),
    "ema": Technique(
        "EMA",
        "ema",
        {"decay": Strength(meaning="d of w̄ ← d·w̄ + (1 − d)·w", high=0.99999)},
        family=_OPTIMISATION,
        symbol="d",
        keeps=True,
        cost=0.05,
    ),
    "swa": Technique(
        "SWA",
        "swa",
        {"begin": Strength(meaning="share of the steps before weights count", high=1.0, weaker="larger")},
        {"every": Option(meaning="steps between weights", default="epoch", integers=True, words=("epoch",))},
        family=_OPTIMISATION,
        symbol="s",
        keeps=True,
        cost=0.05,
    ),
    "early_stopping": Technique(
        "Early stopping",
        "early_stopping",
        {"patience": Strength(meaning="looks without improvement", low=1.0, weaker="larger", whole=True)},
        {
            "every": Option(meaning="steps between looks", default="epoch", integers=True, words=("epoch",)),
            "measure": Option(meaning="of the validation part", default="loss", words=("loss", "accuracy")),
            "min_delta": Option(meaning="least improvement", default=0.0, numbers=Interval()),
        },
        family=_OPTIMISATION,
        symbol="k",
        keeps=True,
        cost=0.05,
    ),
}

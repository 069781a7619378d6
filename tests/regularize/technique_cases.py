"""What the contract of a technique (`regularize.testing`) is tried on: a row each, as small as can be.

A new technique needs a row here, and no other test one for it.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from regularize.config import Term
from regularize.testing import Case

_LENET = {"model": "lenet5", "data": "digits", "smooth": "lenet5_tanh", "per_class": 2}


def case(
    technique: str,
    name: str,
    weak: float,
    strong: float,
    zero: float | None = 0.0,
    options: dict[str, Any] | None = None,
    **settings: Any,
) -> Case:
    """Of one technique with a strength of this name."""
    weak_terms, strong_terms, zero_terms = (
        None if value is None else (Term.build(technique, {name: value, **(options or {})}),)
        for value in (weak, strong, zero)
    )
    assert weak_terms
    assert strong_terms
    return Case(weak=weak_terms, strong=strong_terms, zero=zero_terms, **settings)


# name → the case; a name is that of its technique, with more behind a hyphen
TABLE: dict[str, Case] = {
    "l1": case("l1", "strength", 1e-3, 1e-2),
    "l2": case("l2", "strength", 1e-2, 0.1),
    "elastic_net": replace(
        case("elastic_net", "l1", 1e-3, 1e-2, options={"l2": 1e-2}),
        zero=(Term.build("elastic_net", {"l1": 0.0, "l2": 0.0}),),
    ),
    "max_norm": case("max_norm", "limit", 0.8, 0.5, zero=None),
    "weight_decay": case("weight_decay", "strength", 0.1, 1.0),
    "weight_decay-adam": case(
        "weight_decay", "strength", 0.1, 1.0, training={"optimizer": "adam", "lr": 1e-2}, smooth=None
    ),
    "soft_svb": case("soft_svb", "strength", 1e-3, 1e-2),
    "hard_svb": case("hard_svb", "epsilon", 0.2, 0.01, zero=None, options={"every": 6}),
    "spectral_penalty": case("spectral_penalty", "strength", 1e-2, 0.1),
    "spectral_norm": case("spectral_norm", "bound", 1.5, 1.0, zero=None),
    "spectral_penalty-operator": case(
        "spectral_penalty", "strength", 1e-2, 0.1, options={"convolutions": "operator"}, **_LENET
    ),
    "spectral_norm-operator": case(
        "spectral_norm", "bound", 1.5, 1.0, zero=None, options={"convolutions": "operator"}, **_LENET
    ),
    "jacobian": case("jacobian", "strength", 0.01, 0.1),
    "jacobian_determinant": case("jacobian_determinant", "strength", 1e-3, 1e-2),
    "gradient_penalty": case("gradient_penalty", "strength", 0.01, 0.1),
    "gradient_penalty-twice": case(
        "gradient_penalty", "strength", 0.01, 0.1, model="toy_rnn", smooth="toy_rnn"
    ),
    "adversarial": case("adversarial", "epsilon", 0.05, 0.2, smooth=None),
    "adversarial-pgd": case(
        "adversarial", "epsilon", 0.02, 0.1, options={"steps": 3}, **_LENET | {"smooth": None}
    ),
    "dropout": case("dropout", "p", 0.2, 0.5),
    "input_noise": case("input_noise", "sigma", 0.1, 0.5),
    "weight_noise": case("weight_noise", "sigma", 0.01, 0.1),
    "spatial_dropout": case("spatial_dropout", "p", 0.2, 0.5, **_LENET),
    "input_dropout": case("input_dropout", "p", 0.2, 0.5),
    "dropconnect": case("dropconnect", "p", 0.2, 0.5),
    "confidence_penalty": case("confidence_penalty", "beta", 0.1, 0.5),
    "label_smoothing": case("label_smoothing", "epsilon", 0.1, 0.3),
    "logit_penalty": case("logit_penalty", "strength", 0.01, 0.1),
    "focal": case("focal", "gamma", 0.5, 2.0),
    "mixup": case("mixup", "alpha", 0.2, 1.0),
    "cutmix": case("cutmix", "p", 0.5, 1.0, **_LENET),
    "cutout": case("cutout", "side", 0.3, 0.6, **_LENET),
    "augment": case("augment", "shift", 1, 4, **_LENET),
    "augment-all": case(
        "augment", "shift", 1, 4, zero=None, options={"flip": "horizontal", "rotation": 20}, **_LENET
    ),
    "sam": case("sam", "rho", 0.05, 0.5),
    "gradient_clipping": case("gradient_clipping", "limit", 1.0, 0.3, zero=None),
    "ema": case("ema", "decay", 0.5, 0.9),
    "swa": case("swa", "begin", 0.6, 0.2, zero=1.0),
    "early_stopping": case(
        "early_stopping",
        "patience",
        5,
        1,
        zero=None,
        options={"every": 1},
        training={"lr": 1.0},
        **_LENET | {"smooth": None},
    ),
}


def together(*names: str, **settings: Any) -> Case:
    """The techniques of several rows at once."""
    rows = [TABLE[name] for name in names]
    weak, strong = (sum((getattr(row, level) for row in rows), ()) for level in ("weak", "strong"))
    return Case(weak=weak, strong=strong, **settings)


# Several at once: what each of them adds to a step meets what the others do.
TOGETHER: dict[str, Case] = {
    "data and optimisation": together(
        "augment", "mixup", "cutout", "adversarial", "sam", "gradient_clipping", "ema", "max_norm",
        **_LENET | {"smooth": None},
    ),
    "penalties": together(
        "gradient_penalty", "spectral_penalty", "jacobian", "spatial_dropout", "focal", "label_smoothing",
        "dropconnect", "early_stopping", **_LENET,
    ),
    "bounds": together("hard_svb", "swa", "cutmix", "input_dropout", "weight_decay", **_LENET),
}  # fmt: skip

# The new ones on LeNet-5 with its fused stages; those of `cases.py` have theirs there.
ON_LENET = {
    f"{name} on lenet5": replace(TABLE[name], **_LENET | {"smooth": None})
    for name in (
        "max_norm", "spectral_penalty", "spectral_norm", "gradient_penalty", "dropconnect", "focal", "mixup",
        "sam",
    )
}  # fmt: skip

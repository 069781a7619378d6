"""What the contract of a model (`regularize.testing`) is tried on: a row each, as small as can be.

A new model needs a row here, and no other test one for it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from regularize.config import RunConfig, Term, check_fit
from regularize.data.data_config import DataConfig
from regularize.data.registry import OFFICIAL
from regularize.data.source import Facts
from regularize.errors import UserError
from regularize.regularizers import REGULARIZERS
from regularize.testing import Case
from tests.regularize import technique_cases
from tests.regularize.cases import each, run, together

EXAMPLES = Path(__file__).parents[2] / "examples"
RESNET = "small_resnet:group_norm"

ALL = together(
    each("elastic_net", "l1", 1e-4, 1e-3, l2=1e-3),
    each("hard_svb", "epsilon", 0.2, 0.5, every=10),
    each("jacobian", "strength", 0.01, 0.03, projections=2),
    each("dropout", "p", 0.1, 0.2),
    each("label_smoothing", "epsilon", 0.05, 0.1),
    each("input_noise", "sigma", 0.05, 0.1),
    each("weight_noise", "sigma", 0.01, 0.02),
)
_DIGITS: Mapping[str, Any] = {"data": "digits"}
_SMALL: Mapping[str, Any] = {"data": "digits", "resize": 8}
_POINTS: Mapping[str, Any] = {"data": "clusters"}

# model → what it trains on
TABLE: dict[str, Mapping[str, Any]] = {
    "lenet5": _DIGITS,
    "lenet5_tanh": _DIGITS,
    "lenet_prime": _DIGITS,
    "resnet8": _SMALL,
    "resnet20": _SMALL,
    "mlp": _SMALL,
    "toy_mlp": _POINTS,
    "toy_plane": _POINTS,
    "toy_rnn": _POINTS,
}

# The contract's are narrow, so that they train in no time; `test_bitwise` has those of full width.
_NARROW = {"resnet8": "resnet8 width=0.25", "resnet20": "resnet20 width=0.25"}
# What takes as long as all others together. `resnet8` has all of it; LeNets have determinants in `cases`.
_DEAR = {
    "resnet20": {"jacobian", "jacobian_determinant", "gradient_penalty"},
    **{name: {"jacobian_determinant"} for name in ("lenet5", "lenet5_tanh", "lenet_prime")},
}


def not_composed() -> set[str]:
    """Only one technique may say which weights are evaluated: `swa` does."""
    return {name for name, row in REGULARIZERS.items() if row.keeps} - {"swa"}


def facts(model: str) -> Facts:
    """Of what it trains on."""
    settings = TABLE[model.partition(" ")[0]]
    form = DataConfig(name=settings["data"], resize=settings.get("resize")).form
    return OFFICIAL[settings["data"]].facts.formed(form)


def case(model: str) -> Case:
    """Several techniques at once."""
    weak, strong = (tuple(t for t in terms if t.technique not in _DEAR.get(model, ())) for terms in ALL)
    settings = {"smooth": None, "per_class": 2, "training": {"steps": 10}, **TABLE[model]}
    return Case(weak=weak, strong=strong, model=_NARROW.get(model, model), **settings)


def everything(model: str) -> Case:
    """Every technique that goes with the model, all at once, in a few steps."""
    known, left_out = facts(model), not_composed() | _DEAR.get(model, set())

    def fits(term: Term) -> bool:
        try:
            check_fit(model, (term,), known.shape, known.classes)
        except UserError:
            return False
        return term.technique not in left_out

    whole = technique_cases.together(*(name for name in technique_cases.TABLE if "-" not in name))
    weak, strong = (tuple(filter(fits, terms)) for terms in (whole.weak, whole.strong))
    return replace(case(model), weak=weak, strong=strong, per_class=1)


def resnet(*, steps: int, **training: object) -> list[RunConfig]:
    """The one run of a pack of the example's module; its folder has to be on Python's path."""
    return [run(ALL[0], 0, steps=steps, model=RESNET, **training)]

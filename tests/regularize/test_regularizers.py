"""What holds for every technique: its gradient, its zero, its options, one forward pass for all."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from regularize import models
from regularize.config import Term
from regularize.errors import UserError
from regularize.regularizers import REGULARIZERS, implementation
from regularize.store import PackPaths
from regularize.train_pack import train_pack
from tests.regularize.cases import (
    CASES,
    ELSEWHERE,
    PLANE,
    RECURRENT,
    objective,
    pack,
    parameter_gradients,
    run,
    trained,
)

# Relative weight noise counts the weights' mean square as a constant; the others act after the step.
NO_GRADIENT = ("none", "l1", "hard_svb", "relative_noise")


@pytest.mark.parametrize("case", [case for case in CASES if case not in NO_GRADIENT])
def test_gradients_agree_with_finite_differences(case):
    # LeNet-5 with tanh is smooth: no kinks to step over.
    smooth = {} if ELSEWHERE.get(case) in (PLANE, RECURRENT) else {"model": "lenet5_tanh"}
    module, loss, *_ = objective(pack(case, steps=1, **smooth), progress=0.6)
    # What a proximal step sees to is part of the objective, not of its gradient.
    module.terms = [replace(term, hooks=replace(term.hooks, proximal=None)) for term in module.terms]
    parameters = list(module.model.parameters())
    gradients = torch.autograd.grad(loss().sum(), parameters)
    source = torch.Generator().manual_seed(2)
    ways = [torch.randn(p.shape, generator=source, dtype=p.dtype) for p in parameters]
    expected = sum((g * w).flatten(1).sum(1) for g, w in zip(gradients, ways, strict=True))

    def moved(distance):
        with torch.no_grad():
            for p, way in zip(parameters, ways, strict=True):
                p += distance * way
        value = loss().detach()
        with torch.no_grad():
            for p, way in zip(parameters, ways, strict=True):
                p -= distance * way
        return value

    small = 1e-6
    measured = (moved(small) - moved(-small)) / (2 * small)
    torch.testing.assert_close(measured, expected, rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("case", [case for case in CASES if case not in ("none", "l1", "hard_svb")])
def test_every_penalty_and_noise_reaches_the_gradient(case):
    """The trap of a penalty that is computed, reported, and detached."""
    regularized = pack(case, steps=1)
    plain = [run((), config.seed, steps=1, **ELSEWHERE.get(case, {})) for config in regularized]
    found = []
    for runs in (regularized, plain):
        module, loss, *_ = objective(runs, progress=0.6)
        found.append(parameter_gradients(module, loss())[f"{module.model.weight_layers[0]}.weight"])
    ours, without = found
    assert not torch.allclose(ours[1], without[1], rtol=1e-4, atol=1e-9)


def test_techniques_together_share_one_forward_pass():
    module, loss, *_ = objective(pack("all_scheduled", steps=1), progress=0.6)
    passes = []
    module.model.register_forward_pre_hook(lambda *_: passes.append(1))
    loss()
    assert len(passes) == 1


ZERO = {
    "l1": ("l1", {"strength": 0}),
    "l2": ("l2", {"strength": 0}),
    "elastic_net": ("elastic_net", {"l1": 0, "l2": 0}),
    "soft_svb": ("soft_svb", {"strength": 0}),
    "jacobian": ("jacobian", {"strength": 0}),
    "jacobian_input": ("jacobian", {"strength": 0, "estimator": "input"}),
    "jacobian_exact": ("jacobian", {"strength": 0, "projections": "exact"}),
    "determinant_volume": ("jacobian_determinant", {"strength": 0, "form": "volume"}),
    "determinant_log": ("jacobian_determinant", {"strength": 0, "form": "log"}),
    "determinant_signed": ("jacobian_determinant", {"strength": 0, "form": "signed"}),
    "dropout": ("dropout", {"p": 0}),
    "confidence_penalty": ("confidence_penalty", {"beta": 0}),
    "confidence_hinge": ("confidence_penalty", {"beta": 0, "threshold": 2}),
    "label_smoothing": ("label_smoothing", {"epsilon": 0}),
    "input_noise": ("input_noise", {"sigma": 0}),
    "input_noise_uniform": ("input_noise", {"sigma": 0, "distribution": "uniform", "units": "normalised"}),
    "weight_noise": ("weight_noise", {"sigma": 0}),
    "weight_noise_relative": ("weight_noise", {"sigma": 0, "units": "relative"}),
}


def zero_on(case: str) -> dict[str, str]:
    return PLANE if case == "determinant_signed" else {}  # LeNet-5's Jacobian is not square


@pytest.fixture(scope="module")
def unregularized(tmp_path_factory):
    """case → weights without a technique, of the model that is trained for it."""
    folder = tmp_path_factory.mktemp("none")
    lenet, plane = (
        trained([run((), seed, steps=8, **settings) for seed in (0, 1)], folder / name)
        for name, settings in (("lenet", {}), ("plane", PLANE))
    )
    return {case: plane if zero_on(case) else lenet for case in ZERO}


@pytest.mark.parametrize("case", ZERO)
def test_strength_zero_is_bitwise_none(case, unregularized, tmp_path):
    technique, parameters = ZERO[case]
    zero = (Term.build(technique, parameters),)
    ours = trained([run(zero, seed, steps=8, **zero_on(case)) for seed in (0, 1)], tmp_path)
    for name, weight in unregularized[case].items():
        assert torch.equal(ours[name], weight), name


def test_runs_of_one_seed_are_paired():
    """The same initialisation and order whatever the technique; other seeds differ."""
    a, b, c = (models.build("lenet5", [seed], shape=(1, 28, 28), classes=10) for seed in (0, 0, 1))
    assert torch.equal(a.fc1.weight, b.fc1.weight)
    assert not torch.equal(a.fc1.weight, c.fc1.weight)


@pytest.mark.parametrize("technique", REGULARIZERS)
def test_every_row_has_an_implementation_that_says_what_it_is(technique):
    hooks = implementation(technique)
    assert any(vars(hooks).values()) == (technique != "none")
    assert (hooks.start is None) == (REGULARIZERS[technique].start == "default")


WRONG = [
    ("dropout", {"p": 1}, "p is 1, but must be a number in [0, 0.999]"),
    ("dropout", {"p": 0.99999999}, "p is 0.99999999, but must be a number in [0, 0.999]"),
    ("l2", {"strength": -1}, "strength is -1, but must be a number in [0, inf)"),
    ("l2", {"strength": 1, "warmup": 2}, "warmup is 2, but must be a number in [0, 1]"),
    (
        "l2",
        {"strength": 1, "schedule": "cosin"},
        "schedule is 'cosin', but must be one of: constant, cosine; did you mean 'cosine'?",
    ),
    (
        "confidence_penalty",
        {"beta": 1, "threshold": "nil"},
        "threshold is 'nil', but must be a number in (0, inf) or one of: none",
    ),
    (
        "dropout",
        {"p": 0.5, "layers": 3},
        "layers is 3, but must be a list of different layer names or one of: all",
    ),
    (
        "dropout",
        {"p": 0.5, "layers": []},
        "layers is [], but must be a list of different layer names or one of: all",
    ),
    (
        "dropout",
        {"p": 0.5, "layers": ["fc1", "fc1"]},
        "layers is ['fc1', 'fc1'], but must be a list of different layer names",
    ),
    (
        "jacobian",
        {"strength": 1, "projections": "exact", "estimator": "input"},
        "estimator of jacobian is 'input', which changes nothing: projections are 'exact'",
    ),
    (
        "l2",
        {"strength": 1, "warmup": 1, "schedule": "cosine"},
        "schedule is 'cosine', which changes nothing: warmup is 1, all of the training",
    ),
    ("confidence_penalty", {"beta": 1, "threshold": 0}, "threshold is 0, but must be a number in (0, inf)"),
    ("jacobian_determinant", {"strength": 1, "form": "det"}, "form is 'det', but must be one of: log"),
    ("none", {"warmup": 0.1}, "unknown parameter 'warmup'"),
]  # fmt: skip


@pytest.mark.parametrize(("technique", "parameters", "message"), WRONG)
def test_wrong_parameters_are_refused(technique, parameters, message):
    with pytest.raises(UserError) as caught:
        Term.build(technique, parameters)
    assert message in str(caught.value)


UNFIT = [
    (
        ("dropout", {"p": 0.5, "layers": ["fc2", "fc3"]}),
        "layers of dropout has 'fc3', but must be hidden layers of the model; one of: fc1, fc2",
    ),
    (("jacobian_determinant", {"strength": 1, "form": "signed"}), "'signed', but the Jacobian is 10×784"),
]


@pytest.mark.parametrize(("technique", "message"), UNFIT)
def test_what_does_not_fit_the_model_is_refused_before_training(technique, message, tmp_path):
    with pytest.raises(UserError) as caught:
        train_pack([run((Term.build(*technique),), 0, steps=1)], PackPaths(tmp_path))
    assert message in str(caught.value)

"""The Jacobian and its determinant: against `torch.func`, differentiating twice, and closed forms."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from regularize import models
from regularize import objective as objectives
from regularize.config import Term
from regularize.draws import Draws
from regularize.jacobians import Jacobians
from regularize.models.chain import Chain
from regularize.regularizers.jacobian_determinant import FORMS, log_volume
from tests.regularize.cases import PLANE, objective, parameter_gradients, run, trained

LENETS = ("lenet5", "lenet5_tanh", "lenet_prime")
ON_DIGITS = [{"model": name} for name in (*LENETS, "mlp")]
NORMS = (
    {},
    {"projections": 3},
    {"projections": "exact"},
    {"estimator": "input"},
    {"estimator": "input", "projections": 2},
)
DETERMINANTS = ({"form": "volume"}, {"form": "log"})
NOISES = (Term.build("dropout", {"p": 0.5}), Term.build("weight_noise", {"sigma": 0.05}),
          Term.build("input_noise", {"sigma": 0.1}))  # fmt: skip


def terms(technique="jacobian", strength=0.5, **options):
    return (Term.build(technique, {"strength": strength, **options}),)


@pytest.mark.parametrize("place", [*ON_DIGITS, PLANE], ids=lambda place: place["model"])
@pytest.mark.parametrize("technique", ["jacobian", "jacobian_determinant"])
def test_gradients_are_those_of_differentiating_twice(technique, place, monkeypatch):
    """With dropout and noise on inputs and weights beside them, of two runs that count differently."""
    signed = [{"form": "signed"}] if place is PLANE else []
    for options in NORMS if technique == "jacobian" else (*DETERMINANTS, *signed):
        runs = [run((*terms(technique, **options), *NOISES), seed, steps=1, **place) for seed in (0, 1)]
        module, loss, *_ = objective(runs)
        counts = torch.tensor([1.0, 2.0], dtype=torch.float64)
        assert isinstance(module.model, Chain)
        once = loss()
        with monkeypatch.context() as patch:
            patch.setattr(objectives, "Chain", ())
            twice = loss()
        torch.testing.assert_close(once, twice, rtol=1e-12, atol=0)
        ours, expected = (parameter_gradients(module, losses * counts) for losses in (once, twice))
        for name, gradient in expected.items():
            torch.testing.assert_close(
                ours[name], gradient, rtol=1e-8, atol=1e-8 * gradient.abs().max().item()
            )


@pytest.mark.parametrize("model", LENETS)
def test_exact_is_the_frobenius_norm_of_torch_func(model):
    module, loss, x, labels = objective([run(terms(projections="exact"), 0, steps=1, model=model)])
    forward = lambda image: module.model(image.view(1, 1, 1, 28, 28)).view(10)  # noqa: E731
    norms = [torch.func.jacrev(forward)(image).square().sum() for image in x[0]]
    data = F.cross_entropy(module.model(x)[0], labels[0])
    torch.testing.assert_close(loss()[0], data + 0.5 / 2 * torch.stack(norms).mean(), rtol=1e-10, atol=0)


@pytest.mark.parametrize("estimator", ["output", "input"])
def test_an_estimate_has_the_mean_of_the_exact_value(estimator):
    """So the factor is K, the number of classes, or d, the number of inputs, and nothing else."""
    module, loss, *_ = objective([run(terms(strength=1.0, projections="exact"), 0, steps=1)])
    expected = loss()[0].item()
    runs = [run(terms(strength=1.0, projections=4, estimator=estimator), 0, steps=1)]
    values = [objective(runs, step=step, model=module.model)[1]()[0].item() for step in range(60)]
    mean, error = torch.tensor(values).mean(), torch.tensor(values).std() / len(values) ** 0.5
    assert abs(mean - expected) < 4 * error
    assert 4 * error < 0.2 * expected, "precise enough to tell a wrong factor"
    assert len({round(value, 12) for value in values}) == len(values), "each step has its own directions"


def test_the_exact_gradient_is_the_mean_of_the_estimated_ones():
    module, loss, *_ = objective([run(terms(strength=1.0, projections="exact"), 0, steps=1)], batch=2)
    expected = parameter_gradients(module, loss())["fc1.weight"].flatten()
    estimates = []
    for step in range(80):
        ours, estimate, *_ = objective(
            [run(terms(strength=1.0), 0, steps=1)], batch=2, step=step, model=module.model
        )
        estimates.append(parameter_gradients(ours, estimate())["fc1.weight"].flatten())
    mean = torch.stack(estimates).mean(0)
    assert torch.cosine_similarity(mean, expected, dim=0) > 0.95


def linear_plane(weight):
    """A `toy_plane` network with a linear map of the plane: its first layers nearly do not bend."""
    network = models.build("toy_plane", [0], shape=(2,), classes=4).double()
    tiny = 1e-6
    with torch.no_grad():
        for name, parameter in network.named_parameters():
            parameter.zero_()
            if name in ("fc1.weight", "fc2.weight"):
                parameter[0, :2, :2] = torch.eye(2) * (tiny if name == "fc1.weight" else 1)
        network.fc3.weight[0, :, :2] = torch.tensor(weight) / tiny
    return network


@pytest.mark.parametrize(
    ("form", "expected"), [("volume", (6 - 1) ** 2), ("log", 3.2104), ("signed", (-6 - 1) ** 2)]
)
def test_determinants_of_a_linear_map(form, expected):
    """(2, 0; 0, −3): area factor 6, determinant −6, log² 6 = 3.2104."""
    network = linear_plane([[2.0, 0.0], [0.0, -3.0]])
    config = run(terms("jacobian_determinant", strength=1.0, form=form), 0, steps=1, **PLANE)
    _, loss, *_ = objective([config], model=network)
    _, plain, *_ = objective([run((), 0, steps=1, **PLANE)], model=network)
    assert (loss() - plain()).item() == pytest.approx(expected, rel=1e-4)


def test_norms_of_a_linear_map():
    network = linear_plane([[2.0, 0.0], [0.0, -3.0]])
    _, plain, *_ = objective([run((), 0, steps=1, **PLANE)], model=network)
    _, loss, *_ = objective(
        [run(terms(strength=1.0, projections="exact"), 0, steps=1, **PLANE)], model=network
    )
    assert (loss() - plain()).item() == pytest.approx((4 + 9) / 2, rel=1e-6)


def test_the_determinant_is_of_logits_against_inputs():
    """Not of the batch axis, not a constant: log volumes are the sums of log singular values."""
    jacobian = torch.randn(2, 3, 4, 7, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    expected = torch.linalg.svdvals(jacobian).log().sum(-1)
    torch.testing.assert_close(log_volume(jacobian), expected)
    torch.testing.assert_close(log_volume(jacobian.transpose(2, 3)), expected)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_determinants_of_singular_jacobians_have_finite_gradients(form, dtype):
    flat = torch.ones(1, 1, 2, 2, dtype=dtype)
    for jacobian in (flat, 0 * flat, 1e-30 * flat):
        leaf = jacobian.clone().requires_grad_()
        value = FORMS[form](leaf).sum()
        value.backward()
        assert value.isfinite()
        assert leaf.grad.isfinite().all()


def rows(network, x, order=slice(None)):
    """vᵀJ of every example for one v, of the batch in another order: [R, B, *shape]."""
    leaf = x[:, order].clone().requires_grad_()
    links = []
    logits = network(leaf, links=links)
    jacobians = Jacobians(inputs=leaf, logits=logits, basis=network.basis(logits), links=links)
    found = []
    jacobians.of_rows(
        jacobians.unit_directions, lambda each: found.append(each) or torch.stack(each).sum((0, 2, 3, 4, 5))
    )
    return torch.stack(found[0])


@settings(deadline=None, max_examples=12)
@given(order=st.permutations(range(5)), model=st.sampled_from(LENETS), seed=st.integers(0, 9))
def test_permuting_a_batch_leaves_each_examples_jacobian_alone(order, model, seed):
    network = models.build(model, [seed, seed + 1], shape=(1, 28, 28), classes=10).double()
    source = torch.Generator().manual_seed(seed)
    x = torch.randn(2, 5, 1, 28, 28, generator=source, dtype=torch.float64)
    torch.testing.assert_close(rows(network, x, order), rows(network, x)[:, :, order], rtol=1e-10, atol=1e-12)


def test_the_penalty_sees_the_dropout_masks_of_the_loss():
    """A network whose masks are written into its weights has the Jacobian that was penalised."""
    exact = terms(strength=1.0, projections="exact")
    runs = [run((*exact, Term.build("dropout", {"p": 0.5})), 0, steps=1)]
    module, loss, x, labels = objective(runs, batch=1)
    expected, *_ = objective([run(exact, 0, steps=1)], model=module.model)
    draws = Draws(seeds=[0], step=0, global_batch=1, local=slice(None), dtype=torch.float64)
    value, dropout = loss(), module.terms[1]
    with torch.no_grad():
        for before, after in (("fc1", "fc2"), ("fc2", "fc3")):
            units = getattr(module.model, before).weight.shape[1]
            mask = dropout.hooks.hidden(before, x.new_ones(1, 1, units), dropout.given, draws)
            getattr(module.model, after).weight.mul_(mask)
    torch.testing.assert_close(value, expected(x, labels, draws, 1.0), rtol=1e-10, atol=0)


@pytest.mark.parametrize(("dtype", "close"), [(torch.float32, 1e-5), (torch.float64, 1e-10)])
def test_tangents_follow_the_choice_of_maximum_pooling_among_equals(dtype, close, monkeypatch):
    """Most of a digit is flat, and so are most windows: the penalty is that of the very choice made."""
    for options in ({}, {"estimator": "input"}):
        module, _, x, labels = objective([run(terms(strength=1.0, **options), 0, steps=1)])
        module, x = module.to(dtype), (x * (x.abs() > 2)).to(dtype)
        draws = Draws(seeds=[0], step=0, global_batch=4, local=slice(None), dtype=dtype)
        once = module(x, labels, draws, 1 / 4)
        with monkeypatch.context() as patch:
            patch.setattr(objectives, "Chain", ())
            twice = module(x, labels, draws, 1 / 4)
        torch.testing.assert_close(once, twice, rtol=close, atol=0)
        ours, expected = (parameter_gradients(module, losses) for losses in (once, twice))
        for name, gradient in expected.items():
            torch.testing.assert_close(ours[name], gradient, rtol=0, atol=close * gradient.abs().max().item())


@pytest.mark.filterwarnings("ignore:on a CPU, bfloat16")
def test_bfloat16_training_takes_the_same_penalties(tmp_path):
    for technique in ("jacobian", "jacobian_determinant"):
        weights = trained(
            [run(terms(technique, strength=1e-3), 0, steps=2, precision="bfloat16")], tmp_path / technique
        )
        assert all(weight.isfinite().all() for weight in weights.values())

"""Every penalty against finite differences, closed forms and the definitions of its paper."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from regularize import models
from regularize.config import Term
from regularize.distributed import Ranks
from regularize.draws import Draws
from regularize.objective import Objective, bind
from regularize.regularizers.hard_svb import bounded
from regularize.store import PackPaths
from regularize.train import Trainer
from tests.regularize.cases import CASES, pack, run, trained

PENALTIES = [case for case in CASES if case not in ("none", "l1", "hard_svb")]


def objective(runs, *, batch=4, step=0, model=None):
    """The loss of `runs` as a function of the parameters, on a fixed random batch in float64."""
    seeds = [config.seed for config in runs]
    network = model or models.build(runs[0].model, seeds, shape=(1, 28, 28), classes=10).double()
    module = Objective(network, bind(runs, "cpu"), pixel=torch.full((1, 1, 1), 3.0, dtype=torch.float64))
    source = torch.Generator().manual_seed(1)
    x = torch.randn(len(runs), batch, 1, 28, 28, generator=source, dtype=torch.float64)
    labels = torch.randint(10, (len(runs), batch), generator=source)
    draws = Draws(seeds=seeds, step=step, global_batch=batch, local=slice(None), dtype=torch.float64)
    return module, lambda: module(x, labels, draws, 1 / batch), x, labels


@pytest.mark.parametrize("case", PENALTIES)
def test_gradients_agree_with_finite_differences(case):
    module, loss, *_ = objective(pack(case, steps=1, model="lenet5_tanh"))  # smooth: no kinks to step over
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


def test_l2_is_weight_decay_on_the_weights(tmp_path):
    """Against torch's own SGD with `weight_decay` on weights and none on biases."""
    strength, steps = 0.02, 5
    config = run((Term.build("l2", {"strength": strength}),), 3, steps=steps, precision="float64")
    ours = trained([config], tmp_path)
    plain = run((), 3, steps=steps, precision="float64")
    trainer = Trainer([plain], PackPaths(tmp_path / "plain"), Ranks.here(), None)
    decay = [p for name, p in trainer.model.named_parameters() if name.endswith("weight")]
    rest = [p for name, p in trainer.model.named_parameters() if name.endswith("bias")]
    groups = [{"params": decay, "weight_decay": strength}, {"params": rest}]
    trainer.optimizer = torch.optim.SGD(groups, lr=0.02, momentum=0.9)
    for _ in range(steps):
        trainer.advance()
    for name, parameter in trainer.model.named_parameters():
        torch.testing.assert_close(ours[name], parameter.detach(), rtol=0, atol=1e-12)


def test_l1_zeros_are_exact_and_the_step_is_proximal(tmp_path):
    strength, rate = 0.05, 0.1
    strong = (Term.build("l1", {"strength": strength}),)
    plain = trained([run((), 0, steps=1, lr=rate, precision="float64")], tmp_path / "plain")
    ours = trained([run(strong, 0, steps=1, lr=rate, precision="float64")], tmp_path / "l1")
    for name, weight in ours.items():
        if name.endswith("bias"):
            assert torch.equal(weight, plain[name])
            continue
        soft = F.softshrink(plain[name], rate * strength)
        torch.testing.assert_close(weight, soft, rtol=0, atol=1e-15)
    zeros = (ours["fc1.weight"] == 0).double().mean()
    assert 0 < zeros < 1


def test_hard_svb_ends_in_its_band(tmp_path):
    """After a last step that is no multiple of `every`, by `torch.linalg`; conv as (out, in·k·k)."""
    epsilons = (0.01, 0.5)
    runs = [
        run((Term.build("hard_svb", {"epsilon": e, "every": 4}),), 0, steps=6, precision="float64")
        for e in epsilons
    ]
    weights = trained(runs, tmp_path)
    for name, weight in weights.items():
        if name.endswith("weight"):
            for position, epsilon in enumerate(epsilons):
                values = torch.linalg.svdvals(weight[position].flatten(1))
                assert values.max() <= 1 + epsilon + 1e-12
                assert values.min() >= 1 / (1 + epsilon) - 1e-12


def test_hard_svb_is_idempotent_and_leaves_a_diverged_run_alone():
    weight = torch.randn(2, 5, 9, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    epsilon = torch.tensor([0.1, 0.2], dtype=torch.float64)
    once = bounded(weight, epsilon)
    torch.testing.assert_close(bounded(once, epsilon), once, rtol=0, atol=1e-13)
    broken = weight.clone()
    broken[0, 0, 0] = float("nan")
    result = bounded(broken, epsilon)
    torch.testing.assert_close(result[1], once[1])
    assert result[0].isnan().sum() == 1


def test_jacobian_exact_is_the_frobenius_norm_of_torch_func():
    runs = [
        run(
            (Term.build("jacobian", {"strength": 0.3, "projections": "exact"}),),
            0,
            steps=1,
            model="lenet5_tanh",
        )
    ]
    module, loss, x, labels = objective(runs)
    forward = lambda image: module.model(image.view(1, 1, 1, 28, 28)).view(10)  # noqa: E731
    norms = [torch.func.jacrev(forward)(image).square().sum() for image in x[0]]
    data = F.cross_entropy(module.model(x)[0], labels[0])
    expected = data + 0.3 / 2 * torch.stack(norms).mean()
    torch.testing.assert_close(loss()[0], expected, rtol=1e-10, atol=0)


def test_jacobian_estimate_has_the_mean_of_the_exact_value():
    exact = [run((Term.build("jacobian", {"strength": 1.0, "projections": "exact"}),), 0, steps=1)]
    module, loss, *_ = objective(exact)
    expected = loss()[0].item()
    estimate = [run((Term.build("jacobian", {"strength": 1.0, "projections": 4}),), 0, steps=1)]
    values = [objective(estimate, step=step, model=module.model)[1]()[0].item() for step in range(60)]
    mean, error = torch.tensor(values).mean(), torch.tensor(values).std() / len(values) ** 0.5
    assert abs(mean - expected) < 4 * error
    assert len({round(value, 12) for value in values}) == len(values), "each step has its own directions"


def test_jacobian_of_an_example_does_not_depend_on_its_batch():
    runs = [run((Term.build("jacobian", {"strength": 1.0, "projections": "exact"}),), 0, steps=1)]
    module, _, x, labels = objective(runs)
    draws = Draws(seeds=[0], step=0, global_batch=4, local=slice(None), dtype=torch.float64)
    permuted = module(x.flip(1), labels.flip(1), draws, 1 / 4)
    torch.testing.assert_close(permuted, module(x, labels, draws, 1 / 4), rtol=1e-12, atol=0)


@pytest.mark.parametrize("epsilon", [0.0, 0.1, 0.7, 1.0])
def test_label_smoothing_is_torchs(epsilon):
    module, loss, x, labels = objective(
        [run((Term.build("label_smoothing", {"epsilon": epsilon}),), 0, steps=1)]
    )
    expected = F.cross_entropy(module.model(x)[0], labels[0], label_smoothing=epsilon)
    torch.testing.assert_close(loss()[0], expected, rtol=1e-12, atol=0)


def test_dropout_drops_the_share_it_says_and_keeps_the_mean():
    (term,) = bind(
        [run((Term.build("dropout", {"p": p}),), seed, steps=1) for p, seed in ((0.25, 0), (0.5, 1))], "cpu"
    )
    draws = Draws(seeds=[0, 1], step=0, global_batch=200, local=slice(None))
    h = term.hooks.hidden("fc1", torch.ones(2, 200, 120), term.given, draws)
    shares = (h == 0).float().mean(dim=(1, 2))
    torch.testing.assert_close(shares, torch.tensor([0.25, 0.5]), rtol=0, atol=0.02)
    torch.testing.assert_close(h.amax(dim=(1, 2)), torch.tensor([1 / 0.75, 2.0]))


def test_input_noise_is_in_pixels_before_normalisation():
    (term,) = bind([run((Term.build("input_noise", {"sigma": 0.2}),), 0, steps=1)], "cpu")
    draws = Draws(seeds=[0], step=0, global_batch=100, local=slice(None))
    pixel = torch.tensor([1 / 0.5, 1 / 0.25]).view(2, 1, 1)  # two channels of standard deviation 1/2 and 1/4
    noise = term.hooks.inputs(torch.zeros(1, 100, 2, 28, 28), pixel, term.given, draws)
    torch.testing.assert_close(noise.std(dim=(0, 1, 3, 4)), torch.tensor([0.4, 0.8]), rtol=0.02, atol=0)


def test_weight_noise_reaches_every_layer_and_stays_out_of_the_weights():
    configs = [run((Term.build("weight_noise", {"sigma": 0.1}),), 0, steps=1)]
    module, loss, *_ = objective(configs)
    before = {name: p.detach().clone() for name, p in module.model.named_parameters()}
    draws = Draws(seeds=[0], step=0, global_batch=4, local=slice(None), dtype=torch.float64)
    perturbed = module._perturbed(draws)
    assert set(perturbed) == {f"{layer}.weight" for layer in module.model.weight_layers}
    for name, weight in perturbed.items():
        assert (weight - before[name]).std().item() == pytest.approx(0.1, rel=0.3)
    loss().sum().backward()
    assert all(torch.equal(p, before[name]) for name, p in module.model.named_parameters())


ZERO = {
    "l1": {"strength": 0.0},
    "l2": {"strength": 0.0},
    "jacobian": {"strength": 0.0},
    "dropout": {"p": 0.0},
    "label_smoothing": {"epsilon": 0.0},
    "input_noise": {"sigma": 0.0},
    "weight_noise": {"sigma": 0.0},
}


@pytest.mark.parametrize("technique", ZERO)
def test_strength_zero_is_bitwise_none(technique, tmp_path):
    none = trained([run((), seed, steps=8) for seed in (0, 1)], tmp_path / "none")
    zero = (Term.build(technique, ZERO[technique]),)
    ours = trained([run(zero, seed, steps=8) for seed in (0, 1)], tmp_path / "zero")
    for name, weight in none.items():
        assert torch.equal(ours[name], weight), name


def test_runs_of_one_seed_are_paired():
    """The same initialisation and order whatever the technique; other seeds differ."""
    a, b, c = (models.build("lenet5", [seed], shape=(1, 28, 28), classes=10) for seed in (0, 0, 1))
    assert torch.equal(a.fc1.weight, b.fc1.weight)
    assert not torch.equal(a.fc1.weight, c.fc1.weight)

"""Techniques that act on the weights, against closed forms, torch's own SGD and `torch.linalg`."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from regularize.config import Term
from regularize.distributed import Ranks
from regularize.regularizers import REGULARIZERS
from regularize.regularizers.hard_svb import bounded
from regularize.regularizers.hooks import Given, StepEnd
from regularize.regularizers.l1 import shrink
from regularize.store import PackPaths
from regularize.trainer import Trainer
from tests.regularize.cases import objective, run, trained


def one(technique, steps, seed=0, lr=0.1, **parameters):
    return run((Term.build(technique, parameters),), seed, steps=steps, lr=lr, precision="float64")


def test_l2_is_weight_decay_on_the_weights(tmp_path):
    """Against torch's own SGD with `weight_decay` on weights and none on biases."""
    strength, steps = 0.02, 5
    ours = trained([one("l2", steps, seed=3, strength=strength)], tmp_path)
    plain = run((), 3, steps=steps, lr=0.1, precision="float64")
    trainer = Trainer([plain], PackPaths(tmp_path / "plain"), Ranks.here(), None)
    decay = [p for name, p in trainer.model.named_parameters() if name.endswith("weight")]
    rest = [p for name, p in trainer.model.named_parameters() if name.endswith("bias")]
    groups = [{"params": decay, "weight_decay": strength}, {"params": rest}]
    trainer.optimizer = torch.optim.SGD(groups, lr=0.1, momentum=0.9)
    for _ in range(steps):
        trainer.advance()
    for name, parameter in trainer.model.named_parameters():
        torch.testing.assert_close(ours[name], parameter.detach()[:1], rtol=0, atol=1e-12)


def test_l1_and_elastic_net_step_proximally_after_the_optimizer(tmp_path):
    """One step: soft thresholding of what plain training, and L2, arrive at; biases are spared.

    With momentum .9 the threshold is ten times ηλ: so much further a lasting gradient goes, too.
    """
    strength, rate = 0.005, 0.1
    pairs = {
        "l1": (run((), 0, steps=1, lr=rate, precision="float64"), one("l1", 1, strength=strength)),
        "elastic_net": (one("l2", 1, strength=0.3), one("elastic_net", 1, l1=strength, l2=0.3)),
    }
    for name, (smooth, ours) in pairs.items():
        before = trained([smooth], tmp_path / name / "smooth")
        after = trained([ours], tmp_path / name / "ours")
        for key, weight in after.items():
            expected = (
                before[key] if key.endswith("bias") else F.softshrink(before[key], 10 * rate * strength)
            )
            torch.testing.assert_close(weight, expected, rtol=0, atol=1e-15)
        zeros = (after["fc1.weight"] == 0).double().mean()
        assert 0 < zeros < 1


@pytest.mark.parametrize(("l1", "l2"), [(1e-3, 0.0), (0.0, 1e-2)])
def test_elastic_net_with_one_strength_is_the_other_technique(l1, l2, tmp_path):
    both = trained([one("elastic_net", 8, l1=l1, l2=l2)], tmp_path / "both")
    alone = trained([one("l1" if l1 else "l2", 8, strength=l1 or l2)], tmp_path / "alone")
    assert all(torch.equal(both[name], weight) for name, weight in alone.items())


@given(
    entries=st.lists(st.floats(-10, 10), min_size=1, max_size=20),
    strength=st.floats(0, 10),
    rate=st.floats(1e-4, 1),
)
def test_the_proximal_step_is_exact(entries, strength, rate):
    """u = argmin ½(u − w)² + ηλ|u|: its optimality condition, and exact zeros within the threshold."""
    before = torch.tensor([[entries]], dtype=torch.float64)
    after = before.clone()
    terms = Given(strengths={"strength": torch.tensor([strength], dtype=torch.float64)}, options={})
    shrink({"w": after}, terms, "strength", StepEnd(step=1, steps=1, reach=lambda _: rate))
    threshold = rate * torch.tensor(strength, dtype=torch.float64)
    assert torch.equal(after == 0, before.abs() <= threshold)
    moved = after != 0
    torch.testing.assert_close((before - after)[moved], (threshold * after.sign())[moved], rtol=0, atol=1e-14)


def test_soft_svb_is_the_deviation_from_orthogonality_of_every_layer():
    """Σ (s² − 1)² over the singular values of each layer, conv as (out, in·k·k): no floor."""
    strength = 0.7
    module, loss, *_ = objective([run((Term.build("soft_svb", {"strength": strength}),), 0, steps=1)])
    _, plain, *_ = objective([run((), 0, steps=1)], model=module.model)
    named = [p for name, p in module.model.named_parameters() if name.endswith("weight")]
    assert len(named) == 5
    values = [torch.linalg.svdvals(weight[0].flatten(1)) for weight in named]
    expected = strength / 2 * sum((s.square() - 1).square().sum() for s in values)
    torch.testing.assert_close(loss() - plain(), expected.view(1), rtol=1e-10, atol=0)


def test_soft_svb_vanishes_at_orthogonal_weights_and_has_the_gradient_of_either_gram_matrix():
    module, loss, *_ = objective([run((Term.build("soft_svb", {"strength": 1.0}),), 0, steps=1)])
    _, plain, *_ = objective([run((), 0, steps=1)], model=module.model)
    weight = module.model.fc1.weight
    found = torch.autograd.grad(loss().sum() - plain().sum(), weight)[0]
    large = weight.transpose(1, 2) @ weight - torch.eye(400, dtype=torch.float64)  # the one not taken
    torch.testing.assert_close(found, 2 * weight @ large, rtol=1e-8, atol=1e-10)
    with torch.no_grad():
        for parameter in module.model.parameters():
            if parameter.ndim > 2:
                left, _, right = torch.linalg.svd(parameter[0].flatten(1), full_matrices=False)
                parameter.copy_((left @ right).view_as(parameter))
    torch.testing.assert_close(loss(), plain(), rtol=0, atol=1e-12)


def test_hard_svb_ends_in_its_band(tmp_path):
    """After a last step that is no multiple of `every`, by `torch.linalg`; conv as (out, in·k·k)."""
    epsilons = (0.01, 0.5)
    weights = trained([one("hard_svb", 6, lr=0.02, epsilon=e, every=4) for e in epsilons], tmp_path)
    for name, weight in weights.items():
        if name.endswith("weight"):
            for position, epsilon in enumerate(epsilons):
                values = torch.linalg.svdvals(weight[position].flatten(1))
                assert values.max() <= 1 + epsilon + 1e-12
                assert values.min() >= 1 / (1 + epsilon) - 1e-12


def test_hard_svb_ends_in_its_band_whatever_else_acts_after_a_step(tmp_path):
    """Shrinking after a projection would leave the band: it comes before, however they are listed."""
    pair = [Term.build("hard_svb", {"epsilon": 0.1, "every": 4}), Term.build("l1", {"strength": 0.05})]
    weights = {}
    for order in (1, -1):
        config = run(tuple(pair[::order]), 0, steps=6, lr=0.1, precision="float64")
        weights[order] = trained([config], tmp_path / str(order))
    for name, weight in weights[1].items():
        assert torch.equal(weight, weights[-1][name])
        if name.endswith("weight"):
            values = torch.linalg.svdvals(weight[0].flatten(1))
            assert values.max() <= 1 + 0.1 + 1e-12
            assert values.min() >= 1 / (1 + 0.1) - 1e-12


def test_hard_svb_starts_as_its_row_says(tmp_path):
    """So that to say it is another word for the same run."""
    start = REGULARIZERS["hard_svb"].start
    terms = (Term.build("hard_svb", {"epsilon": 0.1, "every": 3}),)
    own, said = (
        trained([run(terms, seed, steps=4, start=how) for seed in (0, 1)], tmp_path / str(how))
        for how in (None, start)
    )
    assert all(torch.equal(weight, said[name]) for name, weight in own.items())


def test_hard_svb_leaves_the_momentum_alone():
    """As in the paper's algorithm: the projection moves weights, not what the optimizer remembers."""
    buffers = []
    for every in (1, 100):
        trainer = Trainer([one("hard_svb", 3, epsilon=0.01, every=every)], PackPaths("."), Ranks.here(), None)
        trainer.start()
        trainer.advance()
        state = trainer.optimizer.state_dict()["state"]
        buffers.append([state[number]["momentum_buffer"] for number in range(len(trainer.parameters))])
    assert all(torch.equal(a, b) for a, b in zip(*buffers, strict=True))


@settings(deadline=None, max_examples=30)
@given(
    shape=st.tuples(st.integers(1, 3), st.integers(1, 6), st.integers(1, 9)),
    epsilon=st.floats(0, 2),
    seed=st.integers(0, 99),
)
def test_hard_svb_projects_once_and_for_all(shape, epsilon, seed):
    weight = torch.randn(shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))
    band = torch.full(shape[:1], epsilon, dtype=torch.float64)
    once = bounded(weight, band)
    torch.testing.assert_close(bounded(once, band), once, rtol=0, atol=1e-12)
    inside = torch.linalg.svdvals(once)
    assert inside.max() <= 1 + epsilon + 1e-12
    assert inside.min() >= 1 / (1 + epsilon) - 1e-12


def test_hard_svb_leaves_a_diverged_run_alone():
    weight = torch.randn(2, 5, 9, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    epsilon = torch.tensor([0.1, 0.2], dtype=torch.float64)
    broken = weight.clone()
    broken[0, 0, 0] = float("nan")
    result = bounded(broken, epsilon)
    torch.testing.assert_close(result[1], bounded(weight, epsilon)[1])
    assert result[0].isnan().sum() == 1

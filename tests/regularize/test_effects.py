"""Penalties that do nothing are said to; what is minimised is what is recorded."""

from __future__ import annotations

import dataclasses
from itertools import count

import pyarrow.parquet as pq
import pytest
import torch

from regularize.config import Evaluation, Term
from regularize.distributed import Ranks
from regularize.effects import due
from regularize.store import PackPaths, PackStatus
from regularize.train_pack import train_pack
from regularize.trainer import Trainer
from tests.regularize.cases import run, trained

SLOW = pytest.mark.filterwarnings("ignore:on a CPU, bfloat16 takes several times")


def term(technique, **parameters):
    return Term.build(technique, parameters)


def results(folder):
    return pq.read_table(PackPaths(folder).results).to_pylist()


def test_it_is_measured_in_steps_1_4_16_and_so_on():
    assert [step for step in range(1, 300) if due(step)] == [1, 4, 16, 64, 256]


@pytest.mark.parametrize("strength", [0.01, 1e6])
def test_a_volume_factor_that_underflows_is_no_silent_none(strength, tmp_path):
    """LeNet-5 starts with a volume factor of 1e-18, whose penalty is a constant: its runs equal none's."""
    runs = [run((term("jacobian_determinant", form="volume", strength=strength),), 0, steps=5, per_class=1)]
    weights = trained(runs, tmp_path / "volume")
    assert all(
        torch.equal(weights[name], weight)
        for name, weight in trained([run((), 0, steps=5, per_class=1)], tmp_path / "none").items()
    )
    (found,) = results(tmp_path / "volume")
    assert found["did_nothing"] == "jacobian_determinant"
    assert found["penalty_gradient"] < 1e-6
    assert PackStatus.read(PackPaths(tmp_path / "volume").status).did_nothing == (runs[0].run_id,)


def test_the_determinant_without_options_does_something(tmp_path):
    trained([run((term("jacobian_determinant", strength=1e-4),), 0, steps=5, per_class=1)], tmp_path)
    (found,) = results(tmp_path)
    assert found["did_nothing"] is None
    assert 1e-6 < found["penalty_gradient"] < 100


def test_each_penalty_of_a_combination_is_told_apart(tmp_path):
    """Also a proximal one; what is no penalty is not spoken of; a warm-up from 0 does not hide a penalty."""
    terms = [
        (term("l1", strength=l1), term("l2", strength=l2, warmup=1), term("dropout", p=0.5))
        for l1, l2 in ((1e-2, 1e-30), (1e-30, 1e-2), (1e-2, 1e-2))
    ]
    trained([run(each, 0, steps=2) for each in terms], tmp_path)
    assert [row["did_nothing"] for row in results(tmp_path)] == ["l2", "l1", None]
    plain = [run((term("dropout", p=0.5),), 0, steps=2), run((), 0, steps=2)]
    for position, config in enumerate(plain):
        trained([config], tmp_path / str(position))
        (found,) = results(tmp_path / str(position))
        assert (found["did_nothing"], found["penalty_gradient"]) == (None, None)


def test_a_hinge_that_sets_in_later_did_something(tmp_path):
    """At first all predictions are less certain than Γ = 2 nats."""
    trained([run((term("confidence_penalty", beta=1, threshold=2.0),), 0, steps=70, lr=0.05)], tmp_path)
    (found,) = results(tmp_path)
    assert found["did_nothing"] is None


def test_the_ratio_is_that_of_torchs_own_gradients_and_survives_an_interruption(tmp_path):
    runs = [run((term("l2", strength=0.3),), seed, steps=6, precision="float64") for seed in (0, 1)]
    trainer = Trainer(runs, PackPaths(tmp_path), Ranks.here(), None)
    x, labels = trainer.batches.take("train", trainer.step_batches.rows(trainer.step))
    loss = torch.nn.functional.cross_entropy(trainer.model(x).transpose(1, 2), labels, reduction="none").mean(
        1
    )
    slopes = torch.autograd.grad(loss.sum(), trainer.parameters)
    weights = [p for name, p in trainer.model.named_parameters() if name.endswith("weight")]
    below = torch.cat([slope.flatten(1) for slope in slopes], 1).norm(dim=1)
    above = 0.3 * torch.cat([weight.flatten(1) for weight in weights], 1).norm(dim=1)
    trainer.advance()
    torch.testing.assert_close(trainer.effects.largest[:, 0], above / below)
    train_pack(runs, PackPaths(tmp_path / "whole"))
    steps = count(1)
    train_pack(runs, PackPaths(tmp_path / "parts"), stop=lambda: next(steps) == 3)
    train_pack(runs, PackPaths(tmp_path / "parts"))
    ratios = [[row["penalty_gradient"] for row in results(tmp_path / name)] for name in ("whole", "parts")]
    assert ratios[0] == ratios[1]


@pytest.mark.parametrize("precision", ["float32", "float64"])
def test_a_lone_run_knows_each_penalty_after_an_interruption(precision, tmp_path):
    """With an idle twin beside it (float64) and without."""
    terms = (term("l1", strength=1e-2), term("l2", strength=1e-30), term("dropout", p=0.5))
    runs, steps = [run(terms, 0, steps=6, precision=precision)], count(1)
    train_pack(runs, PackPaths(tmp_path / "whole"))
    train_pack(runs, PackPaths(tmp_path / "parts"), stop=lambda: next(steps) == 3)
    train_pack(runs, PackPaths(tmp_path / "parts"))
    (whole,), (parts,) = results(tmp_path / "whole"), results(tmp_path / "parts")
    assert whole["did_nothing"] == parts["did_nothing"] == "l2"
    assert whole["penalty_gradient"] == parts["penalty_gradient"] > 0


@pytest.mark.parametrize(
    ("technique", "given", "l1"),
    [("l1", {"strength": 0.01}, 0.01), ("elastic_net", {"l1": 0.02, "l2": 0}, 0.02)],
)
def test_the_recorded_objective_has_the_proximal_part(technique, given, l1, tmp_path):
    """One step: cross-entropy at the start, as without a penalty, and λ Σ|w| of the start."""
    objectives = []
    for terms in ((), (term(technique, **given),)):
        config = run(terms, 0, steps=1, precision="float64")
        folder = tmp_path / str(len(terms))
        train_pack([config], PackPaths(folder))
        rows = pq.read_table(PackPaths(folder).metrics).to_pylist()
        objectives += [row["objective"] for row in rows if row["split"] == "train"]
    start = Trainer([run((), 0, steps=1, precision="float64")], PackPaths(tmp_path), Ranks.here(), None)
    size = sum(p[0].abs().sum().item() for n, p in start.model.named_parameters() if n.endswith("weight"))
    assert objectives[1] - objectives[0] == pytest.approx(l1 * size, rel=1e-9)


@SLOW
def test_half_precision_ends_at_the_logits():
    """Under autocast the objective came in steps of 1/64, the confidence penalty's gradient 9 % off."""
    config = run((term("confidence_penalty", beta=1.0),), 0, steps=9, precision="bfloat16")
    trainer = Trainer([config], PackPaths("."), Ranks.here(), None)

    def slope(x, labels, draws, share, _progress, take):
        state = trainer.objective._passed(trainer.terms, x, labels, draws, share, take)
        (bound,) = trainer.terms
        (found,) = torch.autograd.grad(bound.hooks.penalty(state, bound.given).sum(), state.logits)
        exact = state.logits.detach().double().requires_grad_()
        p = exact.softmax(-1)
        (expected,) = torch.autograd.grad((p * p.log()).sum() * share, exact)
        torch.testing.assert_close(found.double(), expected, rtol=1e-4, atol=1e-8)
        return found

    assert trainer._on_batch(slope, trainer._now()).dtype == torch.float32
    losses = trainer._on_batch(trainer.objective, trainer._now())
    assert losses.dtype == torch.float32
    assert (losses * 64 != (losses * 64).round()).all()


@SLOW
@pytest.mark.parametrize(
    ("technique", "given"),
    [
        ("soft_svb", {"strength": 0.01}),
        ("dropout", {"p": 0.999}),
        ("jacobian", {"strength": 0.01}),
        ("jacobian", {"strength": 0.01, "estimator": "input"}),
        ("jacobian_determinant", {"strength": 1e-4}),
    ],
)
def test_penalties_are_in_full_precision_under_autocast(technique, given):
    """A penalty on weights is that of float32; what runs through the network agrees to half precision."""
    losses = {}
    for precision in ("float32", "bfloat16"):
        config = run((term(technique, **given),), 0, steps=9, precision=precision)
        trainer = Trainer([config], PackPaths("."), Ranks.here(), None)
        losses[precision] = trainer._on_batch(trainer.objective, trainer._now())[:1]  # without a twin
    exact = technique == "soft_svb"
    torch.testing.assert_close(losses["bfloat16"], losses["float32"], rtol=1e-3 if exact else 0.05, atol=0)
    assert losses["bfloat16"].isfinite().all()


def test_what_blows_up_in_the_last_step_has_diverged(tmp_path):
    """No gradient looks back on it: the weights, and the losses, do."""
    config = run((), 0, steps=1, lr=1e30)
    status = train_pack([config], PackPaths(tmp_path))
    (found,) = results(tmp_path)
    assert (found["state"], found["diverged_step"]) == ("diverged", 1)
    assert status.diverged == (config.run_id,)
    assert pq.read_table(PackPaths(tmp_path).metrics).num_rows == 0


def test_part_of_an_epoch_counts_as_such(tmp_path):
    """17 steps of 21 an epoch are no epoch that was completed."""
    config = run((), 0, steps=17, per_class=21, batch_size=10)
    often = Evaluation(every=1, train_examples=100, predictions=False, jacobian_examples=0)
    train_pack([dataclasses.replace(config, evaluation=often)], PackPaths(tmp_path))
    (found,) = results(tmp_path)
    rows = pq.read_table(PackPaths(tmp_path).metrics).to_pylist()
    assert found["epochs"] == pytest.approx(17 / 21)
    assert {row["epoch"] for row in rows} == {17 / 21}

"""Where training comes to rest is the minimum of what the documentation calls the objective.

A linear softmax on 60 digits, all of them in every batch, is convex and has one such place: at a weight
that is not 0, |∂CE/∂w + λ₂w| = λ₁, and at most λ₁ at one that is. For every optimizer that is offered.
"""

from __future__ import annotations

import pytest
import torch
from torch import nn

from regularize.config import Term
from regularize.distributed import Ranks
from regularize.store import PackPaths
from regularize.trainer import Trainer
from tests.regularize.cases import run

OPTIMIZERS = {
    "sgd": {"lr": 0.15, "momentum": 0.0},
    "momentum": {"lr": 0.015, "momentum": 0.9},
    "adam": {"optimizer": "adam", "lr": 0.02, "schedule": "cosine"},
    "adamw": {"optimizer": "adamw", "lr": 0.02, "schedule": "cosine"},
    "adamw_decaying": {"optimizer": "adamw", "lr": 0.02, "schedule": "cosine", "weight_decay": 0.05},
}
CONVEX = """
from torch import nn


def linear(shape, classes):
    return nn.Sequential(nn.Flatten(), nn.Linear(shape[1] ** 2, classes))
"""
TECHNIQUES = {
    "l1": {"strength": 0.01},
    "l2": {"strength": 0.1},
    "elastic_net": {"l1": 0.01, "l2": 0.1},
}


@pytest.fixture(autouse=True)
def _linear(monkeypatch, tmp_path):
    (tmp_path / "convex.py").write_text(CONVEX)
    monkeypatch.syspath_prepend(tmp_path)


def settled(technique, optimizer):
    """A trainer at rest, and the gradient of its mean cross-entropy by the weights."""
    terms = (Term.build(technique, TECHNIQUES[technique]),)
    settings = {"steps": 900, "per_class": 6, "batch_size": 60, "precision": "float64"} | optimizer
    trainer = Trainer([run(terms, 0, model="convex:linear", **settings)], PackPaths("."), Ranks.here(), None)
    while trainer.step < trainer.timeline.steps:
        trainer.advance()
    x, labels = trainer.batches.take("train", trainer.train_rows)
    loss = nn.functional.cross_entropy(trainer.model(x)[0], labels[0])
    weight = trainer.model.get_parameter("1.weight")
    (slope,) = torch.autograd.grad(loss, weight)
    return trainer, weight.detach(), slope


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("technique", TECHNIQUES)
def test_training_rests_at_the_minimum_of_the_documented_objective(technique, optimizer):
    trainer, weight, slope = settled(technique, OPTIMIZERS[optimizer])
    given = TECHNIQUES[technique]
    l1 = {"l1": given.get("strength"), "elastic_net": given.get("l1")}.get(technique, 0.0)
    l2 = {"l2": given.get("strength"), "elastic_net": given.get("l2")}.get(technique, 0.0)
    smooth = slope + l2 * weight
    if optimizer == "adamw_decaying":  # decoupled decay comes on top, in Adam's own metric
        smooth += 0.05 * weight * trainer.training.lr / _reach(trainer)
    kept = weight != 0
    if technique == "l2":
        assert smooth.abs().median() < 1e-3 * slope.abs().median()
        return
    assert 0.3 < 1 - kept.double().mean() < 0.99
    ratio = smooth.abs()[kept] / l1
    assert ratio.median() == pytest.approx(1, abs=0.01)
    assert (smooth * weight)[kept].max() < 0, "downhill is away from 0, held by the penalty"
    assert smooth.abs()[~kept].quantile(0.99) < 1.01 * l1


def _reach(trainer):
    from regularize.optimizer import reach

    optimizer = trainer.optimizer
    optimizer.param_groups[0]["lr"] = trainer.training.lr
    return reach(optimizer, trainer.model.get_parameter("1.weight"))

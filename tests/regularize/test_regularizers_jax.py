"""Jacobian norms, determinants and their parameter gradients, against JAX."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
import torch

from regularize.config import Term
from tests.regularize.cases import PLANE, objective, parameter_gradients, run

missing = not find_spec("jax") and not os.environ.get("CI")
pytestmark = pytest.mark.skipif(missing, reason="JAX is in the extra `test`: pip install -e '.[test]'")

LENET, POINTS = {"model": "lenet_prime"}, PLANE | {"model": "toy_mlp"}
NORM = ("jacobian", {"projections": "exact"}, "norm")
VOLUME, LOG, SIGNED = (("jacobian_determinant", {"form": form}, form) for form in ("volume", "log", "signed"))
TASKS = {
    f"{place['model']}_{kind[2]}": (place, *kind)
    for place, kinds in (
        (LENET, (NORM, LOG)),
        (POINTS, (NORM, VOLUME, LOG)),
        (PLANE, (NORM, VOLUME, LOG, SIGNED)),
    )
    for kind in kinds
}
STRENGTH = 0.3


def pose(place, technique, options):
    """A loss of ours, and the network and batch to pose the same to JAX."""
    terms = (Term.build(technique, {"strength": STRENGTH, **options}),)
    return objective([run(terms, 5, steps=1, **place)], batch=3)


@pytest.fixture(scope="module")
def answers(tmp_path_factory):
    folder = tmp_path_factory.mktemp("jax")
    for name, (place, technique, options, penalty) in TASKS.items():
        module, _, x, labels = pose(place, technique, options)
        arrays = {key: p[0].detach().numpy() for key, p in module.model.named_parameters()}
        task = json.dumps({"model": place["model"], "penalty": penalty, "strength": STRENGTH})
        np.savez(folder / f"{name}.in.npz", task=task, x=x[0].numpy(), labels=labels[0].numpy(), **arrays)
    command = [sys.executable, "-m", "tests.regularize.jax_oracle", str(folder)]
    subprocess.run(command, check=True, timeout=300, cwd=Path(__file__).parents[2])
    return {name: dict(np.load(folder / f"{name}.out.npz")) for name in TASKS}


@pytest.mark.parametrize("name", TASKS)
def test_losses_and_gradients_are_those_of_jax(name, answers):
    place, technique, options, _ = TASKS[name]
    module, loss, *_ = pose(place, technique, options)
    value = loss()
    assert value.item() == pytest.approx(answers[name]["value"].item(), rel=1e-9)
    for key, gradient in parameter_gradients(module, value).items():
        expected = torch.from_numpy(answers[name][key])
        torch.testing.assert_close(gradient[0], expected, rtol=1e-7, atol=1e-8 * expected.abs().max().item())

"""One case a technique, with two strengths each: what the contracts of a pack are tested on."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor

from regularize.config import DataConfig, Evaluation, RunConfig, Term, Training
from regularize.store import PackPaths
from regularize.train import train_pack

# name → the terms of two strengths
CASES: dict[str, tuple[tuple[Term, ...], tuple[Term, ...]]] = {
    "none": ((), ()),
    "l1": tuple((Term.build("l1", {"strength": s}),) for s in (1e-4, 1e-3)),
    "l2": tuple((Term.build("l2", {"strength": s}),) for s in (1e-3, 1e-2)),
    "hard_svb": tuple((Term.build("hard_svb", {"epsilon": e, "every": 10}),) for e in (0.01, 0.5)),
    "jacobian": tuple((Term.build("jacobian", {"strength": s}),) for s in (0.01, 0.1)),
    "jacobian_exact": tuple(
        (Term.build("jacobian", {"strength": s, "projections": "exact"}),) for s in (0.01, 0.1)
    ),
    "dropout": tuple((Term.build("dropout", {"p": p}),) for p in (0.2, 0.5)),
    "label_smoothing": tuple((Term.build("label_smoothing", {"epsilon": e}),) for e in (0.1, 0.3)),
    "input_noise": tuple((Term.build("input_noise", {"sigma": s}),) for s in (0.1, 0.5)),
    "weight_noise": tuple((Term.build("weight_noise", {"sigma": s}),) for s in (0.01, 0.05)),
    "l2_dropout_jacobian": tuple(
        (
            Term.build("l2", {"strength": s}),
            Term.build("dropout", {"p": 0.5}),
            Term.build("jacobian", {"strength": s}),
        )
        for s in (5e-4, 1e-2)
    ),
}


def run(
    terms: tuple[Term, ...], seed: int, *, steps: int, model: str = "lenet5", **training: object
) -> RunConfig:
    """A short run on 400 digits: 34 steps an epoch, of which the last has 4 examples."""
    settings = {"steps": steps, "batch_size": 12, "lr": 0.02} | training
    return RunConfig(
        data=DataConfig(name="digits", per_class=40),
        model=model,
        regularizer="case",
        terms=terms,
        training=Training(**settings),
        evaluation=Evaluation(every=1000, train_examples=100, predictions=False),
        seed=seed,
    )


def pack(case: str, *, steps: int, **training: object) -> list[RunConfig]:
    """Two strengths with one seed, and another seed."""
    weak, strong = CASES[case]
    return [
        run(terms, seed, steps=steps, **training) for terms, seed in ((weak, 0), (strong, 0), (strong, 1))
    ]


def trained(runs: list[RunConfig], folder: Path, **options: object) -> dict[str, Tensor]:
    """The weights after training `runs` in `folder`."""
    paths = PackPaths(folder)
    status = train_pack(runs, paths, **options)
    assert status.state == "done"
    weights: dict[str, Tensor] = torch.load(paths.weights, weights_only=True)["model"]
    return weights

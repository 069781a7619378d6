"""One case or more a technique, with two strengths each: what the contracts of a pack are tested on."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor

from regularize import models
from regularize.config import Evaluation, RunConfig, Term
from regularize.data.data_config import DataConfig
from regularize.draws import Draws
from regularize.objective import Objective, bind
from regularize.store import PackPaths
from regularize.train_pack import train_pack
from regularize.training_config import Training

Terms = tuple[Term, ...]


def each(technique: str, name: str, weak: float, strong: float, **options: object) -> tuple[Terms, Terms]:
    """The terms of one technique at two strengths."""
    return tuple((Term.build(technique, {name: value, **options}),) for value in (weak, strong))


def together(*cases: tuple[Terms, Terms]) -> tuple[Terms, Terms]:
    """The terms of several techniques at once."""
    return tuple(tuple(term for terms in level for term in terms) for level in zip(*cases, strict=True))


# name → the terms of two strengths
CASES: dict[str, tuple[Terms, Terms]] = {
    "none": ((), ()),
    "l1": each("l1", "strength", 1e-4, 1e-3),
    "l2": each("l2", "strength", 1e-3, 1e-2),
    "elastic_net": each("elastic_net", "l1", 1e-4, 1e-3, l2=1e-2),
    "soft_svb": each("soft_svb", "strength", 1e-3, 1e-2),
    "hard_svb": each("hard_svb", "epsilon", 0.01, 0.5, every=10),
    "jacobian": each("jacobian", "strength", 0.01, 0.1),
    "jacobian_input": each("jacobian", "strength", 0.01, 0.1, estimator="input"),
    "jacobian_exact": each("jacobian", "strength", 0.01, 0.1, projections="exact"),
    "determinant_log": each("jacobian_determinant", "strength", 1e-6, 1e-5, form="log"),
    "determinant_volume": each("jacobian_determinant", "strength", 0.01, 0.1, form="volume"),
    "determinant_signed": each("jacobian_determinant", "strength", 0.01, 0.1, form="signed"),
    "dropout": each("dropout", "p", 0.2, 0.5),
    "confidence_penalty": each("confidence_penalty", "beta", 0.1, 0.5),
    "confidence_hinge": each("confidence_penalty", "beta", 0.1, 0.5, threshold=2.3),
    "label_smoothing": each("label_smoothing", "epsilon", 0.1, 0.3),
    "input_noise": each("input_noise", "sigma", 0.1, 0.5),
    "weight_noise": each("weight_noise", "sigma", 0.01, 0.05),
    "relative_noise": together(
        each("input_noise", "sigma", 0.1, 0.5, units="normalised", distribution="uniform"),
        each("weight_noise", "sigma", 0.1, 0.3, units="relative", distribution="uniform"),
    ),
    "l2_dropout_jacobian": together(
        each("l2", "strength", 5e-4, 1e-2),
        each("dropout", "p", 0.5, 0.5),
        each("jacobian", "strength", 5e-4, 1e-2),
    ),
    "all_scheduled": together(
        each("elastic_net", "l1", 1e-4, 1e-3, l2=1e-2, warmup=0.2),
        each("soft_svb", "strength", 1e-3, 1e-2, warmup=1),
        each("hard_svb", "epsilon", 0.1, 0.5, every=30, schedule="cosine"),
        each("jacobian", "strength", 0.01, 0.1, projections=2, warmup=0.2, schedule="cosine"),
        each("dropout", "p", 0.2, 0.5, layers=["fc2"], schedule="cosine"),
        each("confidence_penalty", "beta", 0.1, 0.5, warmup=1),
        each("label_smoothing", "epsilon", 0.1, 0.3, schedule="cosine"),
        each("input_noise", "sigma", 0.1, 0.5, warmup=0.5),
        each("weight_noise", "sigma", 0.01, 0.05, schedule="cosine"),
    ),
}

# Most cases train LeNet-5 on digits. These have a model of their own: the plane for volumes that are
# worth something, the recurrent network for the Jacobian of what is not a `Chain`, and the
# fully connected one where ten directions through convolutions in float64 take too long.
MLP, PLANE, RECURRENT = (
    {"model": model, "data": data}
    for model, data in (("mlp", "digits"), ("toy_plane", "clusters"), ("toy_rnn", "clusters"))
)
ELSEWHERE: dict[str, dict[str, str]] = {
    "jacobian_exact": MLP,
    "determinant_log": MLP,
    "determinant_volume": RECURRENT,
    "determinant_signed": PLANE,
    "confidence_hinge": MLP,
}


def run(
    terms: Terms,
    seed: int,
    *,
    steps: int,
    model: str = "lenet5",
    data: str = "digits",
    per_class: int = 40,
    resize: int | None = None,
    **training: object,
) -> RunConfig:
    """A short run on 400 digits: 34 steps an epoch, of which the last has 4 examples."""
    settings = {"steps": steps, "batch_size": 12, "lr": 0.02} | training
    return RunConfig(
        data=DataConfig(name=data, per_class=per_class, resize=resize),
        model=model,
        regularizer="case",
        terms=terms,
        training=Training(**settings),
        evaluation=Evaluation(every=1000, train_examples=100, predictions=False, jacobian_examples=0),
        seed=seed,
    )


def pack(case: str, *, steps: int, **training: object) -> list[RunConfig]:
    """Two strengths with one seed, and another seed."""
    weak, strong = CASES[case]
    settings = ELSEWHERE.get(case, {}) | training
    return [
        run(terms, seed, steps=steps, **settings) for terms, seed in ((weak, 0), (strong, 0), (strong, 1))
    ]


def uneven(case: str) -> list[RunConfig]:
    """A short pack of which every epoch ends in a batch of one example."""
    return pack(case, steps=4, per_class=1, batch_size=3, precision="float64")


def trained(runs: list[RunConfig], folder: Path, **options: object) -> dict[str, Tensor]:
    """The weights after training `runs` in `folder`."""
    paths = PackPaths(folder)
    status = train_pack(runs, paths, **options)
    assert status.state == "done"
    weights: dict[str, Tensor] = torch.load(paths.weights, weights_only=True)["model"]
    return weights


def objective(
    runs: list[RunConfig],
    *,
    batch: int = 4,
    step: int = 0,
    progress: float = 0.0,
    model: torch.nn.Module | None = None,
) -> tuple[Objective, Callable[[], Tensor], Tensor, Tensor]:
    """The loss of `runs` as a function of the parameters, on a fixed random batch in float64.

    Also the batch: inputs [R, B, …] and labels [R, B]. `model` is the network if not a new one.
    """
    seeds = [config.seed for config in runs]
    shape, classes = ((2,), 4) if runs[0].data.name == "clusters" else ((1, 28, 28), 10)
    network = model or models.build(runs[0].model, seeds, shape=shape, classes=classes).double()
    pixel = torch.full((1,) * len(shape), 3.0, dtype=torch.float64)
    module = Objective(network, bind(runs, "cpu"), pixel=pixel)
    source = torch.Generator().manual_seed(1)
    x = torch.randn(len(runs), batch, *shape, generator=source, dtype=torch.float64)
    labels = torch.randint(classes, (len(runs), batch), generator=source)
    draws = Draws(seeds=seeds, step=step, global_batch=batch, local=slice(None), dtype=torch.float64)
    return module, lambda: module(x, labels, draws, 1 / batch, progress), x, labels


def parameter_gradients(module: Objective, losses: Tensor) -> dict[str, Tensor]:
    """∂ Σ losses / ∂ parameters, by name."""
    named = dict(module.model.named_parameters())
    found = torch.autograd.grad(losses.sum(), list(named.values()))
    return dict(zip(named, found, strict=True))

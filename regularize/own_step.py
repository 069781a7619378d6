"""One step of training of someone else's module or technique on two random examples: what becomes of it."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from regularize import models
from regularize.config import RunConfig
from regularize.convolutions import convolutions
from regularize.distributed import Ranks
from regularize.draws import Draws
from regularize.errors import UserError
from regularize.models.network import Network
from regularize.objective import BoundTerm, Objective, bind
from regularize.pack_network import check_jacobians, check_weights
from regularize.regularizers.hooks import StepEnd

EXAMPLES = 2


def take_step(
    runs: Sequence[RunConfig],
    shape: models.Shape,
    classes: int,
    network: Network | None = None,
    step: int = 0,
    examples: int = EXAMPLES,
) -> Tensor:
    """The losses [R] of one step on random examples, the same for all runs; gradients are in the network.

    Raises:
        UserError: techniques are not for this module. Whatever it raises itself comes as it is.
    """
    config, seeds = runs[0], [run.seed for run in runs]
    if network is None:
        network = models.build(config.model, seeds, shape=shape, classes=classes)
    model = network
    terms = bind(runs, "cpu", lambda: convolutions(model, shape))
    for term in config.terms:
        term.check_fit(network.outline(shape, classes))
    check_jacobians(config, network, terms)
    check_weights(config, network, terms)
    dtype = next(network.parameters()).dtype
    images = len(shape) == 3
    pixel = torch.ones(shape[0], *[1] * (len(shape) - 1), dtype=dtype)
    bounds = (-3 * pixel, 3 * pixel) if images else None
    source = torch.Generator().manual_seed(step)
    x = torch.randn(examples, *shape, generator=source).to(dtype).expand(len(runs), -1, *shape)
    labels = torch.arange(examples).remainder(classes).expand(len(runs), -1)

    def take(positions: Tensor) -> tuple[Tensor, Tensor]:
        return x[0][positions], labels[0][positions]

    draws = Draws(seeds=seeds, step=step, global_batch=examples, local=slice(None), dtype=dtype)
    with torch.no_grad():
        for bound in terms:
            if bound.hooks.remember:
                bound.hooks.remember(model.weights(), bound.given)
    network.zero_grad()
    with network.in_training(draws, Ranks.here(), counts=True):
        losses: Tensor = Objective(network, terms, pixel, bounds)(x, labels, draws, 1 / examples, 0.0, take)
        before = torch.get_rng_state()
        torch.autograd.backward(losses.sum())
        if len(runs) > 1 and not torch.equal(torch.get_rng_state(), before):
            raise UserError(
                "the module draws random numbers in the backward pass: runs side by side would share them"
            )
    _act(terms, model, draws)
    return losses.detach()


def _act(terms: Sequence[BoundTerm], network: Network, draws: Draws) -> None:
    """Call what acts on gradients and weights after a pass, on copies of both."""
    named = network.named_parameters()
    gradients = {name: each.grad.clone() for name, each in named if each.grad is not None}
    weights = {name: each.detach().clone() for name, each in network.weights().items()}
    runs = torch.ones(len(draws.seeds), dtype=draws.dtype)
    end = StepEnd(step=1, steps=1, reach=lambda _name: 0.1, rates=0.1 * runs)
    with torch.no_grad():
        for hooks, given in ((term.hooks, term.given.at(0.0)) for term in terms):
            if hooks.start:
                hooks.start(weights, given)
            if hooks.ascend:
                hooks.ascend(gradients, given)
            if hooks.gradients:
                hooks.gradients(gradients, given, draws)
            for act in (hooks.before_step, hooks.after_step, hooks.project):
                if act:
                    act(weights, given, end)
            if hooks.keep:
                hooks.keep(given, end)
            if hooks.watch:
                hooks.watch(runs, runs, given)
            if hooks.evaluated:
                hooks.evaluated(weights, given)

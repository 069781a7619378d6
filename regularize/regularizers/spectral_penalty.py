"""Spectral norm regularization: (λ/2) Σ_layers σ(W)², σ the largest singular value.

Convolution kernels are taken as (out, in·k·k) matrices, as in the paper; with `convolutions: operator` σ is
that of what the layer does to images, padding and edges as they are, which is up to k times as large.
σ = uᵀWv, u and v being the leading singular vectors: exact at the start (of operators after 100 steps of the
power method), then brought up to date by one step of the power method after every step, so that they follow
W; where two singular values are nearly equal, as the penalty makes them, σ may be some percent low. u and v
count as constants, so that the gradient is λ·σ·uvᵀ. Does nothing at λ = 0.

Cost: 1.22 of a plain step, 1.5 with `convolutions: operator`.
Figures: `spectra`, `robustness_curves`.

References:
    Yoshida and Miyato, Spectral norm regularization for improving the generalizability of deep learning,
    2017 (arXiv 1705.10941).
"""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor

from regularize.convolutions import Convolution
from regularize.regularizers.hooks import Given, Hooks, Pass, StepEnd, Weights
from regularize.run_by_run import svd, total


def remember(weights: Weights, given: Given) -> None:
    """Note the leading singular vectors of every layer; of an operator, the image and ∂σ/∂W."""
    operators = operators_of(given)
    for name, weight in weights.items():
        if name in operators:
            found = operators[name].begin(weight)
            given.memory[f"image {name}"], given.memory[f"slope {name}"] = found
            continue
        left, _, right = svd(weight)
        given.memory[f"left {name}"], given.memory[f"right {name}"] = (
            left[:, :, 0].clone(),
            right[:, 0].clone(),
        )


def after_step(weights: Weights, given: Given, _end: StepEnd) -> None:
    """Let them follow the weights."""
    operators = operators_of(given)
    for name, weight in weights.items():
        if name in operators:
            found = operators[name].follow(given.memory[f"image {name}"], weight)
            given.memory[f"image {name}"], given.memory[f"slope {name}"] = found
            continue
        left = _unit(_times(weight, given.memory[f"right {name}"]))
        given.memory[f"left {name}"] = left
        given.memory[f"right {name}"] = _unit(_times(weight.transpose(1, 2).contiguous(), left))


def operators_of(given: Given) -> Mapping[str, Convolution]:
    """The layers whose σ is that of an operator, by parameter name."""
    return given.convolutions() if given.options["convolutions"] == "operator" else {}


def norm(weight: Tensor, name: str, given: Given) -> Tensor:
    """σ of a layer's weights [R, out, in], [R]."""
    if (slope := given.memory.get(f"slope {name}")) is not None:
        return (weight * slope).flatten(1).sum(1)
    left, right = given.memory[f"left {name}"], given.memory[f"right {name}"]
    return (left * _times(weight, right)).sum(1)


def penalty(state: Pass, given: Given) -> Tensor:
    sigmas = (norm(weight, name, given) for name, weight in state.weights.items())
    return given.strengths["strength"] / 2 * total(sigma.square() for sigma in sigmas)


def _times(matrices: Tensor, vectors: Tensor) -> Tensor:
    """[R, m, n] by [R, n]: [R, m], in an order that hangs on no other run, as a product's would."""
    return (matrices * vectors.unsqueeze(1)).sum(2)


def _unit(vectors: Tensor) -> Tensor:
    return vectors / vectors.square().sum(1, keepdim=True).sqrt().clamp(min=1e-30)


HOOKS = Hooks(remember=remember, penalty=penalty, after_step=after_step)

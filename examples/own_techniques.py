"""Techniques of one's own, each a row that a sweep names as `technique: own_techniques:NAME`.

    PYTHONPATH=examples regularize submit examples/own_techniques.yaml

Where a technique can act, and on what: `regularize/regularizers/hooks.py`; the project's own beside it are
further examples. `regularize.testing.check_technique` holds one to the contract of them all.
"""

from __future__ import annotations

from torch import Tensor

from regularize.draws import Draws
from regularize.regularizers import Strength, Technique
from regularize.regularizers.hooks import Given, Hooks, Pass, Weights
from regularize.run_by_run import total


def gradient_norm(state: Pass, given: Given) -> Tensor:
    """(λ/2) Σ ‖∂L/∂W‖², L the mean cross-entropy of the batch, over all layers' weights W: [R].

    Barrett and Dherin, Implicit gradient regularization, 2021 (arXiv 2009.11162).
    """
    squares = total(g.square().flatten(1).sum(1) for g in state.weight_gradients().values())
    return given.strengths["strength"] / 2 * squares


GRADIENT_NORM = Technique(
    "Gradient norm",
    strengths={"strength": Strength(meaning="λ of (λ/2) Σ ‖∂L/∂W‖²")},
    family="Jacobian",
    symbol="λ",
    cost=2.0,
    hooks=Hooks(penalty=gradient_norm, differentiates_weights=True),
)


def brightness(x: Tensor, pixel: Tensor, given: Given, draws: Draws) -> Tensor:
    """Every image x [R, B, C, H, W] brighter or darker by up to `by` of the range of its pixels."""
    uniform = draws.uniform_per_example("brightness", (1, 1, 1))
    return x + given.over("by", x) * (2 * uniform - 1) * pixel


BRIGHTNESS = Technique(
    "Brightness",
    strengths={"by": Strength(meaning="largest change, in pixels of range [0, 1]", high=1.0)},
    family="data",
    hooks=Hooks(inputs=brightness),
)


def noise(gradients: Weights, given: Given, draws: Draws) -> None:
    """N(0, σ²) on every number of the gradients [R, …], by parameter name, in place.

    Neelakantan et al., Adding gradient noise improves learning for very deep networks, 2015
    (arXiv 1511.06807).
    """
    for name, gradient in gradients.items():
        drawn = draws.noise("normal", f"gradient noise/{name}", gradient.shape[1:])
        gradient += given.over("sigma", gradient) * drawn


GRADIENT_NOISE = Technique(
    "Gradient noise",
    strengths={"sigma": Strength(meaning="σ of every number of the gradient")},
    family="noise",
    symbol="σ",
    cost=0.1,
    hooks=Hooks(gradients=noise),
)

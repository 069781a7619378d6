"""Spectral normalisation: layers compute with c·W/σ(W), σ the largest singular value, so that theirs is c.

Convolution kernels are taken as (out, in·k·k) matrices, as in the paper, whose c is 1; with `convolutions:
operator` σ is that of what the layer does to images, which is what bounds a network. σ is that of
`spectral_penalty`, by the power method, here with its gradient: W is trained through the quotient. What is
evaluated has σ by its singular value decomposition, or of operators by 100 further steps of the power method
(`evaluated` says so). The start is as without it, but for the scale. There is no strength at which it does
nothing.

Cost: 1.22 of a plain step, 1.5 with `convolutions: operator`.
Figures: `spectra`, `robustness_curves`.

References:
    Miyato, Kataoka, Koyama, Yoshida, Spectral normalization for generative adversarial networks, 2018
    (arXiv 1802.05957).
    Of operators: Sedghi, Gupta, Long, The singular values of convolutional layers, 2019 (arXiv 1805.10408);
    their Fourier transform is of circular padding, for which a network's own padding is only bounded.
"""

from __future__ import annotations

from torch import Tensor

from regularize.convolutions import ROUNDS
from regularize.draws import Draws
from regularize.regularizers import spectral_penalty
from regularize.regularizers.hooks import Given, Hooks, Weights
from regularize.run_by_run import singular_values


def weight(name: str, w: Tensor, given: Given, _draws: Draws) -> Tensor:
    sigma = spectral_penalty.norm(w.flatten(2), name, given)
    return w * (given.strengths["bound"].to(w.dtype) / sigma).view(-1, *[1] * (w.ndim - 1))


def evaluated(weights: Weights, given: Given) -> None:
    operators = spectral_penalty.operators_of(given)
    for name, matrix in weights.items():
        finite = matrix.isfinite().flatten(1).all(1).view(-1, 1, 1)
        sound = matrix.where(finite, 1.0)
        if name in operators:
            image = given.memory[f"image {name}"].where(finite.unsqueeze(-1), 1.0)
            _, slope = operators[name].follow(image, sound, ROUNDS)
            sigma = (sound * slope).flatten(1).sum(1).view(-1, 1, 1)
        else:
            sigma = singular_values(sound)[:, :1].unsqueeze(-1)
        matrix.mul_((given.over("bound", matrix) / sigma).where(finite, 1.0))


HOOKS = Hooks(
    remember=spectral_penalty.remember,
    weight=weight,
    after_step=spectral_penalty.after_step,
    evaluated=evaluated,
)

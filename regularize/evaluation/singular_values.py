"""What can be said of weights alone: singular values, zeros, size."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from regularize import run_by_run


def singular_values(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """By layer, descending, [R, min(out, in·k·k)] in double precision; NaN where weights are not finite."""
    return {name.removesuffix(".weight"): _values(weight.detach()) for name, weight in weights.items()}


def _values(weight: Tensor) -> Tensor:
    finite = weight.isfinite().flatten(1).all(1)[:, None]
    values = run_by_run.singular_values(torch.where(finite[:, :, None], weight, 0.0).double())
    return torch.where(finite, values, torch.nan)


def summary(weights: Mapping[str, Tensor], spectra: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Measures [R] by name: sparsity, weight_norm, spectral_norm_max, spectral_norm_product."""
    flat = torch.cat([weight.detach().flatten(1) for weight in weights.values()], 1).double()
    largest = torch.stack([values[:, 0] for values in spectra.values()], 1)
    return {
        "sparsity": (flat == 0).double().mean(1),
        "weight_norm": flat.norm(dim=1),
        "spectral_norm_max": largest.amax(1),
        "spectral_norm_product": largest.prod(1),
    }

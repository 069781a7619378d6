"""Every random draw as a pure function of (seed, purpose, step).

Nothing has to be saved to resume exactly, and neither pack mates nor the number of ranks can
change a draw. Purposes in use: init/<layer>, split, subset, order, sample, dropout/<layer>,
input_noise, weight_noise/<layer>, projections, test_sample, robustness, figures, planes; init and
module/<pass>/<draw> for modules without the run axis.
"""

from __future__ import annotations

import hashlib

import torch


def generator(seed: int, purpose: str, step: int = 0) -> torch.Generator:
    """A CPU generator whose stream depends on the three arguments alone."""
    text = f"{seed}/{purpose}/{step}".encode()
    state = int.from_bytes(hashlib.blake2b(text, digest_size=8).digest(), "big")
    return torch.Generator().manual_seed(state % 2**63)


def seed_torch(seed: int, device: torch.device) -> None:
    """Seed torch's own generators, of the host and of this device.

    `torch.manual_seed` sees to every kind of device that there could be: 0.3 ms at each step where none is.
    """
    torch.default_generator.manual_seed(seed)
    if device.type == "cuda":
        torch.cuda.manual_seed(seed)

"""The noise of one training step of a pack."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from regularize.rng import generator


@dataclass(frozen=True, kw_only=True)
class Draws:
    """Random tensors of one step: each run's from its own seed, whatever its pack mates.

    Draws for examples are made for the global batch and then cut to this rank's `local` part, so
    that the number of ranks changes nothing. Runs with one seed get one and the same draw.
    """

    seeds: Sequence[int]
    step: int
    global_batch: int
    local: slice
    dtype: torch.dtype = torch.float32
    device: torch.device | str = "cpu"

    def normal(self, purpose: str, shape: Sequence[int]) -> Tensor:
        """Standard normal numbers, [R, *shape]."""
        return self._stack(purpose, torch.randn, tuple(shape), slice(None))

    def normal_per_example(self, purpose: str, shape: Sequence[int]) -> Tensor:
        """Standard normal numbers, [R, B, *shape] with B the local batch."""
        return self._stack(purpose, torch.randn, (self.global_batch, *shape), self.local)

    def uniform_per_example(self, purpose: str, shape: Sequence[int]) -> Tensor:
        """Numbers uniform on [0, 1), [R, B, *shape] with B the local batch."""
        return self._stack(purpose, torch.rand, (self.global_batch, *shape), self.local)

    def _stack(
        self, purpose: str, draw: Callable[..., Tensor], shape: tuple[int, ...], part: slice
    ) -> Tensor:
        drawn = {
            seed: draw(shape, generator=generator(seed, purpose, self.step), dtype=self.dtype)[part]
            for seed in dict.fromkeys(self.seeds)
        }
        return torch.stack([drawn[seed] for seed in self.seeds]).to(self.device)

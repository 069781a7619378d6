"""The noise of one training step of a pack."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from regularize.rng import generator


def _standard_uniform(shape: tuple[int, ...], **options: Any) -> Tensor:
    return torch.rand(shape, **options).sub_(0.5).mul_(math.sqrt(12))


_STANDARD: dict[str, Callable[..., Tensor]] = {"normal": torch.randn, "uniform": _standard_uniform}


@dataclass(frozen=True, kw_only=True)
class Draws:
    """Random tensors of one step: each run's from its own seed, whatever its pack mates.

    Draws for examples are made for the global batch and then cut to this rank's `local` part, so
    that the number of ranks changes nothing. Runs with one seed get one and the same draw.
    """

    seeds: Sequence[int]
    step: int
    global_batch: int
    local: slice | Tensor
    """Of the global batch; as a tensor of positions [R, B] each run's own part."""
    dtype: torch.dtype = torch.float32
    device: torch.device | str = "cpu"

    def noise(self, distribution: str, purpose: str, shape: Sequence[int]) -> Tensor:
        """Numbers of mean 0 and standard deviation 1, `normal` or `uniform`, [R, *shape]."""
        return self._stack(purpose, _STANDARD[distribution], tuple(shape), slice(None))

    def noise_per_example(self, distribution: str, purpose: str, shape: Sequence[int]) -> Tensor:
        """The same, [R, B, *shape] with B the local batch."""
        return self._stack(purpose, _STANDARD[distribution], (self.global_batch, *shape), self.local)

    def normal_per_example(self, purpose: str, shape: Sequence[int]) -> Tensor:
        """Standard normal numbers, [R, B, *shape] with B the local batch."""
        return self.noise_per_example("normal", purpose, shape)

    def uniform_per_example(self, purpose: str, shape: Sequence[int]) -> Tensor:
        """Numbers uniform on [0, 1), [R, B, *shape] with B the local batch."""
        return self._stack(purpose, torch.rand, (self.global_batch, *shape), self.local)

    def uniform(self, purpose: str, shape: Sequence[int] = ()) -> Tensor:
        """Numbers uniform on [0, 1), [R, *shape], the same for all examples."""
        return self._stack(purpose, torch.rand, tuple(shape), slice(None))

    def permutation(self, purpose: str) -> Tensor:
        """Of the global batch: for each example of the local one the position of another, [R, B]."""

        def draw(shape: tuple[int, ...], *, generator: torch.Generator, dtype: torch.dtype) -> Tensor:
            return torch.randperm(*shape, generator=generator)

        return self._stack(purpose, draw, (self.global_batch,), self.local)

    def at(self, positions: Tensor) -> Draws:
        """The draws of the examples at `positions` [R, B] of the global batch."""
        return replace(self, local=positions)

    def _stack(
        self, purpose: str, draw: Callable[..., Tensor], shape: tuple[int, ...], part: slice | Tensor
    ) -> Tensor:
        drawn = {
            seed: draw(shape, generator=generator(seed, purpose, self.step), dtype=self.dtype)
            for seed in dict.fromkeys(self.seeds)
        }
        if isinstance(part, Tensor):
            found = [drawn[seed][rows] for seed, rows in zip(self.seeds, part.cpu(), strict=True)]
        else:
            found = [drawn[seed][part] if shape else drawn[seed] for seed in self.seeds]
        return torch.stack(found).to(self.device)

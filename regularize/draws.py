"""The noise of one training step of a pack.

On a CPU it is drawn by torch's generator, mt19937, a run after the other; elsewhere by `philox`, all runs at
once and where it is needed, unless `draw_setting` says otherwise. Which of them drew is a part of the way
that a result was computed: the column `kernels`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from regularize import philox
from regularize.rng import generator


def _standard_uniform(shape: tuple[int, ...], **options: Any) -> Tensor:
    return _standard(torch.rand(shape, **options))


def _standard(uniform: Tensor) -> Tensor:
    return uniform.sub_(0.5).mul_(math.sqrt(12))


def _permutation(shape: tuple[int, ...], *, generator: torch.Generator, dtype: torch.dtype) -> Tensor:
    return torch.randperm(*shape, generator=generator)


_BY_MT19937: dict[str, Callable[..., Tensor]] = {
    "normal": torch.randn,
    "uniform": _standard_uniform,
    "share": torch.rand,
    "permutation": _permutation,
}


@dataclass(frozen=True, kw_only=True)
class Draws:
    """Random tensors of one step: each run's from its own seed, whatever its pack mates.

    Draws for examples are made for the global batch and then cut to this rank's `local` part, so
    that the number of ranks changes nothing. Runs with one seed get one and the same draw.
    """

    seeds: Sequence[int]
    step: int | Tensor
    """A number; for `philox` also [] int64 on the device."""
    global_batch: int
    local: slice | Tensor
    """Of the global batch; as a tensor of positions [R, B] each run's own part."""
    dtype: torch.dtype = torch.float32
    device: torch.device | str = "cpu"
    keys: philox.Keys | None = None
    """What `philox` draws by; None: mt19937 draws."""

    @property
    def host_step(self) -> int:
        """The step where the host draws, which knows its number."""
        assert isinstance(self.step, int)
        return self.step

    @property
    def on_host(self) -> bool:
        """Whether the host knows what is drawn: else it would have to wait for the device."""
        return self.keys is None

    def noise(self, distribution: str, purpose: str, shape: Sequence[int]) -> Tensor:
        """Numbers of mean 0 and standard deviation 1, `normal` or `uniform`, [R, *shape]."""
        return self._drawn(distribution, purpose, tuple(shape), None)

    def noise_per_example(self, distribution: str, purpose: str, shape: Sequence[int]) -> Tensor:
        """The same, [R, B, *shape] with B the local batch."""
        return self._drawn(distribution, purpose, tuple(shape), self.local)

    def normal_per_example(self, purpose: str, shape: Sequence[int]) -> Tensor:
        """Standard normal numbers, [R, B, *shape] with B the local batch."""
        return self.noise_per_example("normal", purpose, shape)

    def uniform_per_example(self, purpose: str, shape: Sequence[int]) -> Tensor:
        """Numbers uniform on [0, 1), [R, B, *shape] with B the local batch."""
        return self._drawn("share", purpose, tuple(shape), self.local)

    def uniform(self, purpose: str, shape: Sequence[int] = ()) -> Tensor:
        """Numbers uniform on [0, 1), [R, *shape], the same for all examples."""
        return self._drawn("share", purpose, tuple(shape), None)

    def permutation(self, purpose: str) -> Tensor:
        """Of the global batch: for each example of the local one the position of another, [R, B]."""
        return self._drawn("permutation", purpose, (), self.local)

    def at(self, positions: Tensor) -> Draws:
        """The draws of the examples at `positions` [R, B] of the global batch."""
        return replace(self, local=positions)

    def _drawn(self, kind: str, purpose: str, shape: tuple[int, ...], part: slice | Tensor | None) -> Tensor:
        """[R, *shape], or [R, B, *shape] for the `part` of the global batch that has B examples."""
        if self.keys:
            return self._by_philox(self.keys, kind, purpose, shape, part)
        draw = _BY_MT19937[kind]
        step = self.host_step
        whole = shape if part is None else (self.global_batch, *shape)
        drawn = {
            seed: draw(whole, generator=generator(seed, purpose, step), dtype=self.dtype)
            for seed in dict.fromkeys(self.seeds)
        }
        if isinstance(part, Tensor):
            found = [drawn[seed][rows] for seed, rows in zip(self.seeds, part.cpu(), strict=True)]
        else:
            found = [drawn[seed] if part is None else drawn[seed][part] for seed in self.seeds]
        return torch.stack(found).to(self.device)

    def _by_philox(
        self,
        keys: philox.Keys,
        kind: str,
        purpose: str,
        shape: tuple[int, ...],
        part: slice | Tensor | None,
    ) -> Tensor:
        """The same; of the examples those of the `part` alone are drawn."""
        everyone = keys.places(self.global_batch)
        if kind == "permutation":
            high, low = keys.words(purpose, self.step, everyone, 2).unbind(-1)
            order: Tensor = ((high << 31) ^ low).argsort(dim=1, stable=True)
            return order.gather(1, part) if isinstance(part, Tensor) else order[:, part]
        examples = part if isinstance(part, Tensor) else keys.places(1) if part is None else everyone[part]
        count, runs = math.prod(shape), (len(self.seeds),)
        numbers = 2 * -(-count // 2) * philox.words_each(self.dtype)
        found = keys.words(purpose, self.step, examples, numbers)
        drawn = philox.normal(found, self.dtype) if kind == "normal" else philox.uniform(found, self.dtype)
        drawn = drawn[..., :count].reshape(runs + (() if part is None else examples.shape[-1:]) + shape)
        return _standard(drawn) if kind == "uniform" else drawn

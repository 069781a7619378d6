"""What torch's draws in place write, made of `philox`'s numbers: on any device, copying nothing to it."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from regularize import philox
from regularize.philox import Keys, Word

_OF_SHARES: Mapping[str, Callable[..., Tensor]] = {
    "bernoulli_": lambda share, p=0.5: share < p,
    "cauchy_": lambda share, median=0.0, sigma=1.0: median + sigma * (math.pi * (share - 0.5)).tan(),
    "exponential_": lambda share, rate=1.0: (-share).log1p() / -rate,
    "geometric_": lambda share, p: ((-share).log1p() / math.log1p(-p)).floor() + 1,
    "uniform_": lambda share, low=0.0, high=1.0: low + (high - low) * share,
}
_OF_NORMAL: Mapping[str, Callable[..., Tensor]] = {
    "log_normal_": lambda normal, mean=1.0, deviation=2.0: (mean + deviation * normal).exp(),
    "normal_": lambda normal, mean=0.0, deviation=1.0: mean + deviation * normal,
}
METHODS = (*_OF_SHARES, *_OF_NORMAL, "random_")


def filled(
    keys: Keys, purpose: str, step: Word, shape: Sequence[int], method: str, given: Sequence[Any], dtype: Any
) -> Tensor:
    """What a method of `METHODS` that is given this writes to a tensor, [R, *shape]: to each run its own.

    Raises:
        RuntimeError: in torch's words, what it is given makes no sense.
    """
    getattr(torch.empty(0, dtype=dtype), method)(*given)
    count = math.prod(shape)
    exact = dtype if dtype == torch.float64 else torch.float32

    def words(numbers: int) -> Tensor:
        return keys.words(purpose, step, keys.places(1), numbers)

    if method == "random_":
        found = _integers(words(2 * count), dtype, *given)
    elif method in _OF_NORMAL:
        pairs = words(2 * -(-count // 2) * philox.words_each(exact))
        found = _OF_NORMAL[method](philox.normal(pairs, exact)[..., :count], *given)
    else:
        shares = philox.uniform(words(count * philox.words_each(exact)), exact)
        found = _OF_SHARES[method](shares, *given)
    return found.to(dtype).reshape(len(keys.seeds), *shape)


def _integers(words: Tensor, dtype: torch.dtype, *bounds: int | None) -> Tensor:
    """From the first of two bounds, or 0, to below the last one, or the largest that the type has."""
    first = bounds[0] or 0 if len(bounds) == 2 else 0
    end = bounds[-1] if bounds else None
    if end is None:
        largest = (
            2 ** round(1 - math.log2(torch.finfo(dtype).eps))
            if dtype.is_floating_point
            else (1 if dtype == torch.bool else torch.iinfo(dtype).max)
        )
        end = largest + 1
    high, low = words.chunk(2, -1)
    number = (high << 31) ^ low  # of 63 bits
    return first + (number % (end - first) if end - first < 2**63 else number)

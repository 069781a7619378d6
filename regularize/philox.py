"""Random numbers as a function of a counter: Philox4x32-10, in integer arithmetic of tensors.

All seeds of a pack at once and on the device that trains, so that nothing is copied to it. A number is a
function of (seed, purpose, step, place of the example in the global batch, place in the example) and of how
many are drawn for an example, and so of neither mates nor ranks. Its bits are the same on every device: the
products of 32-bit numbers are 64-bit ones. What is normal goes through a logarithm and a cosine, which
devices round each in its own way.

References:
    Salmon, Moraes, Dror, Shaw, Parallel random numbers: as easy as 1, 2, 3, 2011.
    Box and Muller, A note on the generation of random normal deviates, 1958.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence

import torch
from torch import Tensor

Word = Tensor | int
"""Of 32 bits, in an int64 tensor or as a number."""

_MULTIPLIERS = 0xD2511F53, 0xCD9E8D57
_WEYL = 0x9E3779B9, 0xBB67AE85
_MASK = 0xFFFFFFFF
_ROUNDS = 10


def words(counter: tuple[Word, Word, Word, Word], key: tuple[Word, Word]) -> list[Word]:
    """Four random words for each counter and key, which are broadcast against each other."""
    c0, c1, c2, c3 = counter
    k0, k1 = key
    for _ in range(_ROUNDS):
        high0, low0 = _product(c0, _MULTIPLIERS[0])
        high1, low1 = _product(c2, _MULTIPLIERS[1])
        # The lower words have more than 32 bits until here.
        c0, c1, c2, c3 = (high1 ^ c1 ^ k0) & _MASK, low1, (high0 ^ c3 ^ k1) & _MASK, low0
        k0, k1 = (k0 + _WEYL[0]) & _MASK, (k1 + _WEYL[1]) & _MASK
    return [c0, c1 & _MASK, c2, c3 & _MASK]


def _product(word: Word, multiplier: int) -> tuple[Word, Word]:
    """The upper and the lower word; both with more bits above these where they are tensors."""
    product = word * multiplier
    return product >> 32, product & _MASK if isinstance(product, int) else product


class Keys:
    """The keys of a pack's runs, on the device: each from its run's seed and a purpose."""

    def __init__(self, seeds: Sequence[int], device: torch.device | str) -> None:
        self.seeds, self.device = seeds, device
        self._known: dict[str, tuple[Tensor, Tensor]] = {}
        self._places: dict[int, Tensor] = {}

    def of(self, purpose: str) -> tuple[Tensor, Tensor]:
        """[R, 1, 1] each. Copied to the device when they are first asked for."""
        if purpose not in self._known:
            pairs = torch.tensor([_key(seed, purpose) for seed in self.seeds], device=self.device)
            self._known[purpose] = pairs[:, 0].view(-1, 1, 1), pairs[:, 1].view(-1, 1, 1)
        return self._known[purpose]

    def places(self, count: int) -> Tensor:
        """0, 1, …, count − 1."""
        if count not in self._places:
            self._places[count] = torch.arange(count, device=self.device)
        return self._places[count]

    def words(self, purpose: str, step: Word, examples: Tensor, count: int) -> Tensor:
        """[R, B, count] for `examples` [B] or [R, B], as places in the global batch."""
        blocks = self.places(-(-count // 4))
        rows = examples.unsqueeze(-1) if examples.ndim == 2 else examples.view(1, -1, 1)
        found = words((blocks, rows, step & _MASK, step >> 32), self.of(purpose))
        return torch.stack([word for word in found if isinstance(word, Tensor)], -1).flatten(2)[..., :count]


def _key(seed: int, purpose: str) -> tuple[int, int]:
    digest = hashlib.blake2b(f"{seed}/{purpose}".encode(), digest_size=8).digest()
    return int.from_bytes(digest[:4], "big"), int.from_bytes(digest[4:], "big")


def words_each(dtype: torch.dtype) -> int:
    """How many words a number of this type is made of."""
    return 2 if dtype == torch.float64 else 1


def uniform(found: Tensor, dtype: torch.dtype) -> Tensor:
    """Words [..., n·`words_each`] to numbers [..., n], uniform on [0, 1): multiples of 2⁻²⁴, or of 2⁻⁵³."""
    if dtype != torch.float64:
        return (found >> 8).to(dtype) * 2.0**-24
    high, low = found.chunk(2, -1)
    return (((high >> 5) << 26) + (low >> 6)).to(dtype) * 2.0**-53


def normal(found: Tensor, dtype: torch.dtype) -> Tensor:
    """Words [..., 2n·`words_each`] to standard normal numbers [..., 2n], by Box and Muller's way."""
    radius, angle = found.chunk(2, -1)
    # In (0, 1]: as near to 0 as words allow, so that far tails are there.
    if dtype == torch.float64:
        above = uniform(radius, dtype) + 2.0**-54
    else:
        above = (radius.to(dtype) + 0.5) * 2.0**-32
    length, turn = above.log_().mul_(-2).sqrt_(), uniform(angle, dtype) * (2 * math.pi)
    return torch.cat([length * turn.cos(), length * turn.sin()], -1)

"""Which gradients a backward pass is for.

Torch computes no gradients that nobody asked for, but it does not tell functions that are not its own.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

WANTED = {"images": True, "weights": True}


@contextmanager
def wanting(*, images: bool = True, weights: bool = True) -> Iterator[None]:
    """Inside, fused layers leave out the gradients of images, or those of weights and biases."""
    before = WANTED.copy()
    WANTED.update(images=images, weights=weights)
    try:
        yield
    finally:
        WANTED.update(before)

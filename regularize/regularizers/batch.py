"""The examples of a step before they are passed: what techniques that change or mix them are given."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from regularize.draws import Draws


@dataclass(frozen=True, kw_only=True)
class Batch:
    """Examples of R runs, each of which may be a mixture of two.

    Attributes:
        x: [R, B, …], normalised.
        labels: [R, B].
        pixel: [C, 1, 1], what a change of one full pixel range amounts to in x; of one unit, for points.
        bounds: what black and white pixels are in x, [C, 1, 1] each; None for points.
        other: [R, B], the labels of what was mixed into each example; None where nothing was.
        kept: [R, B], the share of each example that its own label has.
        mates: positions [R, B] in the global batch to the examples there, as the techniques before this one
            made them, whichever rank has them.
        slope: ∂ cross-entropy / ∂ x, each example's own, [R, B, …], by the network of this step.
    """

    x: Tensor
    labels: Tensor
    pixel: Tensor
    bounds: tuple[Tensor, Tensor] | None
    mates: Callable[[Tensor], Batch]
    slope: Callable[[Batch], Tensor]
    other: Tensor | None = None
    kept: Tensor | None = None

    @property
    def black(self) -> Tensor:
        """[C, 1, 1]; for points 0."""
        return self.bounds[0] if self.bounds else torch.zeros_like(self.pixel)

    def with_inputs(self, x: Tensor) -> Batch:
        return replace(self, x=x)

    def mixed(self, x: Tensor, other: Tensor, kept: Tensor) -> Batch:
        """With inputs of which a share `kept` [R, B] is of the labels, the rest of the `other` ones."""
        return replace(self, x=x, other=other, kept=kept)

    def over_labels(self, each: Callable[[Tensor], Tensor]) -> Tensor:
        """`each`(labels [R, B]) → [R, B], the mean over both labels of a mixed example."""
        own = each(self.labels)
        if self.other is None or self.kept is None:
            return own
        return self.kept * own + (1 - self.kept) * each(self.other)


def partners(batch: Batch, draws: Draws, purpose: str) -> Batch:
    """Of every example another one of the global batch, each of which is chosen once."""
    return batch.mates(draws.permutation(purpose))

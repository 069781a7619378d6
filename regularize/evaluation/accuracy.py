"""Logits, loss and accuracy."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

from regularize.evaluation.examined import Examined


def logits(examined: Examined, part: str, index: Tensor) -> Tensor:
    """Examples [R, N] of `part` to logits [R, N, K]."""

    def measure(x: Tensor, _labels: Tensor, _span: slice) -> Tensor:
        found: Tensor = examined.model(x)
        return found

    return examined.over(part, index, examined.classes, measure)


def loss_and_accuracy(outputs: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    """Mean cross-entropy in nats [R] and accuracy [R] of logits [R, N, K]."""
    losses = F.cross_entropy(outputs.transpose(1, 2), labels, reduction="none")
    correct = outputs.argmax(-1) == labels
    return losses.double().mean(1), correct.double().mean(1)

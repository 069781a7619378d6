"""What a trained network is worth: loss, accuracy and logits, without noise or dropout."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from regularize.batches import Batches

_CHUNK = 256  # examples at a time: keeps a pack of 8 LeNets below 50 MB of activations


@torch.no_grad()
def logits(model: nn.Module, batches: Batches, part: str, index: Tensor) -> tuple[Tensor, Tensor]:
    """Examples [R, N] of `part` to logits [R, N, K] and labels [R, N]."""
    pairs = [batches.take(part, chunk) for chunk in torch.split(index, _CHUNK, dim=1)]
    outputs = [model(x) for x, _ in pairs]
    return torch.cat(outputs, 1), torch.cat([labels for _, labels in pairs], 1)


def loss_and_accuracy(outputs: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    """Mean cross-entropy in nats [R] and accuracy [R] of logits [R, N, K]."""
    losses = F.cross_entropy(outputs.transpose(1, 2), labels, reduction="none").mean(1)
    accuracies = (outputs.argmax(-1) == labels).to(outputs.dtype).mean(1)
    return losses, accuracies

"""How much the logits move with the inputs: ‖∂z/∂x‖_F, x normalised as the network gets it."""

from __future__ import annotations

import torch
from torch import Tensor

from regularize.evaluation.examined import Examined


def frobenius_norms(examined: Examined, index: Tensor) -> Tensor:
    """Exact norms of the test examples [R, N]: [R, N]. Costs a backward pass for each class."""

    def measure(x: Tensor, _labels: Tensor, _span: slice) -> Tensor:
        x = x.detach().requires_grad_()
        with torch.enable_grad():
            totals = examined.model(x).sum((0, 1)).unbind()
        rows = (torch.autograd.grad(total, x, retain_graph=True)[0] for total in totals)
        squares = sum(row.flatten(2).square().sum(2) for row in rows)
        assert isinstance(squares, Tensor)
        return squares.sqrt().unsqueeze(-1)

    return examined.over("test", index, 1, measure).squeeze(-1)

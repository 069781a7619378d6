"""How far an attack has to change an image until its class is another one: in any direction.

What is found is an upper bound on the distance to the nearest boundary; a plane through the image gives one,
too, as a rule a far larger one. DeepFool walks to the nearest boundary of a linear approximation, again and
again; from where it arrives the boundary is followed towards the image: the next direction is the boundary's
normal there (or, where that does not lead closer, halfway to it), along which the crossing is bisected.
Distances are Euclidean, in pixels of range [0, 1], which may be left, as the planes leave it.

References:
    Moosavi-Dezfooli, Fawzi, Frossard, DeepFool: a simple and accurate method to fool deep neural networks,
        2016 (arXiv 1511.04599).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from torch import Tensor

    from analysis.networks.trained_network import Trained

_RIVALS = 9  # the likeliest other classes, towards which it walks
_STEPS = 50
_FURTHER = 1.02  # times the step to the linear approximation's boundary, to get across
_FOLLOWED = 6
_HALVINGS = 13


def found_distances(trained: Trained, images: Tensor) -> NDArray[np.float64]:
    """Of images [B, C, H, W]: [B]; ∞ where no other class was found."""
    import torch

    attack = _Attack(trained, images)
    far = attack.deepfool()
    inside = attack.seen_at(far) == attack.seen  # it has not got across
    offset = attack.crossing(far - attack.start)
    for _ in range(_FOLLOWED):
        normal = _unit(attack.slope(attack.start + offset))
        size, ahead = _size(offset), _unit(offset)
        for way in (normal, _unit(ahead + normal)):
            candidate = attack.crossing(way * size)
            shorter = (attack.seen_at(attack.start + way * size) != attack.seen) & (
                _size(candidate).flatten() < _size(offset).flatten()
            )
            offset = torch.where(_wide(shorter, offset), candidate, offset)
    sizes = _size(offset).flatten().double().numpy().copy()
    sizes[inside.numpy()] = np.inf
    return np.asarray(sizes, dtype=np.float64)


class _Attack:
    """On images in pixels; `seen` [B] are their classes, `rivals` [B, M] others."""

    def __init__(self, trained: Trained, images: Tensor) -> None:
        self.trained, self.pixel = trained, trained.batches.pixel
        self.start = images / self.pixel
        logits = self._logits(self.start)
        self.seen = logits.argmax(1)
        rivals = min(_RIVALS, logits.shape[1] - 1)
        self.rivals = logits.scatter(1, self.seen[:, None], -np.inf).topk(rivals, dim=1).indices

    def _logits(self, x: Tensor) -> Tensor:
        return self.trained.logits(x * self.pixel)

    def seen_at(self, x: Tensor) -> Tensor:
        """[B], the classes there."""
        found: Tensor = self._logits(x).argmax(1)
        return found

    def deepfool(self) -> Tensor:
        """Images on the other side of a boundary, where one was reached."""
        import torch

        x = self.start.clone()
        for _ in range(_STEPS):
            margins, slopes = self._margins(x)
            still = self.seen_at(x) == self.seen
            if not still.any():
                break
            sizes = slopes.flatten(2).norm(dim=2).clamp(min=1e-12)
            nearest = (margins.abs() / sizes).argmin(1)
            rows = torch.arange(len(x))
            slope, size = slopes[rows, nearest], sizes[rows, nearest]
            step = _wide((margins[rows, nearest].abs() + 1e-6) / size**2, x) * slope
            x = torch.where(_wide(still, x), x + _FURTHER * step, x)
        return x

    def slope(self, x: Tensor) -> Tensor:
        """The gradient of the largest margin [B, …]: the boundary's normal where that is 0."""
        import torch

        margins, slopes = self._margins(x)
        return slopes[torch.arange(len(x)), margins.argmax(1)]

    def _margins(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """z_rival − z_seen [B, M] and its gradients [B, M, …]."""
        import torch

        x = x.detach().requires_grad_()
        with torch.enable_grad():
            logits = self._logits(x)
            margins = logits.gather(1, self.rivals) - logits.gather(1, self.seen[:, None])
            rows = [torch.autograd.grad(each.sum(), x, retain_graph=True)[0] for each in margins.unbind(1)]
        return margins.detach(), torch.stack(rows, 1)

    def crossing(self, offset: Tensor) -> Tensor:
        """The part of an offset at whose end, as found by bisection, the class changes."""
        import torch

        low, high = torch.zeros(len(offset)).to(offset), torch.ones(len(offset)).to(offset)
        for _ in range(_HALVINGS):
            middle = (low + high) / 2
            inside = self.seen_at(self.start + _wide(middle, offset) * offset) == self.seen
            low, high = torch.where(inside, middle, low), torch.where(inside, high, middle)
        return _wide(high, offset) * offset


def _wide(values: Tensor, like: Tensor) -> Tensor:
    return values.view(-1, *[1] * (like.ndim - 1))


def _size(offset: Tensor) -> Tensor:
    return _wide(offset.flatten(1).norm(dim=1), offset)


def _unit(offset: Tensor) -> Tensor:
    return offset / _size(offset).clamp(min=1e-12)

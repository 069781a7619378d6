"""Accuracy under attack, on images. Sizes are in pixels of range [0, 1], and pixels stay in it.

White noise adds σ·n to every pixel: the same n for all runs and every σ. FGSM changes every pixel by
ε in the direction that raises the cross-entropy. PGD takes steps of that kind, each followed by
projection to within ε of the image; it starts at the image, and takes ten steps of ε/8, or where it is
told their size as many as Kurakin et al., min(1.25·ε/step, ε/step + 4). All leave an image as it is,
bit for bit, at size 0.

With m = logsumexp_{k≠y} z_k − z_y the cross-entropy is log(1 + eᵐ), so its gradient has the
direction of m's. The attacks follow m: where logits are saturated the gradient of the
cross-entropy is 0 in floating point, and that of m is not. Such examples are counted.

References:
    Goodfellow, Shlens, Szegedy, Explaining and harnessing adversarial examples, 2014 (arXiv 1412.6572).
    Kurakin, Goodfellow, Bengio, Adversarial examples in the physical world, 2016 (arXiv 1607.02533).
    Madry, Makelov, Schmidt, Tsipras, Vladu, Towards deep learning models resistant to adversarial
        attacks, 2017 (arXiv 1706.06083).
    Hoffman, Roberts, Yaida, Robust learning with Jacobian regularization, 2019 (arXiv 1908.02729).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from regularize.batches import Batches
from regularize.evaluation.examined import SEED, Examined
from regularize.evaluation.settings import ATTACKS, Robustness
from regularize.models.network import Network
from regularize.rng import generator


class Attacked(NamedTuple):
    """Accuracy [R] on so many examples, and how many of them are saturated [R] (noise: None).

    `walk` is how many steps PGD takes and how far each goes, None for other attacks and at size 0.
    """

    attack: str
    size: float
    examples: int
    accuracy: Tensor
    saturated: Tensor | None
    walk: tuple[int, float] | None = None


@dataclass(frozen=True)
class Pixels:
    """Pixels as inputs, [C, 1, 1] each: black, white, and what one full range amounts to."""

    black: Tensor
    white: Tensor
    full: Tensor

    @classmethod
    def of(cls, batches: Batches) -> Pixels:
        assert batches.bounds is not None, "points have no range to stay in"
        return cls(*batches.bounds, batches.pixel)

    def moved(self, x: Tensor, change: Tensor) -> Tensor:
        """The images `x` changed by so many pixels, without leaving their range."""
        return (x + change * self.full).clamp(self.black, self.white)


def under_attack(examined: Examined, settings: Robustness, index: Tensor) -> list[Attacked]:
    """Accuracy on the test examples [R, N] under every attack, each at size 0 first."""
    pixels = Pixels.of(examined.batches)
    noise = _noise(examined, index.shape[1])
    points = [(attack, size) for attack in ATTACKS for size in _sizes(settings, attack)]

    def measure(x: Tensor, labels: Tensor, span: slice) -> Tensor:
        outputs = examined.model(x)
        found = [saturated(outputs, labels), _correct(outputs, labels)]
        for attacked in _attacked(examined.model, x, labels, noise[span], pixels, settings):
            found.append(_correct(examined.model(attacked), labels))
        return torch.stack(found, -1).to(x.dtype)

    changed = [point for point in points if point[1] > 0]
    found = examined.over("test", index, 2 + len(changed), measure).double()
    without_gradient, clean, *accuracies = found.mean(1).unbind(-1)
    by_point = dict(zip(changed, accuracies, strict=True))
    return [
        Attacked(
            attack,
            size,
            examples=index.shape[1],
            accuracy=by_point.get((attack, size), clean),
            saturated=None if attack == "noise" else without_gradient * index.shape[1],
            walk=settings.pgd_walk(size) if attack == "pgd" and size else None,
        )
        for attack, size in points
    ]


def _sizes(settings: Robustness, attack: str) -> tuple[float, ...]:
    sizes: tuple[float, ...] = getattr(settings, attack)
    return (0.0, *sizes) if sizes else ()


def _noise(examined: Examined, count: int) -> Tensor:
    """Standard normal numbers [N, C, H, W]: another draw for each example, none for each run."""
    batches = examined.batches
    shape = (count, *batches.shape)
    return torch.randn(shape, generator=generator(SEED, "robustness"), dtype=batches.dtype).to(batches.device)


def _attacked(
    model: Network, x: Tensor, labels: Tensor, noise: Tensor, pixels: Pixels, settings: Robustness
) -> Iterator[Tensor]:
    """The images [R, B, C, H, W] under every attack, in the order of the settings."""
    for sigma in settings.noise:
        yield pixels.moved(x, sigma * noise)
    if settings.fgsm or settings.pgd:
        uphill = ascent(model, x, labels)
    for size in settings.fgsm:
        yield fgsm(x, uphill, pixels, size=size)
    for size in settings.pgd:
        steps, step_size = settings.pgd_walk(size)
        yield pgd(model, x, labels, uphill, pixels, size=size, steps=steps, step_size=step_size)


def fgsm(x: Tensor, uphill: Tensor, pixels: Pixels, *, size: float) -> Tensor:
    """Images [R, B, C, H, W] after one step of `size` pixels; `uphill` is the `ascent` at `x`."""
    return pixels.moved(x, size * uphill)


def pgd(
    model: Network,
    x: Tensor,
    labels: Tensor,
    uphill: Tensor,
    pixels: Pixels,
    *,
    size: float,
    steps: int,
    step_size: float,
) -> Tensor:
    """Images [R, B, C, H, W] after steps of `step_size` pixels that end within `size` of them."""
    low, high = x - size * pixels.full, x + size * pixels.full
    attacked = pixels.moved(x, step_size * uphill).clamp(low, high)
    for _ in range(steps - 1):
        attacked = pixels.moved(attacked, step_size * ascent(model, attacked, labels)).clamp(low, high)
    return attacked


def ascent(model: Network, x: Tensor, labels: Tensor) -> Tensor:
    """The sign of the cross-entropy's gradient with respect to the inputs, as if numbers were exact."""
    x = x.detach().requires_grad_()
    with torch.enable_grad():
        outputs = model(x)
        label = labels.unsqueeze(-1)
        others = outputs.scatter(-1, label, -torch.inf).logsumexp(-1)
        margin = others - outputs.gather(-1, label).squeeze(-1)
        (gradient,) = torch.autograd.grad(margin.sum(), x)
    return gradient.sign()


def saturated(outputs: Tensor, labels: Tensor) -> Tensor:
    """Whether the cross-entropy's gradient with respect to the logits is 0, [R, B]."""
    return (outputs.softmax(-1) == F.one_hot(labels, outputs.shape[-1])).all(-1)


def _correct(outputs: Tensor, labels: Tensor) -> Tensor:
    return outputs.argmax(-1) == labels

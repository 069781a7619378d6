"""Planes through the space of images: which class a network sees where, and how far the nearest other is.

Distances are Euclidean, in pixels of range [0, 1]. Pixels may leave that range: the plane goes on.

References:
    Hoffman, Roberts, Yaida, Robust learning with Jacobian regularization, 2019, figure 1.
    Somepalli et al., Can neural nets learn the same model twice?, 2022: planes through three images.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from analysis.networks.nearest_boundary import found_distances
from analysis.networks.trained_network import AT_ONCE, Trained
from regularize.errors import UserError

if TYPE_CHECKING:
    from torch import Tensor

Array = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True, eq=False)
class Plane:
    """`origin` [C, H, W] as networks get it, and two orthonormal directions [2, C, H, W] in pixels.

    `marks` [M, 2] are the places of the images that it was laid through.
    """

    origin: Tensor
    directions: Tensor
    marks: Array


@dataclass(frozen=True, kw_only=True, eq=False)
class Regions:
    """What a network sees at the cells (x_j, y_i) of a plane, x and y being `places` [G].

    Attributes:
        classes: [G, G], the likeliest class.
        confidence: [G, G], its probability.
        marked: [M], the classes of the images at the plane's marks themselves.
        found: [M], how far from these an attack found another class in any direction, ∞ where it did not
            (see `analysis.networks.nearest_boundary`).
    """

    places: Array
    classes: NDArray[np.int64]
    confidence: Array
    marked: NDArray[np.int64]
    found: Array

    def radius(self, mark: Array, seen: int) -> float:
        """From a mark, where class `seen` is seen, to the nearest cell of this plane with another one.

        ∞ if none is within `reach`: further off, one that the plane does not show may be nearer.
        """
        x, y = np.meshgrid(self.places, self.places)
        distances = np.hypot(x - mark[0], y - mark[1])
        nearest = float(distances[self.classes != seen].min(initial=math.inf))
        return nearest if nearest <= self.reach(mark) else math.inf

    def reach(self, mark: Array) -> float:
        """From a mark to the nearest edge of what is shown."""
        return float(min((mark - self.places[0]).min(), (self.places[-1] - mark).min()))

    @property
    def roughness(self) -> float:
        """The share of neighbouring cells, beside or above each other, that differ in class."""
        beside = self.classes[:, 1:] != self.classes[:, :-1]
        above = self.classes[1:] != self.classes[:-1]
        return float((beside.sum() + above.sum()) / (beside.size + above.size))


def places(cells: int, half_width: float) -> Array:
    """The coordinates of `cells` cells, of which number `cells // 2` is exactly 0."""
    return np.asarray((np.arange(cells) - cells // 2) * (half_width / (cells // 2)), dtype=np.float64)


def random_plane(image: Tensor, number: int) -> Plane:
    """Through an image [C, H, W], in two random directions that depend on `number` alone."""
    import torch

    from regularize.rng import generator

    drawn = torch.randn(image.numel(), 2, generator=generator(0, "planes", number), dtype=torch.float64)
    directions = torch.linalg.qr(drawn).Q.t().reshape(2, *image.shape)
    return Plane(origin=image, directions=directions.to(image), marks=np.zeros((1, 2)))


def plane_through(images: Tensor, pixel: Tensor) -> Plane:
    """Through three images [3, C, H, W], its origin in the middle of the box around them.

    `pixel` is what a full range of a pixel is in the inputs (`Batches.pixel`).

    Raises:
        UserError: they lie on a line.
    """
    import torch

    exact = images.double() / pixel.double()
    first, second = exact[1] - exact[0], exact[2] - exact[0]
    u = first / first.norm()
    across = second - (second * u).sum() * u
    if not across.norm() > 1e-6 * second.norm():
        raise UserError("the three images lie on a line, so no one plane goes through them")
    v = across / across.norm()
    corners = np.array(
        [[0.0, 0.0], [float((first * u).sum()), 0.0], [float((second * d).sum()) for d in (u, v)]]
    )
    middle = (corners.min(0) + corners.max(0)) / 2
    origin = (exact[0] + middle[0] * u + middle[1] * v) * pixel.double()
    return Plane(origin=origin.to(images), directions=torch.stack([u, v]).to(images), marks=corners - middle)


def regions(trained: Trained, plane: Plane, along: Array, images: Tensor) -> Regions:
    """What a network sees on a plane, at the cells `along` [G] × [G], and of the marked `images` [M, …]."""
    import torch

    pixel = trained.batches.pixel
    step = torch.from_numpy(along).to(plane.origin)
    up, right = (direction * pixel for direction in (plane.directions[1], plane.directions[0]))
    x, y = step.repeat(len(step)), step.repeat_interleave(len(step))
    found = [
        _predicted(trained, plane.origin + _times(a, right) + _times(b, up))
        for a, b in zip(torch.split(x, AT_ONCE), torch.split(y, AT_ONCE), strict=True)
    ]
    confidence, classes = (
        torch.cat(parts).reshape(len(step), -1).numpy() for parts in zip(*found, strict=True)
    )
    return Regions(
        places=along,
        classes=classes,
        confidence=confidence.astype(np.float64),
        marked=_predicted(trained, images)[1].numpy(),
        found=found_distances(trained, images),
    )


def _times(numbers: Tensor, direction: Tensor) -> Tensor:
    return numbers.view(-1, *[1] * direction.ndim) * direction


def _predicted(trained: Trained, x: Tensor) -> Sequence[Tensor]:
    """The largest probability of each input, and its class, [B] each."""
    import torch

    with torch.no_grad():
        found: Sequence[Tensor] = trained.logits(x).softmax(1).max(1)
        return found

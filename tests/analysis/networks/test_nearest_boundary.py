"""Distances that are known: of a linear network in closed form, in the plane by looking everywhere."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import nn

from analysis.networks.image_planes import places, random_plane, regions
from analysis.networks.nearest_boundary import found_distances
from analysis.networks.trained_network import untrained
from tests.analysis.trained import PLAIN

PIXEL = torch.tensor([4.0]).view(1, 1, 1)  # in the inputs a pixel's range is 4


def network(module: nn.Module):
    module.requires_grad_(False)
    batches = SimpleNamespace(pixel=PIXEL.to(next(module.parameters())))
    return SimpleNamespace(batches=batches, logits=lambda x: module(x.flatten(1)))


def test_of_a_linear_network_it_is_the_distance_to_the_nearest_hyperplane() -> None:
    torch.manual_seed(0)
    linear, images = nn.Linear(12, 5).double(), 3 * torch.randn(6, 1, 3, 4, dtype=torch.float64)
    model = network(linear)
    logits, weight = linear(images.flatten(1)), linear.weight * PIXEL.item()
    seen = logits.argmax(1)
    exact = [
        min(
            float((logits[row, k] - logits[row, other]) / (weight[k] - weight[other]).norm())
            for other in range(5)
            if other != k
        )
        for row, k in enumerate(seen.tolist())
    ]
    assert found_distances(model, images) == pytest.approx(exact, rel=1e-3)


def test_in_the_plane_no_direction_leads_much_closer() -> None:
    torch.manual_seed(0)
    curved = nn.Sequential(nn.Linear(2, 20), nn.Tanh(), nn.Linear(20, 3)).double()
    for layer in (curved[0], curved[2]):
        layer.weight.data *= 2
    points = torch.randn(8, 1, 1, 2, dtype=torch.float64)
    model = network(curved)
    found = found_distances(model, points)
    angles = torch.linspace(0, 2 * torch.pi, 241, dtype=torch.float64)[:-1]
    rays = torch.stack([angles.cos(), angles.sin()], 1)
    for point, distance in zip(points, found, strict=True):
        seen = model.logits(point[None]).argmax()
        radii = torch.linspace(0, 3, 601, dtype=torch.float64)[1:]
        reached = point.flatten() + PIXEL.item() * radii[:, None, None] * rays
        other = curved(reached).argmax(-1) != seen
        nearest = float(radii[other.any(1)].min()) if other.any() else np.inf
        assert distance >= nearest - 6e-3 or nearest > 3, "it is an upper bound"
        assert distance <= 1.15 * nearest + 6e-3


def test_it_is_nearer_than_what_a_plane_shows() -> None:
    trained = untrained(PLAIN)
    x, _ = trained.batches.take("test", torch.arange(3)[None])
    for number, image in enumerate(x[0]):
        plane = random_plane(image, number)
        shown = regions(trained, plane, places(31, 30.0), image[None])
        in_plane = shown.radius(plane.marks[0], int(shown.marked[0]))
        (found,) = found_distances(trained, image[None])
        assert 0 < found < in_plane

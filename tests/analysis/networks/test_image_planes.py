"""Planes through images: their centre, their geometry, their numbers."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from analysis.networks.example_choice import one_a_class
from analysis.networks.image_planes import Regions, places, plane_through, random_plane, regions
from analysis.networks.trained_network import untrained
from regularize.errors import UserError
from tests.analysis.trained import PLAIN


@pytest.fixture(scope="module")
def trained():
    return untrained(replace(PLAIN, seed=3))


@pytest.fixture(scope="module")
def three(trained):
    return one_a_class(trained.batches, 3)


def probabilities(trained, x):
    return trained.logits(x).softmax(1)


@pytest.mark.parametrize("cells", [2, 5, 8, 21, 40])
def test_the_centre_cell_is_the_image_at_odd_and_even_resolutions(trained, three, cells, monkeypatch):
    """The input of that cell is the image bit for bit, and what is seen there is its prediction."""
    seen = []
    monkeypatch.setattr(
        "analysis.networks.image_planes.found_distances", lambda _, images: np.ones(len(images))
    )
    monkeypatch.setattr(
        type(trained), "logits", lambda self, x: seen.append(x) or self.network(x.unsqueeze(0))[0]
    )
    for number, image in enumerate(three.x):
        seen.clear()
        plane = random_plane(image, number)
        found = regions(trained, plane, places(cells, 14.0), image[None])
        inputs = torch.cat(seen[:-1]).view(cells, cells, *image.shape)
        middle = cells // 2
        assert torch.equal(inputs[middle, middle], image)
        confidence, seen_class = probabilities(trained, image[None])[0].max(0)
        assert found.classes[middle, middle] == seen_class == found.marked[0]
        assert found.confidence[middle, middle] == pytest.approx(float(confidence), rel=1e-5)


@pytest.mark.parametrize("cells", [2, 7, 8])
def test_cells_are_even_and_one_is_exactly_zero(cells):
    found = places(cells, 3.0)
    assert found[cells // 2] == 0.0
    assert found[0] == -3.0
    np.testing.assert_allclose(np.diff(found), 3.0 / (cells // 2))


def test_steps_are_distances_in_pixels(three, trained):
    pixel = trained.batches.pixel
    plane = random_plane(three.x[0], 5)
    flat = plane.directions.flatten(1).double()
    torch.testing.assert_close(flat @ flat.t(), torch.eye(2).double(), atol=1e-6, rtol=0)
    through = plane_through(three.x, pixel)
    flat = through.directions.flatten(1).double()
    torch.testing.assert_close(flat @ flat.t(), torch.eye(2).double(), atol=1e-5, rtol=0)
    expected = [((three.x[i] - three.x[j]) / pixel).norm().item() for i, j in ((0, 1), (1, 2), (2, 0))]
    marks = through.marks
    found = [np.linalg.norm(marks[i] - marks[j]) for i, j in ((0, 1), (1, 2), (2, 0))]
    np.testing.assert_allclose(found, expected, rtol=1e-5)


def test_the_marks_are_where_the_images_are(three, trained):
    plane = plane_through(three.x, trained.batches.pixel)
    for image, (x, y) in zip(three.x, plane.marks, strict=True):
        place = plane.origin + (x * plane.directions[0] + y * plane.directions[1]) * trained.batches.pixel
        torch.testing.assert_close(place.float(), image, atol=1e-4, rtol=0)


def test_images_on_a_line_span_no_plane(three, trained):
    first, second, _ = three.x
    with pytest.raises(UserError, match="lie on a line"):
        plane_through(torch.stack([first, second, 2 * second - first]), trained.batches.pixel)


def test_planes_hang_on_their_number_alone(three):
    one, two = (random_plane(three.x[0], number).directions for number in (1, 2))
    assert torch.equal(one, random_plane(three.x[1], 1).directions)
    assert not torch.equal(one, two)


def made(classes: list[list[int]], marked: int = 1) -> Regions:
    grid = np.array(classes)
    return Regions(
        places=places(len(grid), 2.0),
        classes=grid,
        confidence=np.ones_like(grid, dtype=float),
        marked=np.array([marked]),
        found=np.array([0.5]),
    )


BY_HAND = [
    [1, 1, 1, 1, 1],
    [1, 1, 1, 1, 1],
    [1, 1, 1, 1, 7],
    [1, 1, 1, 1, 7],
    [1, 0, 1, 1, 7],
]


def test_radius_and_roughness_by_hand():
    """Places −2 to 2: the nearest other cell is at (2, 0), 2 away; 7 of 40 pairs of neighbours differ."""
    found = made(BY_HAND)
    centre = np.zeros(2)
    assert found.radius(centre, 1) == 2.0
    # beside: 3 at the sevens, 2 at the zero; above: 1 over the sevens, 1 over the zero
    assert found.roughness == 7 / 40
    assert found.radius(np.array([-1.0, -1.0]), 1) == math.inf, "3 away, but the edge is 1 away"
    assert found.reach(np.array([-1.0, -1.0])) == 1.0


def test_names_of_classes_change_no_number():
    generator = np.random.default_rng(0)
    grid = generator.integers(0, 10, (12, 12))
    for _ in range(5):
        names = generator.permutation(10)
        one, other = made(grid.tolist()), made(names[grid].tolist())
        seen = int(grid[6, 6])
        assert one.radius(np.zeros(2), seen) == other.radius(np.zeros(2), int(names[seen]))
        assert one.roughness == other.roughness

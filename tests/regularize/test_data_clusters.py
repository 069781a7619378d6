"""The toy problem's points, and batches of points."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from regularize.batches import Batches
from regularize.data import describe, known, load, prepared
from regularize.data.clusters import CENTRES, SIGMA


@pytest.fixture(scope="module")
def clusters(tmp_path_factory):
    return load("clusters", tmp_path_factory.mktemp("data"))


@pytest.mark.parametrize("part", ["train", "test"])
def test_four_clusters_with_labels_counter_clockwise(clusters, part):
    points, labels = getattr(clusters, f"{part}_images"), getattr(clusters, f"{part}_labels")
    assert (points.dtype, tuple(points.shape)) == (torch.float32, (512, 2))
    angles = []
    for label, centre in enumerate(CENTRES):
        cluster = points[labels == label].double()
        assert len(cluster) == 128
        # Five standard errors of the mean and of the standard deviation of 128 points.
        assert (cluster.mean(0) - torch.tensor(centre)).abs().max() < 5 * SIGMA / 128**0.5
        assert (cluster.std(0) - SIGMA).abs().max() < 5 * SIGMA / 256**0.5
        angles.append(float(torch.atan2(cluster[:, 1].mean(), cluster[:, 0].mean())) % (2 * np.pi))
    assert angles == sorted(angles)


def test_the_points_are_these_and_no_others(clusters, tmp_path):
    """Every machine and version has the same ones: results would not compare otherwise."""
    assert prepared("clusters", tmp_path).checksum == "9054e6d1de057c9b"
    assert not torch.equal(clusters.train_images, clusters.test_images)


def test_facts(clusters, tmp_path):
    facts = describe("clusters", tmp_path)
    assert known("clusters", tmp_path)
    assert (facts.train, facts.test, facts.classes, facts.channels, facts.side) == (512, 512, 4, 2, 1)
    assert clusters.shape == facts.shape == (2,)
    assert describe("cifar10").shape == (3, 32, 32)


def test_batches_of_points_are_the_points_in_their_own_units(clusters):
    batches = Batches(clusters, torch.float64, torch.device("cpu"))
    index = torch.tensor([[3, 500, 7], [0, 1, 2]])
    x, labels = batches.take("train", index)
    assert batches.shape == (2,)
    assert torch.equal(x, clusters.train_images[index].double())
    assert torch.equal(labels, clusters.train_labels[index])
    assert torch.equal(batches.pixel, torch.ones(2, dtype=torch.float64))


def test_batches_of_images_are_normalised_channels_first(tmp_path):
    source = np.random.default_rng(0)
    arrays = {
        f"{part}_images": source.integers(0, 256, (6, 4, 4, 3), dtype=np.uint8) for part in ("train", "test")
    }
    arrays |= {f"{part}_labels": np.arange(6) % 3 for part in ("train", "test")}
    np.savez(tmp_path / "own.npz", **arrays)
    batches = Batches(load("own", tmp_path), torch.float64, torch.device("cpu"))
    index = torch.tensor([[0, 5], [2, 2]])
    x, _ = batches.take("test", index)
    train = arrays["train_images"] / 255
    mean, std = train.mean((0, 1, 2)), train.std((0, 1, 2))
    expected = ((arrays["test_images"] / 255 - mean) / std)[index.numpy()].transpose(0, 1, 4, 2, 3)
    assert batches.shape == (3, 4, 4)
    np.testing.assert_allclose(x.numpy(), expected, rtol=1e-12)
    np.testing.assert_allclose(batches.pixel.numpy(), (1 / std).reshape(3, 1, 1), rtol=1e-12)

"""Principal components against scikit-learn, purity by hand, t-SNE that repeats."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.decomposition import PCA
from sklearn.neighbors import NearestNeighbors

from analysis.networks import embedding
from analysis.networks.embedding import _flung, neighbours_map, principal, purity


@pytest.fixture
def points():
    """Anisotropic, so that the axes are well defined."""
    generator = np.random.default_rng(0)
    return generator.normal(size=(60, 12)) @ np.diag(np.linspace(5, 0.5, 12)) + 3


@pytest.mark.parametrize("dimensions", [2, 3])
def test_principal_components_are_scikit_learns(points, dimensions):
    fit = PCA(dimensions, svd_solver="full").fit(points)
    scores, shares = principal(points, dimensions)
    np.testing.assert_allclose(np.abs(scores), np.abs(fit.transform(points)), atol=1e-9)
    np.testing.assert_allclose(shares, fit.explained_variance_ratio_, rtol=1e-9)


def test_the_sign_of_an_axis_is_fixed(points):
    """Mirrored points have mirrored scores, since the loadings keep their sign."""
    np.testing.assert_allclose(principal(-points, 2)[0], -principal(points, 2)[0], atol=1e-9)


def test_points_on_a_line_have_one_axis():
    scores, shares = principal(np.outer(np.arange(5.0), [3.0, 4.0]), 3)
    np.testing.assert_allclose(shares, [1, 0, 0], atol=1e-12)
    np.testing.assert_allclose(scores[:, 0], 5 * np.arange(-2.0, 3.0))
    assert scores.shape == (5, 3)


def test_points_that_are_all_the_same_have_no_axis():
    scores, shares = principal(np.ones((4, 2)), 2)
    assert not scores.any()
    assert not shares.any()


def test_purity_by_hand():
    """On a line at 0, 1, 2 | 10, 11, 12; the point at 2 is called b, and has two of its own far away."""
    points = np.array([[0.0], [1.0], [2.0], [10.0], [11.0], [12.0]])
    labels = np.array([0, 0, 1, 1, 1, 1])
    # 0: {1, 2} one of two; 1: {0, 2} one; 2: {1, 0} none; the others both
    assert purity(points, labels, neighbours=2) == pytest.approx((0.5 + 0.5 + 0 + 1 + 1 + 1) / 6)
    assert purity(points, labels, neighbours=99) == pytest.approx((2 * 1 / 5 + 4 * 3 / 5) / 6)


def test_purity_by_scikit_learns_neighbours(points):
    labels = np.arange(60) % 3
    nearest = NearestNeighbors(n_neighbors=10).fit(points).kneighbors(return_distance=False)
    assert purity(points, labels) == pytest.approx((labels[nearest] == labels[:, None]).mean())


def test_one_fit_of_all_networks_repeats_and_ignores_their_size(points):
    other = points[::-1] ** 2
    first = neighbours_map([points, other], 2)
    assert [places.shape for places in first] == [(60, 2), (60, 2)]
    for one, two in zip(first, neighbours_map([points, other], 2), strict=True):
        np.testing.assert_array_equal(one, two)
    larger = neighbours_map([8 * points, other], 2)  # a power of two: no rounding
    np.testing.assert_array_equal(larger[0], first[0])


def test_a_point_that_lies_far_from_all_others_is_seen():
    places = np.random.RandomState(0).randn(200, 3)
    assert not _flung(places)
    assert not _flung(np.zeros((20, 3)))
    places[7] = 60
    assert _flung(places)


def test_a_map_with_such_a_point_is_made_without_sums_of_far_ones(monkeypatch):
    points = np.random.RandomState(0).randn(40, 5)
    (summed,) = neighbours_map([points], 3)
    monkeypatch.setattr(embedding, "_flung", lambda _: True)
    (exact,) = neighbours_map([points], 3)
    assert not np.allclose(summed, exact)
    monkeypatch.setattr(embedding, "_EXACT", 39)
    assert np.array_equal(neighbours_map([points], 3)[0], summed)

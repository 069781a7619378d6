"""Fields of the plane, against closed forms and finite differences."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from analysis.films.plane_frames import margins, tinted
from analysis.networks.plane_fields import fields, grid
from regularize import models
from regularize.config import RunConfig
from regularize.data.data_config import DataConfig
from regularize.training_config import Training


def network(model: str) -> tuple[RunConfig, torch.nn.Module]:
    config = RunConfig(
        data=DataConfig(name="clusters"),
        model=model,
        regularizer="none",
        terms=(),
        training=Training(steps=1),
    )
    return config, models.build(model, [config.seed], shape=(2,), classes=4).double()


def test_the_grid_runs_along_x_first():
    points = grid(2.0, 3)
    assert points[:4].tolist() == [[-2, -2], [0, -2], [2, -2], [-2, 0]]


@pytest.mark.parametrize("model", ["toy_plane", "toy_rnn"])
def test_the_area_factor_is_the_determinant_of_the_map_of_the_plane(model):
    """By central differences of the coordinates that the read-out takes apart again."""
    config, net = network(model)
    points, step = grid(1.5, 4), 1e-6

    def coordinates(places):
        logits = net(torch.from_numpy(places).unsqueeze(0))[0]
        return (logits @ net.basis(logits).t()).detach().numpy()

    columns = [
        (coordinates(points + shift) - coordinates(points - shift)) / (2 * step)
        for shift in (np.array([step, 0]), np.array([0, step]))
    ]
    determinants = columns[0][:, 0] * columns[1][:, 1] - columns[0][:, 1] * columns[1][:, 0]
    areas = fields(config, net.state_dict(), points).areas
    assert areas.shape == (4, 4)
    np.testing.assert_allclose(areas.ravel(), np.abs(determinants), rtol=1e-6, atol=1e-9)


def test_the_area_factor_of_logits_in_four_dimensions():
    """√det(JᵀJ), from the singular values."""
    config, net = network("toy_mlp")
    points = grid(1.5, 3)
    jacobian = torch.func.vmap(torch.func.jacrev(lambda x: net(x.view(1, 1, 2)).view(4)))
    volumes = torch.linalg.svdvals(jacobian(torch.from_numpy(points))).prod(-1).detach().numpy()
    found = fields(config, net.state_dict(), points)
    np.testing.assert_allclose(found.areas.ravel(), volumes, rtol=1e-9)
    expected = net(torch.from_numpy(points).unsqueeze(0)).softmax(-1)[0].detach().numpy()
    np.testing.assert_allclose(found.probabilities.reshape(-1, 4), expected, rtol=1e-12)


def test_margins_change_sign_where_the_decision_does():
    probabilities = np.array([[[0.6, 0.3, 0.1], [0.2, 0.5, 0.3]]])
    first, second = margins(probabilities)
    assert (first > 0).tolist() == [[True, False]]
    assert (second > 0).tolist() == [[False, True]]
    np.testing.assert_allclose(first, np.log([[0.6 / 0.3, 0.2 / 0.5]]))


def test_colours_are_white_without_certainty():
    shown = tinted(np.array([[[0.25, 0.25, 0.25, 0.25], [1.0, 0, 0, 0]]]))
    assert shown[0, 0].tolist() == [1, 1, 1]
    assert shown[0, 1, 2] > shown[0, 1, 0], "the first class is blue"

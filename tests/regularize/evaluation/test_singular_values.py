from __future__ import annotations

import math

import pytest
import torch

from regularize.config import Term
from regularize.evaluation.singular_values import singular_values, summary
from tests.regularize import cases
from tests.regularize.evaluation.networks import untrained


def test_spectra_are_those_of_torch_linalg() -> None:
    model = untrained([0, 1]).model
    spectra = singular_values(model.weights())
    assert set(spectra) == {"conv1", "conv2", "fc1", "fc2", "fc3"}
    found = summary(model.weights(), spectra)
    for run in range(2):
        matrices = {layer: model.get_submodule(layer).weight[run].flatten(1) for layer in spectra}
        values = {layer: torch.linalg.svdvals(matrix.detach()) for layer, matrix in matrices.items()}
        for layer, expected in values.items():
            torch.testing.assert_close(spectra[layer][run], expected, rtol=1e-12, atol=1e-12)
        largest = [float(v.max()) for v in values.values()]
        squares = sum(float(matrix.detach().square().sum()) for matrix in matrices.values())
        assert found["spectral_norm_max"][run].item() == pytest.approx(max(largest))
        assert found["spectral_norm_product"][run].item() == pytest.approx(math.prod(largest))
        assert found["weight_norm"][run].item() == pytest.approx(math.sqrt(squares))
        assert found["sparsity"][run].item() == 0


def test_a_run_that_is_not_finite_is_nan_and_unnoticed_by_its_mates() -> None:
    model = untrained([0, 1]).model
    sound = singular_values(model.weights())
    with torch.no_grad():
        model.get_parameter("fc1.weight")[0, 3, 3] = torch.inf
    spectra = singular_values(model.weights())
    assert spectra["fc1"][0].isnan().all()
    assert all(torch.equal(spectra[layer][1], sound[layer][1]) for layer in sound)


def test_sparsity_is_the_share_of_zeros_that_l1_leaves(tmp_path) -> None:
    runs = [cases.run((Term.build("l1", {"strength": s}),), 0, steps=20) for s in (0.0, 0.01, 0.1)]
    trained = cases.trained(runs, tmp_path)
    weights = {name: weight.flatten(2) for name, weight in trained.items() if name.endswith("weight")}
    found = summary(weights, singular_values(weights))["sparsity"]
    total = sum(weight[0].numel() for weight in weights.values())
    zeros = [sum(int((w[run] == 0).sum()) for w in weights.values()) for run in range(3)]
    assert found.tolist() == pytest.approx([count / total for count in zeros])
    assert found[0] == 0 < found[1] < found[2]

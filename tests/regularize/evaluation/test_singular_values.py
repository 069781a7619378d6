from __future__ import annotations

import math

import pytest
import torch

from regularize.config import Term
from regularize.evaluation.operators import circular_values, operator_values
from regularize.evaluation.singular_values import singular_values, summary
from regularize.models.foreign import Foreign
from tests.regularize import cases
from tests.regularize.evaluation.networks import examined, untrained


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


@pytest.mark.parametrize(("padding", "mode"), [(2, "circular"), (2, "zeros"), (0, "zeros")])
def test_operators_are_what_the_convolution_does_to_images(padding: int, mode: str) -> None:
    """Against the dense matrix of torch's convolution: all values if circular, else a bound."""
    side, kernel = 12, torch.randn(2, 3, 2, 5, 5, generator=torch.Generator().manual_seed(0)).double()
    conv = torch.nn.Conv2d(2, 3, 5, padding=padding, padding_mode=mode, bias=False).double()
    padded = side if mode == "circular" else side + 2 * padding
    values = circular_values(kernel, (padded, padded))
    for run in range(2):
        with torch.no_grad():
            conv.weight.copy_(kernel[run])
            units = torch.eye(2 * side * side, dtype=torch.float64).view(-1, 2, side, side)
            dense = torch.linalg.svdvals(conv(units).flatten(1))
        if mode == "circular":
            torch.testing.assert_close(values[run], dense, rtol=1e-10, atol=1e-10)
        assert dense[0] <= values[run, 0] + 1e-10
        assert dense[0] > 0.7 * values[run, 0]


def test_layers_as_operators_bound_the_network() -> None:
    """Each layer's largest value bounds what it does to an image; a kernel's own does not."""
    subject = untrained([0, 1], model="lenet5")
    spectra = singular_values(subject.model.weights())
    operators = operator_values(subject, spectra)
    assert all(torch.equal(operators[layer], spectra[layer]) for layer in ("fc1", "fc2", "fc3"))
    for layer, (padding, side) in {"conv1": (2, 28), "conv2": (0, 14)}.items():
        kernel = subject.model.get_parameter(f"{layer}.weight")
        x = torch.randn(1, kernel.shape[2], side, side, dtype=torch.float64)
        for run in range(2):
            for _ in range(40):  # the power method
                x = x / x.norm()
                y = torch.nn.functional.conv2d(x, kernel[run], padding=padding)
                stretched = y.norm().item()
                x = torch.nn.functional.conv_transpose2d(y, kernel[run], padding=padding)
            largest = operators[layer][run, 0].item()
            assert 0.8 * largest < stretched <= largest
            assert spectra[layer][run, 0] < largest


def test_what_is_no_plain_convolution_has_no_operator_here() -> None:
    module = torch.nn.Sequential(
        torch.nn.Conv2d(1, 2, 3, stride=2), torch.nn.Conv2d(2, 2, 3, padding="same"), torch.nn.Flatten()
    )
    network = Foreign(torch.nn.Sequential(*module, torch.nn.Linear(2 * 13 * 13, 10)).double())
    subject = untrained([0])
    subject = examined(network, [0], subject.batches, 10)
    found = operator_values(subject, singular_values(network.weights()))
    assert found["0"].isnan().all()
    assert found["1"].isfinite().all()
    assert found["3"].isfinite().all()

"""Saliency and occlusion against captum, and what they must be by their definitions."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from captum.attr import Occlusion, Saliency

from analysis.networks.attribution_maps import occlusion, saliency
from analysis.networks.example_choice import one_a_class
from analysis.networks.trained_network import Trained, untrained
from regularize.config import RunConfig
from tests.analysis.trained import PLAIN

CONFIG = replace(PLAIN, training=replace(PLAIN.training, precision="float64"))


@pytest.fixture(scope="module", params=["lenet5", "mlp"])
def trained(request) -> Trained:
    config: RunConfig = replace(CONFIG, model=request.param)
    return untrained(config)


@pytest.fixture(scope="module")
def three(trained):
    return one_a_class(trained.batches, 3)


def test_saliency_is_captums(trained, three):
    """Of pixels in [0, 1]: captum is given the network behind the normalisation."""
    pixel, black = trained.batches.pixel, trained.batches.bounds[0]
    plain = (three.x - black) / pixel
    oracle = Saliency(lambda pixels: trained.logits(pixels * pixel + black))
    expected = oracle.attribute(plain.requires_grad_(), target=three.labels, abs=True).amax(1)
    found = saliency(trained, three.x, three.labels)
    assert found.max() > 0
    torch.testing.assert_close(found, expected, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize(("patch", "stride"), [(7, 2), (7, 1), (5, 5), (8, 3), (28, 28)])
def test_occlusion_is_captums(trained, three, patch, stride):
    """Steps that do not divide the image leave partial patches at its edges."""
    black, white = trained.batches.bounds
    oracle = Occlusion(lambda x: trained.logits(x).softmax(1))
    expected = oracle.attribute(
        three.x,
        sliding_window_shapes=(1, patch, patch),
        strides=(1, stride, stride),
        target=three.labels,
        baselines=float((black + white).mean() / 2),
        perturbations_per_eval=8,
    )[:, 0]
    found = occlusion(trained, three.x, three.labels, patch, stride)
    torch.testing.assert_close(found.float(), expected, rtol=1e-4, atol=1e-7)  # captum sums in float32


class Linear:
    """Logits that are sums of chosen pixels of images with three channels."""

    def __init__(self, trained: Trained, weights: torch.Tensor) -> None:
        self.weights, self.batches = weights, trained.batches

    def logits(self, x: torch.Tensor) -> torch.Tensor:
        return torch.einsum("bchw,kchw->bk", x, self.weights)


def test_the_absolute_value_comes_before_the_channels(trained):
    """Channels of opposite sign do not cancel."""
    weights = torch.zeros(2, 3, 2, 2, dtype=torch.float64)
    weights[1, :, 0, 0] = torch.tensor([2.0, -3.0, 1.0])
    found = saliency(Linear(trained, weights), torch.zeros(1, 3, 2, 2).double(), torch.tensor([1]))
    pixel = float(trained.batches.pixel)
    np.testing.assert_allclose(found[0], [[3 * pixel, 0], [0, 0]])


def test_a_patch_over_the_whole_image_drops_all_pixels_alike(trained, three):
    found = occlusion(trained, three.x, three.labels, 28, 28)
    black, white = trained.batches.bounds
    grey = torch.ones_like(three.x) * (black + white) / 2
    probability = [trained.logits(x).softmax(1).gather(1, three.labels[:, None]) for x in (three.x, grey)]
    torch.testing.assert_close(found, (probability[0] - probability[1])[..., None].expand(3, 28, 28))

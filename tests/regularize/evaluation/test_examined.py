from __future__ import annotations

import pytest
import torch
from torch import nn

from regularize import models
from regularize.data import load
from regularize.evaluation.accuracy import logits
from regularize.evaluation.examined import CHUNK
from tests.regularize.evaluation.networks import examined, untrained


def normalised(_shape: tuple[int, ...], classes: int) -> nn.Module:
    """A module whose logits in training depend on the whole batch, and on chance."""
    return nn.Sequential(
        nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.Flatten(), nn.Dropout(0.5), nn.Linear(4 * 26 * 26, classes)
    )


def test_an_example_is_measured_without_its_batch_mates_and_without_noise() -> None:
    subject = untrained([0])
    network = models.build(f"{__name__}:normalised", [0], shape=(1, 28, 28), classes=10).double()
    subject = examined(network, [0], subject.batches, 10)
    network.train()
    together = logits(subject, "test", subject.sample(40))
    alone = logits(subject, "test", subject.sample(40)[:, 7:8])
    torch.testing.assert_close(together[:, 7:8], alone, rtol=1e-12, atol=1e-12)
    assert network.training


@pytest.mark.parametrize("count", [1, CHUNK, CHUNK + 1])
def test_every_example_is_measured_once_and_in_order(count: int) -> None:
    subject = untrained([0, 1])
    index = torch.stack([torch.arange(count), torch.arange(count).flip(0)])

    def measure(x: torch.Tensor, labels: torch.Tensor, span: slice) -> torch.Tensor:
        assert x.shape[:2] == labels.shape
        return torch.stack([labels, torch.arange(count)[span].expand(2, -1)], -1).double()

    found = subject.over("test", index, 2, measure)
    assert torch.equal(found[..., 0], load("digits").test_labels[index].double())
    assert torch.equal(found[..., 1], torch.arange(count).expand(2, -1).double())


def test_the_sample_is_fixed_and_spread_over_the_test_split() -> None:
    rows = untrained([0, 1]).sample(100)
    assert torch.equal(rows[0], rows[1])
    assert torch.equal(rows, untrained([5, 6]).sample(100))
    assert len(rows[0].unique()) == 100
    assert rows[0].double().mean().item() == pytest.approx(180, abs=30)

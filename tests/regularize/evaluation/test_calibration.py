"""Against hand calculations, scikit-learn and scipy."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy import optimize, stats
from sklearn import metrics

from regularize.evaluation.accuracy import loss_and_accuracy
from regularize.evaluation.calibration import BINS, calibration, equal_mass, equal_width, scaled, temperature

CERTAIN = 200.0  # a lead in logits that makes a probability exactly 1


def lead(confidence: float) -> float:
    """By how much the larger of two logits is ahead."""
    return CERTAIN if confidence == 1 else float(np.log(confidence / (1 - confidence)))


def predictions(pairs: list[tuple[float, bool]]) -> tuple[torch.Tensor, torch.Tensor]:
    """Logits [1, N, 2] and labels [1, N] of (confidence, whether correct)."""
    leads = torch.tensor([lead(confidence) for confidence, _ in pairs], dtype=torch.float64)
    outputs = torch.stack([leads, torch.zeros_like(leads)], -1)
    return outputs[None], torch.tensor([[0 if correct else 1 for _, correct in pairs]])


def random_predictions() -> tuple[torch.Tensor, torch.Tensor]:
    """Of three runs; labels are drawn from sharpened probabilities, so that no run is calibrated."""
    source = torch.Generator().manual_seed(0)
    outputs = 3 * torch.randn(3, 500, 10, generator=source, dtype=torch.float64)
    sharp = (torch.tensor([0.3, 1.0, 3.0]).view(3, 1, 1) * outputs).softmax(-1)
    labels = torch.multinomial(sharp.flatten(0, 1), 1, generator=source).view(3, 500)
    return outputs, labels


def test_calibration_errors_by_hand() -> None:
    pairs = [(1.0, True), (1.0, False), (0.62, True), (0.62, False), (0.7, True)]
    found = calibration(*predictions(pairs))
    # Bins of 1/15: both certain ones in the last, gap 1/2; the 0.62s together, gap 0.12; 0.7 alone, 0.3.
    assert found["ece"].item() == pytest.approx(2 / 5 * 0.5 + 2 / 5 * 0.12 + 1 / 5 * 0.3)
    # Five examples in fifteen bins of equal mass: each alone.
    assert found["ece_mass"].item() == pytest.approx((0 + 1 + 0.38 + 0.62 + 0.3) / 5)
    assert found["confidence"].item() == pytest.approx((1 + 1 + 0.62 + 0.62 + 0.7) / 5)


@pytest.mark.parametrize(
    ("confidence", "expected"), [(1.0, 14), (14 / 15 + 1e-9, 14), (14 / 15 - 1e-9, 13), (1e-9, 0), (0.5, 7)]
)
def test_bins_of_equal_width(confidence: float, expected: int) -> None:
    for dtype in (torch.float64, torch.float32) if confidence == 1.0 else (torch.float64,):
        assert equal_width(torch.tensor([[confidence]], dtype=dtype)).item() == expected


@pytest.mark.parametrize("count", [3, 15, 100, 1501])
def test_bins_of_equal_mass_differ_by_one_at_most_and_ascend(count: int) -> None:
    confidence = torch.rand(2, count, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    for values, bins in zip(confidence, equal_mass(confidence), strict=True):
        sizes = bins.bincount(minlength=BINS)
        assert sizes.max() - sizes.min() <= 1
        assert bins[values.argsort()].diff().ge(0).all()


def test_calibration_errors_agree_with_a_plain_loop() -> None:
    outputs, labels = random_predictions()
    found = calibration(outputs, labels)
    for run in range(len(outputs)):
        p = outputs[run].softmax(-1).numpy()
        confidence, correct = p.max(1), p.argmax(1) == labels[run].numpy()
        width = mass = 0.0
        for low in range(15):
            inside = (confidence > low / 15) & (confidence <= (low + 1) / 15)
            if inside.any():
                width += inside.mean() * abs(correct[inside].mean() - confidence[inside].mean())
        for part in np.split(np.argsort(confidence), [-(-500 * b // 15) for b in range(1, 15)]):
            mass += len(part) / 500 * abs(correct[part].mean() - confidence[part].mean())
        assert found["ece"][run].item() == pytest.approx(width)
        assert found["ece_mass"][run].item() == pytest.approx(mass)
        assert width > 0.02


def test_scores_agree_with_scikit_learn_and_scipy() -> None:
    outputs, labels = random_predictions()
    found, (losses, accuracies) = calibration(outputs, labels), loss_and_accuracy(outputs, labels)
    for run in range(len(outputs)):
        p, y = outputs[run].softmax(-1).numpy(), labels[run].numpy()
        brier = sum(metrics.brier_score_loss(y == k, p[:, k]) for k in range(10))
        assert found["brier"][run].item() == pytest.approx(brier)
        assert found["entropy"][run].item() == pytest.approx(stats.entropy(p, axis=1).mean())
        assert losses[run].item() == pytest.approx(metrics.log_loss(y, p, labels=range(10)))
        assert accuracies[run].item() == pytest.approx(metrics.accuracy_score(y, p.argmax(1)))


def test_extreme_logits_have_finite_scores() -> None:
    outputs = torch.tensor([[[1e4, -1e4, 0.0], [-3e38, 3e38, 0.0]]])
    for name, score in calibration(outputs, torch.tensor([[0, 0]])).items():
        assert score.isfinite().all(), name


def test_the_temperature_is_the_one_of_least_log_likelihood() -> None:
    """Against scipy's minimisation; predictions stay, and what is scaled is measured as anything else."""
    outputs, labels = random_predictions()
    found = temperature(outputs, labels)
    for run in range(3):

        def loss(log_t: float, run: int = run) -> float:
            return torch.nn.functional.cross_entropy(outputs[run] / float(np.exp(log_t)), labels[run]).item()

        best = optimize.minimize_scalar(loss, bounds=(-4, 4), method="bounded", options={"xatol": 1e-9})
        assert found[run].item() == pytest.approx(np.exp(best.x), rel=1e-5)
    after = scaled(outputs, labels, found)
    assert after["ece_scaled"].mean() < calibration(outputs, labels)["ece"].mean()
    torch.testing.assert_close(
        after["ece_scaled"], calibration(outputs / found.view(-1, 1, 1), labels)["ece"]
    )
    assert temperature(outputs * torch.nan, labels).isnan().all()
    certain, right = predictions([(1.0, True), (1.0, True)])
    assert temperature(certain, right).item() == pytest.approx(1 / 64)

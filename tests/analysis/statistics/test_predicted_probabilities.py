from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from sklearn.metrics import roc_auc_score

from analysis.statistics.predicted_probabilities import (
    BINS,
    auroc,
    calibration_error,
    entropy,
    equal_mass,
    equal_width,
    probabilities,
)
from regularize.evaluation import calibration as measured


def test_ece_by_hand_with_confidence_one() -> None:
    confidence = np.array([1.0, 1.0, 0.95, 0.5, 0.5, 0.1])
    right = np.array([True, False, True, True, False, False])
    # Bins of width 1/15. (14/15, 1]: 1, 1, 0.95 with two of three right; (7/15, 8/15]: 0.5 twice with one of
    # two right; (1/15, 2/15]: 0.1, wrong.
    by_hand = abs(2 - (1 + 1 + 0.95)) / 6 + abs(1 - 1.0) / 6 + abs(0 - 0.1) / 6
    assert equal_width(confidence).tolist() == [14, 14, 14, 7, 7, 1]
    assert calibration_error(confidence, right, equal_width(confidence)) == pytest.approx(by_hand)


def test_confidence_one_alone() -> None:
    one, right = np.ones(4), np.array([True, True, True, False])
    assert calibration_error(one, right, equal_width(one)) == pytest.approx(0.25)
    assert calibration_error(one, right, equal_mass(one)) == pytest.approx(0.25)


def test_equal_mass_by_hand() -> None:
    confidence = np.array([0.9, 0.2, 0.4, 0.3])
    right = np.array([True, False, False, True])
    bins = equal_mass(confidence, 2)
    assert bins.tolist() == [1, 0, 1, 0]
    assert calibration_error(confidence, right, bins) == pytest.approx(abs(1 - 0.5) / 4 + abs(1 - 1.3) / 4)


def test_the_same_as_was_measured_in_training() -> None:
    rng = np.random.default_rng(0)
    logits = (4 * rng.standard_normal((500, 10))).astype(np.float32)
    labels = rng.integers(0, 10, 500)
    p = probabilities(logits)
    confidence, right = p.max(1), p.argmax(1) == labels
    found = measured.calibration(torch.from_numpy(logits)[None], torch.from_numpy(labels)[None])
    assert measured.BINS == BINS
    assert calibration_error(confidence, right, equal_width(confidence)) == pytest.approx(found["ece"].item())
    mass = calibration_error(confidence, right, equal_mass(confidence))
    assert mass == pytest.approx(found["ece_mass"].item())
    assert entropy(p).mean() == pytest.approx(found["entropy"].item())
    assert confidence.mean() == pytest.approx(found["confidence"].item())


def test_entropy_of_certainty_and_of_none() -> None:
    assert entropy(np.array([[1.0, 0.0], [0.5, 0.5]])) == pytest.approx([0.0, math.log(2)])
    assert probabilities(np.array([[1000.0, 0.0]])).tolist() == [[1.0, 0.0]]


def test_auroc() -> None:
    rng = np.random.default_rng(1)
    score, right = rng.integers(0, 20, 200).astype(float), rng.random(200) < 0.6
    assert auroc(score, right) == pytest.approx(roc_auc_score(right, score))
    assert math.isnan(auroc(score, np.ones(200, dtype=bool)))

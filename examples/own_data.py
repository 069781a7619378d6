"""A data set of one's own: `dataset: own_data:stripes` in a sweep. See `regularize/data/functions.py`."""

from __future__ import annotations

import numpy as np

NAMES = ("horizontal", "vertical", "rising", "falling")
SIDE = 12


def stripes():
    """Noisy stripes in four directions: 400 images to train on, 200 to test with."""
    draw = np.random.RandomState(0)
    return _part(draw, 400), _part(draw, 200), NAMES


def _part(draw, count):
    labels = np.arange(count) % len(NAMES)
    row, column = np.mgrid[:SIDE, :SIDE]
    along = np.stack([row, column, row + column, row - column])[labels]
    shift, wave = draw.uniform(0, 6, (count, 1, 1)), draw.uniform(3, 6, (count, 1, 1))
    clean = 128 + 50 * np.sin(2 * np.pi * (along + shift) / wave)
    return (clean + draw.normal(0, 40, clean.shape)).clip(0, 255).astype(np.uint8), labels

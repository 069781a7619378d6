"""The embedded default: 1,797 real handwritten digits that come with scikit-learn, nothing to download.

E. Alpaydin and C. Kaynak, "Optical Recognition of Handwritten Digits", UCI Machine Learning
Repository, 1998 (its test part, by 13 writers).
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from regularize.data.form import Form
from regularize.data.source import Arrays, Facts, Images, Source

TEST = 360
FACTS = Facts(train=1437, test=TEST, classes=10, side=28, channels=1, smallest=141)


def source() -> Source:
    """The last 360 digits are the test part, the 1,437 before them the training part."""
    return Source.of((), look=FACTS.formed, read=_read)


def enlarge(images: npt.NDArray[np.int64]) -> Images:
    """Digits of 8 × 8 pixels in 0…16, [N, 8, 8], as bytes of 28 × 28, [N, 28, 28, 1].

    Bilinear between pixel centres, edges continued. All weights are multiples of 1/14, so that
    integers do it exactly and every machine gets the same bytes.
    """
    centres = ((np.arange(28) + 0.5) * 8 / 28 - 0.5).clip(0, 7)
    distance = np.abs(centres[:, None] - np.arange(8))
    weights = np.rint(14 * np.maximum(0, 1 - distance)).astype(np.int64)  # [28, 8], rows sum to 14
    total = weights @ images @ weights.T
    full = 14 * 14 * 16
    enlarged: Images = ((255 * total + full // 2) // full).astype(np.uint8)[..., None]
    return enlarged


def _read(form: Form) -> Arrays:
    from sklearn.datasets import load_digits

    digits = load_digits()
    images = form.images(enlarge(digits.images.astype(np.int64)))
    labels = digits.target.astype(np.int64)
    return Arrays(
        classes=10,
        train_images=images[:-TEST],
        train_labels=labels[:-TEST],
        test_images=images[-TEST:],
        test_labels=labels[-TEST:],
    )

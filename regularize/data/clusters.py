"""The toy problem: four Gaussian clusters of points in the plane, made rather than found.

Centres (±1, ±1), standard deviation 0.1, 128 points each; labels counter-clockwise, beginning with
(1, 1). The test part is another such draw. Both are drawn once and for all from `DRAW`, whatever
a run's seed, so that all runs are judged on the same points; what of the training part is held out
depends on the run's seed, as everywhere.

Points are kept in the units of the plane and are not normalised: distances and areas in it are
what the problem is about.
"""

from __future__ import annotations

import numpy as np

from regularize.data.form import Form
from regularize.data.source import Arrays, Facts, Features, Labels, Source
from regularize.errors import UserError

CENTRES = ((1, 1), (-1, 1), (-1, -1), (1, -1))  # by label
SIGMA = 0.1
OF_EACH = 128
DRAW = 0
FACTS = Facts(train=4 * OF_EACH, test=4 * OF_EACH, classes=len(CENTRES), side=1, channels=2)


def source() -> Source:
    """Nothing to read: the points are a function of the constants above."""
    return Source.of((), look=_as_they_are, read=_draw)


def _as_they_are(form: Form) -> Facts:
    if form:
        raise UserError(f"the points of clusters are no images that could be {form.words}")
    return FACTS


def _draw(form: Form) -> Arrays:
    _as_they_are(form)
    draw = np.random.RandomState(DRAW)  # frozen by numpy's policy: every version gives these points
    (train_points, train_labels), (test_points, test_labels) = _part(draw), _part(draw)
    return Arrays(
        classes=len(CENTRES),
        train_images=train_points,
        train_labels=train_labels,
        test_images=test_points,
        test_labels=test_labels,
    )


def _part(draw: np.random.RandomState) -> tuple[Features, Labels]:
    """Points float32 [N, 2], and labels in ascending order."""
    labels = np.repeat(np.arange(len(CENTRES)), OF_EACH)
    points = np.array(CENTRES)[labels] + SIGMA * draw.standard_normal((len(labels), 2))
    return points.astype(np.float32), labels.astype(np.int64)

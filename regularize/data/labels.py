"""Labels as files give them: one class an image, from 0 without gaps."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from regularize.data.source import Labels
from regularize.errors import UserError


def checked_labels(where: object, labels: npt.NDArray[Any], count: int) -> Labels:
    """Labels [N] or [N, 1] of `count` images as int64 [N].

    Raises:
        UserError: not integers, not one an image.
    """
    if labels.ndim == 2 and labels.shape[1] > 1 and len(labels) == count:
        raise UserError(
            f"{where} is {labels.dtype} {list(labels.shape)}: {labels.shape[1]} labels an image; only one "
            "class an image can be learned"
        )
    if labels.dtype.kind not in "iu" or labels.shape not in ((count,), (count, 1)):
        raise UserError(
            f"{where} is {labels.dtype} {list(labels.shape)}, but must be integers [{count}] or [{count}, 1]"
        )
    return labels.reshape(count).astype(np.int64)


def count_classes(where: object, name: str, train: Labels, others: Mapping[str, Labels]) -> int:
    """The number of classes, all of which the training part must have; `others` are the other parts'.

    Raises:
        UserError: a gap, or a label that the training part has not.
    """
    present = np.unique(train)
    if not np.array_equal(present, np.arange(len(present))):
        raise UserError(f"{where}: {name} are {present[:10].tolist()}…, but must be 0, 1, 2, … without gaps")
    for other, labels in others.items():
        if odd := np.setdiff1d(labels, present).tolist():
            hidden = " (labels that are kept secret, for a contest?)" if odd == [-1] else ""
            raise UserError(f"{where}: {other} has {odd[0]}, which {name} has not{hidden}")
    return len(present)

"""Accuracy on corrupted copies of the test split, by corruption and severity.

Of every copy the same test images are classified, at severity 0 as they are, so that what differs
between severities, corruptions and runs is what was done to the images, not which ones they are.
"""

from __future__ import annotations

import hashlib
from typing import NamedTuple

import torch
from torch import Tensor

from regularize.data.corrupted import Corrupted
from regularize.errors import UserError
from regularize.evaluation.examined import Examined, drawn
from regularize.evaluation.settings import Corruptions

PART = "corrupted"


class OnCorrupted(NamedTuple):
    """Which examples are classified right, [R, n]; severity 0 is the test split as it is.

    `content` is a hash of the copies that were classified: files may be mended, and keep their names.
    """

    corruption: str
    severity: int
    correct: Tensor
    content: int | None = None

    @property
    def accuracy(self) -> Tensor:
        """[R]"""
        return self.correct.double().mean(1)


def on_corrupted(examined: Examined, settings: Corruptions) -> list[OnCorrupted]:
    """Accuracy on every copy there is; all ranks call this together.

    Raises:
        UserError: there is none.
    """
    copies = examined.batches.corrupted()
    if not copies:
        raise UserError("there are no corrupted test sets, which `evaluation: {corruptions: true}` asks for")
    found: list[OnCorrupted] = []
    clean: dict[int, Tensor] = {}  # by how many images there are to choose from
    for copy in copies:
        rows = drawn(copy.count, settings.examples, PART)
        if copy.severity == 1 and copy.count == len(examined.batches.labels["test"]):
            if copy.count not in clean:
                clean[copy.count] = _correct(examined, "test", rows)
            found.append(OnCorrupted(copy.corruption, 0, clean[copy.count]))
        found.append(_on(examined, copy, rows))
    return found


def _on(examined: Examined, copy: Corrupted, rows: Tensor) -> OnCorrupted:
    images, labels = copy.take(rows.numpy())
    digest = hashlib.blake2b(images.tobytes() + labels.tobytes(), digest_size=6).digest()
    with examined.batches.holding(PART, torch.from_numpy(images), torch.from_numpy(labels)):
        correct = _correct(examined, PART, torch.arange(len(rows)))
    return OnCorrupted(copy.corruption, copy.severity, correct, int.from_bytes(digest, "big"))


def _correct(examined: Examined, part: str, rows: Tensor) -> Tensor:
    """[R, n]"""

    def right(x: Tensor, labels: Tensor, span: slice) -> Tensor:
        outputs: Tensor = examined.model(x)
        return (outputs.argmax(-1) == labels).unsqueeze(-1).to(x.dtype)

    return examined.over(part, rows.expand(len(examined.seeds), -1), 1, right).squeeze(-1) > 0

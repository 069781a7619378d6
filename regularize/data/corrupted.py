"""Corrupted copies of a test set, in the files that people publish: CIFAR-10-C, CIFAR-100-C, MNIST-C.

In one layout each corruption is `<corruption>.npy` [5·N, H, W, C], its severities 1 to 5 one after the
other, beside one `labels.npy`; in the other it is a folder with `test_images.npy` [N, H, W, C] and
`test_labels.npy`, of one severity. The files are mapped and only the rows in use are read. Free of torch.

D. Hendrycks and T. Dietterich, "Benchmarking Neural Network Robustness to Common Corruptions and
Perturbations", ICLR 2019 (arXiv:1903.12261); N. Mu and J. Gilmer, "MNIST-C", 2019 (arXiv:1906.02337).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from regularize.data.form import Form
from regularize.data.source import Facts, Images, Labels, MissingDataError, check_here, damaged
from regularize.errors import UserError
from regularize.opened import opened

FOLDERS = {"mnist": "mnist_c", "cifar10": "CIFAR-10-C", "cifar100": "CIFAR-100-C"}
SEVERITIES = 5  # of a file that has several
UNCORRUPTED = "identity"  # MNIST-C's copy of the test set as it is
EXTRA = ("gaussian_blur", "saturate", "spatter", "speckle_noise")  # published beside the fifteen, for tuning


@dataclass(frozen=True, kw_only=True)
class Corrupted:
    """The test set under one corruption: `count` images from row `first` of a file."""

    corruption: str
    severity: int
    images: Path
    labels: Path
    first: int
    count: int
    form: Form

    def take(self, rows: npt.NDArray[np.int64]) -> tuple[Images, Labels]:
        """Images [n, H, W, C] and labels [n] of some of the `count`."""
        images = _mapped(self.images)[self.first + rows]
        labels = _mapped(self.labels)[self.first + rows]
        return self.form.images(images.reshape(*images.shape[:3], -1)), labels.astype(np.int64).reshape(-1)


def places(name: str, root: Path) -> list[Path]:
    """The folders that may have a data set's corrupted copies, the likeliest first."""
    return [root / folder for folder in (FOLDERS.get(name), f"{name}-c") if folder]


def find(name: str, root: Path, form: Form) -> tuple[Corrupted, ...]:
    """All that are there, by corruption and severity; none where there is no such folder.

    Raises:
        UserError: files that are not of one of the two layouts.
    """
    folder = next((place for place in places(name, root) if place.is_dir()), None)
    return tuple(_of(folder, form)) if folder else ()


def check(name: str, root: Path, facts: Facts, form: Form) -> None:
    """Refuse to go on where there are none, or where they do not go with the data set.

    Raises:
        MissingDataError: says where they belong.
        UserError: another size or other classes.
    """
    found = find(name, root, form)
    if not found:
        belong = " or ".join(str(place) for place in places(name, root))
        raise MissingDataError(
            f"{name} has no corrupted test sets, which `evaluation: {{corruptions: true}}` asks for: put "
            f"them into {belong}, as <corruption>.npy and labels.npy or as <corruption>/test_images.npy "
            "and test_labels.npy"
        )
    for one in found:
        images, labels = one.take(np.arange(1))
        wanted = (1, facts.side, facts.side, facts.channels)
        if images.shape != wanted:
            raise UserError(f"{one.images} has images of {images.shape[1:]}, but {name} of {wanted[1:]}")
        most = int(_mapped(one.labels).max())
        if most >= facts.classes or labels.min() < 0:
            raise UserError(f"{one.labels} has labels up to {most}, but {name} has {facts.classes} classes")


def _of(folder: Path, form: Form) -> Iterator[Corrupted]:
    if (folder / "labels.npy").is_file():
        for path in sorted(folder.glob("*.npy")):
            if path.name != "labels.npy":
                yield from _severities(path, folder / "labels.npy", form)
        return
    for path in sorted(folder.glob("*/test_images.npy")):
        labels = path.with_name("test_labels.npy")
        if path.parent.name != UNCORRUPTED:
            count = _count(path, labels)
            yield _one(path.parent.name, 1, path, labels, 0, count, form)


def _severities(path: Path, labels: Path, form: Form) -> Iterator[Corrupted]:
    total = _count(path, labels)
    blocks = _mapped(labels).reshape(SEVERITIES, -1) if total % SEVERITIES == 0 else None
    if blocks is None or (blocks != blocks[0]).any():
        raise UserError(
            f"{labels} has {total:,} labels, which are not {SEVERITIES} times the same: severities 1 to "
            f"{SEVERITIES} of the same images, one after the other, belong there"
        )
    count = total // SEVERITIES
    for severity in range(1, SEVERITIES + 1):
        yield _one(path.stem, severity, path, labels, (severity - 1) * count, count, form)


def _one(
    corruption: str, severity: int, images: Path, labels: Path, first: int, count: int, form: Form
) -> Corrupted:
    return Corrupted(
        corruption=corruption,
        severity=severity,
        images=images,
        labels=labels,
        first=first,
        count=count,
        form=form,
    )


def _count(images: Path, labels: Path) -> int:
    shape, kind = _mapped(images).shape, _mapped(images).dtype
    if kind != np.uint8 or len(shape) not in (3, 4):
        raise UserError(f"{images} is {kind} {list(shape)}, but must be uint8 [N, H, W] or [N, H, W, C]")
    if _mapped(labels).shape[0] != shape[0]:
        raise UserError(f"{labels} has {len(_mapped(labels)):,} labels for {shape[0]:,} images")
    return int(shape[0])


def _mapped(path: Path) -> npt.NDArray[Any]:
    try:
        with opened(path, links=True) as stored:
            check_here(path, stored.read(64))
        found: npt.NDArray[Any] = np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise damaged(path, error) from error
    return found

"""The images that benchmarks train on: MNIST, else what there is that looks like it."""

from __future__ import annotations

import os
from pathlib import Path
from tempfile import mkdtemp

from regularize.data import load
from regularize.data.idx import FASHION_MNIST
from regularize.data.registry import VARIABLE
from regularize.errors import UserError

DEBIAN = Path("/usr/share/datasets/fashion-mnist")  # of the package dataset-fashion-mnist


def choose() -> str:
    """The name of a data set that this process and those it begins can load; says which it is.

    MNIST or Fashion-MNIST of the data root, else Fashion-MNIST as Debian has it, else scikit-learn's digits.
    """
    name = next((name for name in ("mnist", "fashion_mnist") if _there(name)), "")
    if not name and DEBIAN.is_dir():
        root, name = Path(mkdtemp(prefix="regularize-bench-")), "fashion_mnist"
        (root / FASHION_MNIST.folder).parent.mkdir(parents=True)
        (root / FASHION_MNIST.folder).symlink_to(DEBIAN)
        os.environ[VARIABLE] = str(root)
    name = name or "digits"
    print(f"data: {name}")
    return name


def _there(name: str) -> bool:
    try:
        load(name)
    except UserError:
        return False
    return True

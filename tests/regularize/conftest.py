"""Real data sets for the tests: never in the repository, found where the machine keeps them."""

from __future__ import annotations

import os
import tarfile
from pathlib import Path, PurePosixPath

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
JPEGS = 20  # of each class and part; unpacking all 60,000 takes seconds


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder with `MNIST/raw` and `cifar10-jpeg.tar.xz`: REGULARIZE_TEST_DATA, or ../shared/data."""
    named = os.environ.get("REGULARIZE_TEST_DATA")
    folder = Path(named) if named else REPOSITORY.parent / "shared" / "data"
    if folder.is_dir():
        return folder
    message = f"no test data in {folder}; REGULARIZE_TEST_DATA names another folder"
    if os.environ.get("CI"):
        pytest.fail(message)
    pytest.skip(message)


@pytest.fixture(scope="session")
def mnist_root(shared_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data root with the real MNIST, which may be prepared but not changed."""
    root = tmp_path_factory.mktemp("mnist")
    (root / "MNIST").symlink_to(shared_data / "MNIST")
    return root


@pytest.fixture(scope="session")
def jpeg_root(shared_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data root with some of the real CIFAR-10 images, as the image folder `cifar10-jpeg`."""
    root = tmp_path_factory.mktemp("jpeg")
    with tarfile.open(shared_data / "cifar10-jpeg.tar.xz") as archive:
        for member in archive:
            path = PurePosixPath(member.name)
            if member.isfile() and int(path.stem) < JPEGS:
                archive.extract(member, root / "cifar10-jpeg", filter="data")
    return root

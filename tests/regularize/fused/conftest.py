"""The kernels of every kind that this processor knows, built once."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from regularize import fused
from regularize.fused import build
from regularize.fused.kernels import Kernels
from regularize.fused.trial import check

KINDS = [target.name for target in build.targets()]


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Kernels]:
    """Name of the instructions → kernels."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(build.CACHE, str(tmp_path_factory.mktemp("kernels")))
        return {target.name: Kernels(build.library(target, check), target.name) for target in build.targets()}


@pytest.fixture
def fresh() -> Iterator[None]:
    """The path is chosen anew in the test, and anew after it."""
    fused.chosen.cache_clear()
    yield
    fused.chosen.cache_clear()

"""The kernels of every kind that this processor knows, for LeNets of several widths, built once."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache, partial

import pytest

from regularize import fused
from regularize.fused import build
from regularize.fused.kernels import Kernels
from regularize.fused.reach import USUAL, Filters
from regularize.fused.trial import check

KINDS = [target.name for target in build.targets()]
WIDTHS: dict[float, Filters] = {1: USUAL, 0.5: (3, 8), 0.8: (5, 13), 1.5: (9, 24), 2: (12, 32)}
"""Of networks, with their filters: blocks of them that are full or not, in one vector or several."""

BuiltFor = Callable[[Filters], dict[str, Kernels]]


@pytest.fixture(scope="session")
def built_for(tmp_path_factory: pytest.TempPathFactory) -> BuiltFor:
    """Filters to name of the instructions → kernels."""
    folder = str(tmp_path_factory.mktemp("kernels"))

    @cache
    def found(filters: Filters) -> dict[str, Kernels]:
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv(build.CACHE, folder)
            test = partial(check, filters=filters)
            return {
                target.name: Kernels(build.library(target, test), target.name, filters)
                for target in build.targets(filters)
            }

    return found


@pytest.fixture(scope="session")
def built(built_for: BuiltFor) -> dict[str, Kernels]:
    """Name of the instructions → kernels, for LeNets of the usual width."""
    return built_for(USUAL)


@pytest.fixture
def fresh(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The path is chosen anew in the test, and anew after it."""
    fused.chosen.cache_clear()
    monkeypatch.setattr(fused, "_PROBLEMS", {})
    yield
    fused.chosen.cache_clear()

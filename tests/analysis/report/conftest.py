"""The page that the tests of this folder read."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from regularize.store import Store
from tests.analysis.report.pages import build


@pytest.fixture(scope="module")
def built(make_module_store: Callable[..., Store]) -> tuple[Store, Path]:
    return build(make_module_store)

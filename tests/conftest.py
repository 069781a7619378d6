"""What all tests share."""

from __future__ import annotations

from typing import Any

import hypothesis
import pytest
import torch
from xdist.scheduler import LoadFileScheduling

# A busy machine is no failure.
hypothesis.settings.register_profile(
    "patient", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow]
)
hypothesis.settings.load_profile("patient")


@pytest.fixture(autouse=True, scope="session")
def _one_thread() -> None:
    """As in a worker; several threads for small tensors only get in each other's way."""
    torch.set_num_threads(1)


class _OneClusterScheduling(LoadFileScheduling):  # type: ignore[misc]
    """A file at a time to each worker, but all of `tests/cluster` to one: it is one cluster."""

    def _split_scope(self, nodeid: str) -> str:
        file = str(super()._split_scope(nodeid))
        return "tests/cluster" if file.startswith("tests/cluster/") else file


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> LoadFileScheduling:
    return _OneClusterScheduling(config, log)

"""What all tests share."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from typing import Any

import hypothesis
import pytest
import torch
from xdist.scheduler import LoadFileScheduling

from regularize.cores import cores

# A busy machine is no failure.
hypothesis.settings.register_profile(
    "patient", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow]
)
hypothesis.settings.load_profile("patient")


@pytest.fixture(autouse=True, scope="session")
def _one_thread() -> None:
    """As in a worker; several threads for small tensors only get in each other's way."""
    torch.set_num_threads(1)


@pytest.fixture(autouse=True, scope="session")
def _no_notes_at_home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """What tests submit is noted in a folder of theirs."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_STATE_HOME", str(tmp_path_factory.mktemp("state")))
        yield


class _OneClusterScheduling(LoadFileScheduling):  # type: ignore[misc]
    """A file at a time to each worker, but all of `tests/cluster` to one: it is one cluster.

    Two would halve the time, and a Ctrl-C that meets a busy machine was then told as a line that was lost.
    """

    def _split_scope(self, nodeid: str) -> str:
        file = str(super()._split_scope(nodeid))
        return "tests/cluster" if file.startswith("tests/cluster/") else file


def pytest_xdist_auto_num_workers(config: pytest.Config) -> int:
    """One more than there are cores where there is a cluster: its tests wait for it most of the time."""
    return cores() + (shutil.which("slurmctld") is not None)


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> LoadFileScheduling:
    return _OneClusterScheduling(config, log)

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
    """What tests submit, and measure of this machine, is noted in folders of theirs."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_STATE_HOME", str(tmp_path_factory.mktemp("state")))
        patch.setenv("REGULARIZE_MEASURED", str(tmp_path_factory.mktemp("measured")))
        yield


_CLUSTER = "tests/cluster/"


class _TwoClustersScheduling(LoadFileScheduling):  # type: ignore[misc]
    """A file at a time to each worker; those of `tests/cluster` first, to two workers, each with its cluster.

    Their tests wait most of the time, so that two go on beside each other, and all of them take longest.
    """

    def _assign_work_unit(self, node: Any) -> None:
        with_cluster = node in self.nodes[:2]
        ours = (scope for scope in self.workqueue if scope.startswith(_CLUSTER) == with_cluster)
        if scope := next(ours, None):
            self.workqueue.move_to_end(scope, last=False)
        super()._assign_work_unit(node)


def pytest_xdist_auto_num_workers(config: pytest.Config) -> int:
    """One more than there are cores where there are clusters, for which tests wait most of the time."""
    return cores() + (shutil.which("slurmctld") is not None)


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> LoadFileScheduling:
    return _TwoClustersScheduling(config, log)

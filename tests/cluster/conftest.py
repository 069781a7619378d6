"""The cluster as a fixture. It is started once, as one xdist worker runs all tests of this folder."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cluster.laptop import Laptop, end_masters, make_laptop
from tests.cluster.machines import what_lacks
from tests.cluster.processes import wait_for
from tests.cluster.settings import LOGINS
from tests.cluster.slurm import TestCluster
from tests.faults import loaded_python


@pytest.fixture(scope="session")
def cluster() -> Iterator[TestCluster]:
    """The running cluster; this process's environment is that of its clients."""
    if lack := what_lacks():
        (pytest.fail if os.environ.get("CI") else pytest.skip)(lack)
    running = TestCluster()
    with pytest.MonkeyPatch.context() as patch:
        for key, value in running.environment.items():
            patch.setenv(key, value)
        try:
            yield running
        finally:
            running.stop()


@pytest.fixture(autouse=True)
def _soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """`--wait` looks more often than for people."""
    monkeypatch.setattr("jobs.status.wait_for_jobs.REFRESH_SECONDS", 2.0)


@pytest.fixture
def slurm(cluster: TestCluster) -> Iterator[TestCluster]:
    """The cluster with an empty queue and four nodes, before and after."""
    yield cluster
    cluster.tidy()


@pytest.fixture
def laptop(slurm: TestCluster, tmp_path: Path) -> Iterator[Laptop]:
    """One whose ssh config says nothing of masters."""
    lines = (slurm.folder / "ssh" / "config").read_text().splitlines()
    made = make_laptop(tmp_path, "\n".join(line for line in lines if "Control" not in line) + "\n")
    yield made
    end_masters(made, [*(f"test-{name}" for name in LOGINS), "test-behind-jump"])


@pytest.fixture(scope="session")
def python(cluster: TestCluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[str]]:
    """`python:` of a config whose jobs are forks of one interpreter: each would take longer to load torch."""
    place = tmp_path_factory.mktemp("loaded") / "socket"
    words = [sys.executable, "-m", "tests.faults.loaded_server", str(place)]
    with subprocess.Popen(words, env=os.environ | {"OMP_NUM_THREADS": "1"}) as server:
        try:
            wait_for("the interpreter", lambda: place.exists() or server.poll() is not None, 120)
            assert server.poll() is None
            yield [sys.executable, "-I", "-S", loaded_python.__file__, str(place)]
        finally:
            server.kill()


@pytest.fixture(scope="session")
def data_root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where data sets are decoded to, once."""
    return tmp_path_factory.mktemp("data")

"""What a job has taken of its node, from control groups as version 1 and version 2 of them lie there."""

from __future__ import annotations

import gc
import weakref
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from regularize import train_pack as train_pack_module
from regularize.memory import _job_group, _peak, job_peak
from regularize.store import PackPaths
from regularize.train_pack import train_pack
from regularize.trainer import Trainer
from tests.regularize.technique_cases import TABLE, TOGETHER


@pytest.mark.parametrize(
    ("listed", "group", "peak", "files"),
    [
        (
            "9:name=systemd:/\n4:memory:/cluster/n1/slurm/uid_0/job_7/step_0/task_0\n0::/\n",
            "memory/slurm/uid_0/job_7",  # as a container, or a node of the test cluster, sees it
            "memory.max_usage_in_bytes",
            "total_inactive_file 300\ninactive_file 1\n",
        ),
        (
            "0::/system.slice/slurmstepd.scope/job_7/step_0/user/task_0\n",
            "system.slice/slurmstepd.scope/job_7",
            "memory.peak",
            "anon 5\ninactive_file 300\n",
        ),
    ],
)
def test_a_jobs_peak_without_what_is_kept_of_files(
    tmp_path: Path, listed: str, group: str, peak: str, files: str
) -> None:
    (tmp_path / "cgroup").write_text(listed)
    folder = tmp_path / "root" / group
    folder.mkdir(parents=True)
    (folder / peak).write_text("1000\n")
    (folder / "memory.stat").write_text(files)
    found = _job_group(tmp_path / "cgroup", tmp_path / "root")
    assert found == folder
    assert _peak(found) == 700


def test_outside_of_jobs_nothing_is_known(tmp_path: Path) -> None:
    (tmp_path / "cgroup").write_text("4:memory:/user.slice\n0::/user.slice\n")
    assert _job_group(tmp_path / "cgroup", tmp_path) is None
    assert _job_group(tmp_path / "nowhere", tmp_path) is None
    assert _peak(tmp_path) == 0
    assert job_peak() == 0


@pytest.mark.parametrize(
    "name", ["l2", "weight_noise", "early_stopping", "spectral_norm-operator", "penalties"]
)
def test_a_pack_is_out_of_memory_once_it_has_ended(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without the garbage collector, which has no reason to look before a worker's next packs are there."""
    begun: list[weakref.ref[Trainer]] = []

    class Watched(Trainer):
        def __init__(self, *given: Any) -> None:
            super().__init__(*given)
            begun.append(weakref.ref(self))

    monkeypatch.setattr(train_pack_module, "Trainer", Watched)
    steps = count(1)
    gc.disable()
    try:
        runs = (TABLE | TOGETHER)[name].pack(steps=4)
        first = train_pack(runs, PackPaths(tmp_path), stop=lambda: next(steps) == 3)
        last = train_pack(runs, PackPaths(tmp_path))
    finally:
        gc.enable()
    assert (first.state, last.state) == ("interrupted", "done")
    assert [each() for each in begun] == [None, None]

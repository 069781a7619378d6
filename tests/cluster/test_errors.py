"""What can be wrong with a cluster is one clear error each, and nothing is half submitted."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from jobs.slurm.client import Slurm
from jobs.store.journal import read_journal
from tests.cluster.processes import wait_for
from tests.cluster.slurm import TestCluster
from tests.cluster.tables import assert_same
from tests.cluster.test_harm import SWEEP as SLOW
from tests.cluster.trial import SMALL, Said, Trial

# Slurm has the job, and its answer is lost.
UNHEARD = """\
#!/bin/sh
"{program}" "$@" > /dev/null
echo "sbatch: error: Batch job submission failed: Socket timed out on send/recv operation" >&2
exit 1
"""
# It takes the first job, and then there is room for no other.
LIMITING = """\
#!/bin/sh
"{program}" "$@" || exit
sacctmgr -i -Q modify user root set MaxSubmitJobs=1 > /dev/null
sleep 1
"""


def assert_refused(slurm: TestCluster, trial: Trial, said: Said, *words: str) -> None:
    """One line that says what is wrong, nothing in the queue, and nothing that seems to be."""
    assert said.code == 2
    (line,) = [line for line in said.err.splitlines() if line.startswith("error: ")]
    assert "Traceback" not in said.err
    assert [word for word in words if word not in line] == []
    assert slurm.queued() == []
    if trial.store.journal.exists():
        assert not [handed for handed in read_journal(trial.store.journal).handed if handed.open]


def test_unknown_partition(slurm: TestCluster, tmp_path: Path, data_root: Path) -> None:
    trial = Trial(tmp_path, data_root, SMALL, partition="mian")
    assert_refused(slurm, trial, trial.submit(), "mian")


def test_more_than_any_node_has(slurm: TestCluster, tmp_path: Path, data_root: Path) -> None:
    trial = Trial(tmp_path, data_root, SMALL, memory="64G")
    assert_refused(slurm, trial, trial.submit())


def test_without_accounting_scancel_stops_a_sweep_and_submit_completes_it(
    slurm: TestCluster, tmp_path: Path, data_root: Path, python: list[str]
) -> None:
    slurm.stop_accounting()
    trial = Trial(tmp_path, data_root, SMALL, python=python, sbatch={"hold": True})
    assert trial.submit().code == 0
    assert "failed" not in trial.states()
    array, follow_up = read_journal(trial.store.journal).handed
    slurm.run("scancel", str(array.job_id))
    slurm.run("scontrol", "release", str(follow_up.job_id))
    slurm.wait_until_idle()
    assert "1 run left out: ended by scancel" in trial.regularize("status").out
    trial = Trial(tmp_path, data_root, SMALL, python=python)
    assert trial.submit().code == 0
    slurm.wait_until_idle()
    assert trial.states() == {"done": 1}


def test_a_limit_that_comes_between_an_array_and_what_follows_it(
    slurm: TestCluster, tmp_path: Path, data_root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trial = Trial(tmp_path, data_root, SMALL, sbatch={"hold": True})
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "sbatch").write_text(LIMITING.format(program=shutil.which("sbatch")))
    (tmp_path / "bin" / "sbatch").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:{os.environ['PATH']}")
    try:
        said = trial.submit()
    finally:
        slurm.set_max_submit_jobs(None)
    assert said.code == 0, said
    assert "Slurm leaves no place for a job that goes on by itself" in said.err
    (array,) = [handed for handed in read_journal(trial.store.journal).handed if handed.open]
    assert {job.partition("_")[0] for job in slurm.queued()} == {str(array.job_id)}


def test_a_controller_that_is_away_is_waited_for(slurm: TestCluster, tmp_path: Path, data_root: Path) -> None:
    trial = Trial(tmp_path, data_root, SMALL)
    slurm.stop_controller()
    command = [sys.executable, "-c", "from jobs.commands.cli import main; raise SystemExit(main())", "submit"]
    options = [str(trial.sweep), "--store", str(trial.root), *trial.submit_options]
    with subprocess.Popen(
        [*command, *options], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as process:
        assert process.stdout
        said = next(line for line in process.stdout if "does not answer" in line)
        slurm.start_controller()
        said += process.stdout.read()
    assert process.returncode == 0, said
    assert "trying again in" in " ".join(said.split())
    assert len(slurm.queued()) == 2
    assert len([handed for handed in read_journal(trial.store.journal).handed if handed.open]) == 2


def test_a_job_that_slurm_took_without_a_word_is_not_handed_over_twice(
    slurm: TestCluster, tmp_path: Path, data_root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trial = Trial(tmp_path, data_root, SMALL, sbatch={"hold": True})
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "sbatch").write_text(UNHEARD.format(program=shutil.which("sbatch")))
    (tmp_path / "bin" / "sbatch").chmod(0o755)
    with monkeypatch.context() as patch:
        patch.setenv("PATH", f"{tmp_path / 'bin'}:{os.environ['PATH']}")
        patch.setattr("jobs.submission.submit_to_slurm.Slurm", partial(Slurm, patience=0.0))
        said = trial.submit()
    assert (said.code, "Socket timed out" in said.err) == (2, True), said
    (before,) = slurm.queued()
    assert trial.states() == {"unknown": 1}

    assert trial.submit().code == 0
    array, follow_up = read_journal(trial.store.journal).handed
    assert (array.job_id, follow_up.after) == (before, (before,))
    assert set(slurm.queued()) == {before, follow_up.job_id}


def test_a_full_store(
    slurm: TestCluster, tmp_path: Path, data_root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    small, let_go = slurm.folder / "small", tmp_path / "let_go"
    monkeypatch.setenv("LET_GO", str(let_go))
    trial = Trial(tmp_path, data_root, SLOW)
    trial.root, trial.store = small, type(trial.store)(small / "slow")
    with filled(small):
        assert_refused(slurm, trial, trial.submit(), "no space left")
    assert trial.submit().code == 0
    wait_for("training", lambda: any(trial.store.packs.glob("*/status.json")), 90)
    with filled(small):
        let_go.touch()
        log = wait_for("the log", lambda: list(trial.store.logs.glob("*_0_log.out")))[0]
        wait_for("the error", lambda: "error: no space left" in log.read_text(), 60)
        assert "Traceback" not in log.read_text()
        slurm.wait_until_idle()
    assert trial.submit().code == 0
    slurm.wait_until_idle()
    assert_same(trial.store, trial.in_one_process(tmp_path / "alone"))


def test_data_that_the_compute_node_lacks(slurm: TestCluster, tmp_path: Path) -> None:
    images, labels = (np.arange(40 * 8 * 8) % 251).astype(np.uint8).reshape(40, 8, 8), np.arange(40) % 2
    with mounted(tmp_path / "data") as root:  # after the nodes were started: they do not see it
        parts = {"train_images": images, "train_labels": labels, "test_images": images, "test_labels": labels}
        np.savez(root / "own.npz", allow_pickle=False, **parts)
        trial = Trial(tmp_path, root, SMALL.replace("{digits: {per_class: 20}}", "own"))
        assert trial.submit().code == 0
        slurm.wait_until_idle()
    said = trial.regularize("status")
    assert trial.states() == {"failed": 1}
    assert "own" in said.out
    assert str(root) in said.out


@contextmanager
def filled(folder: Path) -> Iterator[None]:
    """A file system without a byte left."""
    path = folder / "filler"
    with suppress(OSError), path.open("wb", buffering=0) as file:
        while file.write(bytes(4096)):
            pass
    yield
    path.unlink()


@contextmanager
def mounted(path: Path) -> Iterator[Path]:
    """A file system that only this machine sees."""
    path.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "tmpfs", str(path)], check=True)
    try:
        yield path
    finally:
        subprocess.run(["umount", str(path)], check=True)

"""Which logs tell of which runs, with what Slurm says as plain values."""

from __future__ import annotations

import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from jobs.status.log_files import log_files, logs
from jobs.status.run_filters import EVERYTHING, Filter
from jobs.store.handed import Ending, Handed
from jobs.store.journal import append, ended, read_journal, submitting
from jobs.store.planned_runs import read_rows
from jobs.store.runs_table import write_runs
from jobs.submission.job_outcomes import Sight, unasked
from jobs.sweep.run_grid import tune_runs
from jobs.sweep.sweep_file import load_sweep
from regularize.store import Store
from tests.jobs.stores import write_pack
from tests.jobs.sweeps import BASE


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """Of six runs one trains, one waits in the same queue, one failed there, and of one the job is lost."""
    path = tmp_path / "sweep.yaml"
    path.write_text(BASE, encoding="utf-8")
    planned = tune_runs(load_sweep(path))
    store = Store(tmp_path / "store")
    write_runs(store, planned, complete=True)
    running, waiting, bad, lost, *_ = (run.config.run_id for run in planned)
    write_pack(store, [running], "running", job="13_0_0")
    write_pack(store, [bad], "failed", job="13_2_0").error.write_text("ValueError: no\n", encoding="utf-8")
    each = tuple((((run,),),) for run in (running, waiting, bad, lost))
    submitting(store.journal, Handed(token="t", name="rs-small-t", elements=each))
    append(store.journal, "submitted", token="t", job_id="13")
    ended(store.journal, "t", {3: Ending("NODE_FAIL", False)})
    store.logs.mkdir()
    for index in (0, 2, 3):
        (store.logs / f"13_{index}_0_log.out").write_text(f"log of {index}\n", encoding="utf-8")
    return store


@pytest.fixture
def sight(store: Store) -> Sight:
    return unasked(read_journal(store.journal))


def test_what_is_at_work_is_no_trouble(store: Store, sight: Sight) -> None:
    names = [path.name for path in log_files(store, EVERYTHING, sight)]
    assert sorted(names) == ["13_3_0_log.out", "error.txt"]
    said = "".join(logs(store, EVERYTHING, 20, sight))
    assert ("ValueError: no" in said, "log of 3" in said, "log of 0" in said) == (True, True, False)


def test_a_process_here_that_ended_without_a_word_is_lost_and_its_last_words_are_shown(
    store: Store, sight: Sight
) -> None:
    process = subprocess.Popen(["true"])
    process.wait()
    run = read_rows(store)[-1].run_id
    long_ago = (datetime.now(UTC) - timedelta(minutes=5)).isoformat(timespec="seconds")
    pack = write_pack(store, [run], "running", pid=process.pid, updated_at=long_ago)
    lost = Filter(runs=(run,))
    assert "ended without a word, as on a full disk" in "".join(logs(store, lost, 20, sight))
    assert pack.error in log_files(store, EVERYTHING, sight)
    (store.logs / "77_0_log.err").write_text("no space left to write status.json\n", encoding="utf-8")
    assert "no space left" in "".join(logs(store, lost, 20, sight))


def test_of_what_no_log_tells_a_line_does(store: Store) -> None:
    run, other = (row.run_id for row in read_rows(store)[-2:])
    write_pack(store, [run], "done", diverged=(run,), diverged_at={run: 4})
    diverged = logs(store, Filter(states=("diverged",)), 20, see(store))
    assert f"run {run}: diverged at step 4" in list(diverged)
    killed = {"how": "was killed by signal 9", "pack": "ab", "log": "worker-1-7.log", "given_up": False}
    append(store.journal, "died", pid=7, runs=[other], **killed)
    for wanted in (EVERYTHING, Filter(runs=(other,))):
        (first, *_) = logs(store, wanted, 20, see(store))
        assert first.startswith("worker process 7 was killed by signal 9 while it trained pack ab")


def see(store: Store) -> Sight:
    return Sight(journal=read_journal(store.journal), live={}, gone={})


@pytest.mark.parametrize(
    ("state", "name"), [("running", "13_0_0_log.out"), ("queued", "13_1_0_log.out"), ("failed", "error.txt")]
)
def test_those_in_a_state_are_found(store: Store, sight: Sight, state: str, name: str) -> None:
    assert [path.name for path in log_files(store, Filter(states=(state,)), sight)] == [name]


def test_what_slurm_says_nothing_of_is_trouble(store: Store) -> None:
    blind = Sight(journal=read_journal(store.journal), live={}, gone={})
    names = [path.name for path in log_files(store, Filter(states=("unknown",)), blind)]
    assert sorted(names) == ["13_0_0_log.out", "13_1_0_log.out"]

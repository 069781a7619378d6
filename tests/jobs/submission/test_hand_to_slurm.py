"""What the journal says of a request that Slurm refuses, or of which nobody knows whether Slurm has it.

`sbatch` is a script here, and the other programs are stood in for at the subprocess; `tests/cluster`
runs the real ones.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from jobs.cluster.cluster_config import Cluster
from jobs.planning.packing import Pack
from jobs.slurm.client import Done, Slurm
from jobs.slurm.sacct import FIELDS
from jobs.store import journal
from jobs.store.handed import Ending, Handed
from jobs.store.journal import read_journal
from jobs.store.submitted_settings import Saved
from jobs.submission.follow_up_job import way_to_slurm
from jobs.submission.hand_to_slurm import RefusedError, TooManyError, array_of, heartbeat
from jobs.submission.reconcile import reconcile
from regularize.errors import UserError
from regularize.store import Store

LOST = "sbatch: error: Batch job submission failed: Socket timed out on send/recv operation"
REFUSED = "sbatch: error: Batch job submission failed: Invalid account or account/partition combination"
CONFIGURATION = "sbatch: error: Batch job submission failed: Requested node configuration is not available"
FULL = "sbatch: error: AssocGrpSubmitJobsLimit"
AWAY = "slurm_load_jobs error: Unable to contact slurm controller (connect failure)"
SAVED = Saved(cluster=Cluster(kind="slurm", time=10), data_root=None)


class Queue:
    """squeue and sacct while the controller is `away`, and once it shows the jobs of these names."""

    def __init__(self) -> None:
        self.away, self.names = True, list[str]()

    def slurm(self, patience: float = 0.0) -> Slurm:
        return Slurm(run=self._run, patience=patience, sleep=lambda _: None)

    def _run(self, command: Sequence[str], given: str | None) -> Done:
        if self.away:
            return Done(code=1, out="", err=AWAY)
        shown = "".join(f"13|PENDING|Priority|N/A|N/A||{name}\n" for name in self.names)
        said = {"squeue": shown, "scontrol": "No jobs in the system\n"}
        return Done(code=0, out=said.get(command[0], ""), err="")


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Store:
    (tmp_path / "bin").mkdir()
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:{os.environ['PATH']}")
    for program in ("srun", "sbatch"):  # of the first only the existence is looked at
        answer(tmp_path, program, "exit 1")
    return Store(tmp_path / "store")


def answer(folder: Path, program: str, script: str) -> None:
    path = folder / "bin" / program
    path.write_text(f"#!/bin/sh\n{script}\n", encoding="utf-8")
    path.chmod(0o755)


def failing(said: str) -> str:
    return f'echo "{said}" >&2; exit 1'


def attempt(store: Store, slurm: Slurm, script: str) -> Handed:
    """Hand one pack over to an sbatch that fails; what the journal has of it then."""
    answer(store.folder.parent, "sbatch", script)
    pack = Pack(runs=("a", "b"), whole=60.0)
    with pytest.raises(UserError) as error:
        way_to_slurm(store, SAVED, slurm).hand_over(array_of("x", [[[pack]]], None))
    (handed,) = read_journal(store.journal).handed
    assert handed.abandoned == isinstance(error.value, RefusedError)
    return handed


def test_what_slurm_refuses_is_abandoned(store: Store) -> None:
    assert attempt(store, Queue().slurm(), failing(REFUSED)).abandoned


@pytest.mark.parametrize(("script", "patience"), [
    (failing(LOST), 0.0),  # nobody waits for the controller
    (failing(LOST), 60.0),  # and here squeue is asked for the job, and waits in vain
    ("echo 'a greeting of the site'", 0.0),
    ("kill -KILL $$", 0.0),
])  # fmt: skip
@pytest.mark.parametrize("taken", [True, False])
def test_what_slurm_may_have_taken_is_found_once_it_answers(
    store: Store, script: str, patience: float, taken: bool
) -> None:
    queue = Queue()
    handed = attempt(store, queue.slurm(patience), script)
    assert handed.unsure
    with pytest.raises(UserError, match="not answered"):
        reconcile(way_to_slurm(store, SAVED, queue.slurm()))
    assert read_journal(store.journal).handed[0].unsure, "one who asks in vain knows no more"

    queue.away, queue.names = False, [handed.name] if taken else []
    sight, _ = reconcile(way_to_slurm(store, SAVED, queue.slurm()))
    (handed,) = sight.journal.handed
    assert (handed.job_id, handed.abandoned) == (("13", False) if taken else (None, True))
    assert sight.live_runs() == ({"a", "b"} if taken else set())
    assert (store.jobs / "13_submitted.pkl").exists() == taken


@pytest.mark.parametrize("name", ["a,b", "a:b"])
def test_a_folder_that_a_container_cannot_see_is_refused_before_slurm_is_asked(
    store: Store, tmp_path: Path, name: str
) -> None:
    """Apptainer would take it for two folders, or for where it is to be seen."""
    (tmp_path / name).mkdir()
    saved = Saved(cluster=Cluster(kind="slurm", container="/images/a.sif"), data_root=tmp_path / name)
    way = way_to_slurm(store, saved, Queue().slurm())
    with pytest.raises(RefusedError, match=f"{name}' cannot be seen in a container"):
        way.hand_over(array_of("x", [[[Pack(runs=("a",), whole=60.0)]]], None))
    assert read_journal(store.journal).handed == ()


def test_a_job_is_found_though_the_clock_was_ahead_when_it_was_asked_for(store: Store) -> None:
    """And has ended since, so that only the accounts know of it, which are asked from some time on."""
    handed = attempt(store, Queue().slurm(), failing(LOST))
    row = dict.fromkeys(FIELDS, "") | {"JobID": "13", "State": "COMPLETED", "JobName": handed.name}
    began = datetime.fromisoformat(handed.time) - timedelta(hours=2)

    def run(command: Sequence[str], _: str | None) -> Done:
        if command[0] != "sacct":
            return Done(code=0, out="No jobs in the system\n" if command[0] == "scontrol" else "", err="")
        since = [word.partition("=")[2] for word in command if word.startswith("--starttime")]
        known = not since or datetime.fromisoformat(since[0]).astimezone() < began
        return Done(code=0, out="|".join(row.values()) if known else "", err="")

    sight, _ = reconcile(way_to_slurm(store, SAVED, Slurm(run=run, sleep=lambda _: None)))
    (handed,) = sight.journal.handed
    assert (handed.job_id, handed.abandoned) == ("13", False)


def with_a_bad_node(store: Store) -> None:
    for number, progress in enumerate([True, False, False]):
        handed = Handed(token=f"t{number}", name="", elements=(((("a",),),),))
        journal.submitting(store.journal, handed)
        journal.ended(store.journal, handed.token, {0: Ending("FAILED", progress, nodes="n1")})


def test_where_nothing_is_to_be_had_without_a_bad_node_it_may_go_there(
    store: Store, capsys: pytest.CaptureFixture[str]
) -> None:
    with_a_bad_node(store)
    refuses = f'grep -q -e --exclude=n1 "$2" && {{ {failing(CONFIGURATION)}; }}; echo 13'
    answer(store.folder.parent, "sbatch", refuses)
    way = way_to_slurm(store, SAVED, replace(Queue().slurm(), say=print))
    assert way.hand_over(array_of("x", [[[Pack(runs=("a",), whole=60.0)]]], None)) == "13"
    assert "job 13 may go to n1, where attempts achieved nothing: Slurm refuses" in capsys.readouterr().out
    answer(store.folder.parent, "sbatch", failing(CONFIGURATION))
    with pytest.raises(RefusedError, match="node configuration"):
        way.hand_over(array_of("x", [[[Pack(runs=("a",), whole=60.0)]]], None))


def test_for_want_of_a_place_nothing_goes_to_a_bad_node(store: Store) -> None:
    """As there may be one a moment later."""
    with_a_bad_node(store)
    refuses = f'grep -q -e --exclude=n1 "$2" && {{ {failing(FULL)}; }}; echo 13'
    answer(store.folder.parent, "sbatch", refuses)
    way = way_to_slurm(store, SAVED, Queue().slurm())
    with pytest.raises(TooManyError, match="AssocGrpSubmitJobsLimit"):
        way.hand_over(array_of("x", [[[Pack(runs=("a",), whole=60.0)]]], None))


def test_silence_is_no_answer_to_whether_slurm_has_a_request(store: Store) -> None:
    silent = Slurm(run=lambda *_: Done(code=0, out="", err=""), sleep=lambda _: None)
    attempt(store, silent, failing(LOST))
    with pytest.raises(UserError, match=r"cannot be found out: squeue, sacct and scontrol are silent"):
        reconcile(way_to_slurm(store, SAVED, silent))
    assert read_journal(store.journal).handed[0].unsure


@pytest.mark.parametrize("jobs", [1, 3])
def test_the_id_is_on_a_line_of_its_own_whatever_a_site_prints_around_it(store: Store, jobs: int) -> None:
    banner = "echo 'your last job 1 used 3%'; echo; echo '--> Verifying job 2...OK'"
    answer(store.folder.parent, "sbatch", f"{banner}; echo '4711;alpha'; echo 'bye, job 3'")
    packs = [Pack(runs=(f"{number}",), whole=60.0) for number in range(jobs)]
    way = way_to_slurm(store, SAVED, Queue().slurm())
    assert way.hand_over(array_of("x", [[[pack]] for pack in packs], None)) == "4711"
    (handed,) = read_journal(store.journal).handed
    assert handed.job_id == "4711"
    pickles = {path.name for path in store.jobs.glob("*_submitted.pkl")}
    assert pickles == {f"{handed.slurm_id(index)}_submitted.pkl" for index in range(jobs)}
    assert read_journal(store.journal).handed[0].job_id == "4711"


def test_of_two_lines_that_could_be_the_id_none_is_taken(store: Store) -> None:
    handed = attempt(store, Queue().slurm(), "echo 12; echo 4711")
    assert handed.unsure


def test_a_pack_speaks_less_often_the_more_train_at_once() -> None:
    def seconds(elements: int, tasks: int = 1, **changes: Any) -> float:
        element = ((("run",),),) * tasks
        return heartbeat(Cluster(kind="slurm", time=10, **changes), [element] * elements)

    assert seconds(100) == 2.0
    assert seconds(50, tasks=40) == 40.0
    assert seconds(100_000) == 60.0
    assert seconds(1000, array_parallelism=200) == 4.0
    assert seconds(50, tasks=40, mode="ddp") == 2.0, "ranks of one pack have one voice"
    assert seconds(50, tasks=40, heartbeat_seconds=5) == 5.0

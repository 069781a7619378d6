from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from jobs.cluster.cluster_config import Cluster
from jobs.store.handed import Ending, Handed
from jobs.store.journal import Journal
from jobs.store.meeting_place import Place
from jobs.store.pack_status import Packs, read_packs
from jobs.submission.job_outcomes import Sight
from jobs.submission.reconcile import _endings
from jobs.submission.retries import MOST_FRUITLESS, STARVED, Verdict, judge
from jobs.submission.told_by_packs import Hosts
from jobs.worker.one_pack import _last_status
from regularize.config import pack_id
from regularize.store import Store
from tests.jobs.stores import status, write_pack

NONE = Packs()
HOSTS = lambda *_: Hosts(names=lambda: ["n1"])  # noqa: E731
CLUSTER = Cluster(kind="slurm", memory=500, max_memory=1500)


def array(state: str, progress: bool = False, *, line: int = 1, memory: int = 500, run: str = "a") -> Handed:
    """An array of one element with one run, and its end."""
    return Handed(
        token=f"t{line}",
        name="",
        elements=((((run,),),),),
        memory=memory,
        endings={0: Ending(state, progress, line + 1)},
    )


def judged(
    *handed: Handed, cluster: Cluster = CLUSTER, packs: Packs | None = None, **values: object
) -> Verdict:
    journal = Journal(handed=handed, **values)  # type: ignore[arg-type]
    return judge(journal, packs or Packs(), cluster)


@pytest.mark.parametrize("state", ["NODE_FAIL", "TIMEOUT", "PREEMPTED", "FAILED", "UNKNOWN", "COMPLETED"])
def test_attempts_without_progress_are_repeated_so_many_times(state: str) -> None:
    attempts = [array(state, line=2 * number) for number in range(MOST_FRUITLESS)]
    assert judged(*attempts[:-1]).left_out == {}
    assert judged(*attempts).left_out == {"a": f"3 attempts without progress, the last one {state}"}
    progress = array(state, True, line=20)
    assert judged(*attempts[:-1], progress, *attempts[:-1]).left_out == {}


def test_a_retry_forgets_what_was_before_it() -> None:
    attempts = [array("NODE_FAIL", line=2 * number) for number in range(3)]
    assert judged(*attempts, retried={"a": (9, "")}).left_out == {}
    assert judged(*attempts, retried={"a": (3, "")}).left_out == {}
    assert judged(*attempts, retried={"b": (9, "")}).left_out.keys() == {"a"}


def test_out_of_memory_is_given_twice_as_much_up_to_the_most() -> None:
    first = array("OUT_OF_MEMORY", line=1)
    assert judged(first) == Verdict(left_out={}, memory={"a": 1000})
    second = array("OUT_OF_MEMORY", line=3, memory=1000)
    assert judged(first, second) == Verdict(left_out={}, memory={"a": 1500})
    third = array("OUT_OF_MEMORY", line=5, memory=1500)
    assert judged(first, second, third).left_out.keys() == {"a"}
    assert judged(first, cluster=Cluster(kind="slurm", memory=500)).left_out == {"a": STARVED}


def test_a_python_error_waits_for_a_person() -> None:
    packs = Packs({"p": status(["a", "b"], "failed", updated_at="2026-01-02")})
    assert judged(packs=packs).left_out == {"a": "failed", "b": "failed"}
    assert judged(packs=packs, retried={"a": (1, "2026-01-03")}).left_out == {"b": "failed"}
    assert judged(packs=packs, retried={"a": (1, "2026-01-01")}).left_out.keys() == {"a", "b"}


def test_files_that_are_gone_are_no_error_and_wait_for_nobody(tmp_path: Path) -> None:
    store = Store(tmp_path)
    write_pack(store, ["a", "b"], "done").results.unlink()
    write_pack(store, ["c"], "failed")
    packs = read_packs(store)
    assert not packs.done()
    assert judged(packs=packs).left_out == {"c": "failed"}
    paths = store.pack(pack_id(["a", "b"]))
    _last_status(paths, ["a", "b"], "7_0").write(paths.status)  # training them again raised an error
    assert judged(packs=read_packs(store)).left_out.keys() == {"a", "b", "c"}


def test_what_was_cancelled_stays_so() -> None:
    assert judged(cancelled=frozenset("a")).left_out == {"a": "cancelled"}


def test_what_someone_ended_with_scancel_waits_until_everything_is_asked_for() -> None:
    ended = array("CANCELLED", line=5)
    assert judged(ended).left_out == {"a": "ended by scancel"}
    assert judged(ended, asked=9).left_out == {}
    assert judged(ended, retried={"a": (9, "")}).left_out == {}
    # Ended by us for the sake of other runs in it: its own go on.
    assert judged(ended, ended_by_us=frozenset({("t5", 0)})).left_out == {}


def test_out_of_time_without_a_checkpoint_is_given_twice_as_much_up_to_the_most() -> None:
    cluster = Cluster(kind="slurm", time=60, max_time=200)
    first = replace(array("TIMEOUT", line=1), minutes=60)
    assert judged(first, cluster=cluster).minutes == {"a": 120}
    second = replace(array("TIMEOUT", line=3), minutes=120)
    assert judged(first, second, cluster=cluster).minutes == {"a": 200}
    assert judged(first, cluster=Cluster(kind="slurm", time=60)).minutes == {}
    assert judged(array("TIMEOUT", True, line=1), cluster=cluster).minutes == {}
    assert judged(array("NODE_FAIL", line=1), cluster=cluster).minutes == {}


def test_packs_that_failed_bring_an_element_on_and_those_behind_them_come_next(tmp_path: Path) -> None:
    """Of three packs two have failed in the job, before and after a requeue; it ended in the end."""
    handed = Handed(token="t", name="", job_id="13", elements=(((("a",), ("b",), ("c",)),),))
    failed = {pack_id([run]): status([run], "failed", job="13_1", step=0) for run in "ab"}
    sight = Sight(journal=Journal(handed=(handed,)), live={}, gone={("t", 0): "FAILED"})
    assert _endings(sight, Packs(failed), tmp_path, HOSTS)["t"][0].progress
    before = {name: replace(each, job="12_1") for name, each in failed.items()}
    assert not _endings(sight, Packs(before), tmp_path, HOSTS)["t"][0].progress, "in another job"


def test_what_a_job_has_left_says_which_node_is_at_fault_and_that_its_time_was_too_short(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    handed = Handed(token="t", name="", job_id="13", elements=(((("a",),),),), minutes=60)
    sight = Sight(
        journal=Journal(handed=(handed,)),
        live={},
        gone={("t", 0): "FAILED"},
        nodes={("t", 0): "n[1-2]"},
    )

    def ending() -> tuple[str, str]:
        found = _endings(sight, Packs(), tmp_path, HOSTS)["t"][0]
        return found.state, found.nodes

    assert ending() == ("FAILED", "n[1-2]")
    Place(tmp_path, "13").stay_away("rank 1 on n7 cannot start", "n7")
    assert ending() == ("FAILED", "n[1-2]"), "it has never been there"
    monkeypatch.setenv("SLURM_RESTART_COUNT", "10")
    Place(tmp_path, "13").stay_away("rank 1 on n2 cannot start", "n2")
    assert ending() == ("FAILED", "n2"), "by the last attempt"
    Place(tmp_path, "13").say_too_short()
    assert ending() == ("TIMEOUT", "n2")
    ended = replace(handed, endings={0: _endings(sight, Packs(), tmp_path, HOSTS)["t"][0]})
    cluster = Cluster(kind="slurm", time=60, max_time=200)
    assert judged(ended, cluster=cluster).minutes == {"a": 120}

from __future__ import annotations

import io
import json
import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from rich.console import Console

from jobs.slurm.squeue import QueuedTask
from jobs.status.going_on import reports_ahead
from jobs.status.overview import Overview, Queue, overview, read_overview
from jobs.status.plan_and_status_text import status_view
from jobs.status.progress import summary
from jobs.status.run_states import RUN_STATES, pack_state, processes_here
from jobs.store.handed import Handed
from jobs.store.journal import Journal
from jobs.store.meeting_place import Meeting, Place
from jobs.store.pack_status import Packs, read_packs
from jobs.store.planned_runs import Row, rows
from jobs.submission.job_outcomes import Sight
from regularize.errors import UserError
from regularize.store import Store, write_json
from tests.jobs.stores import status, write_pack

NOW = datetime.now(UTC)
LONG_AGO = (NOW - timedelta(minutes=5)).isoformat()


def row(run_id: str, phase: str = "tune", dataset: str = "digits", regularizer: str = "l2") -> Row:
    return Row(run_id=run_id, phase=phase, dataset=dataset, regularizer=regularizer)


@pytest.fixture
def dead() -> int:
    """The number of a process that has ended."""
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path)


def seen(store: Store, *wanted: Row) -> Overview:
    return overview(wanted, read_packs(store), store)


def test_every_state_is_counted_where_it_belongs(store: Store) -> None:
    write_pack(store, ["a", "b"], "done", diverged=("b",))
    write_pack(store, ["c"], "running")
    write_pack(store, ["d"], "interrupted")
    write_pack(store, ["e"], "failed")
    found = seen(store, *map(row, "abcde"), row("f", phase="report", dataset="mnist"))
    each = dict.fromkeys(("done", "diverged", "running", "interrupted", "failed"), 1)
    assert found.cells == {("l2", "digits"): each, ("l2", "mnist"): {"planned": 1}}
    assert found.phases == {"tune": each, "report": {"planned": 1}}
    assert found.progress == pytest.approx((2 + 3 * 0.5) / 6)
    assert [(active.runs, active.step, active.steps) for active in found.active] == [(1, 50, 100)]


def test_report_runs_to_come_count_from_the_beginning(store: Store) -> None:
    write_pack(store, ["a", "b"], "done", diverged=("b",))
    write_json(store.submission, {"report_runs": 6})
    tune = [row(run_id) for run_id in "abcd"]
    ahead = reports_ahead(store, tune, read_packs(store))
    found = overview(tune, read_packs(store), store, ahead=ahead)
    assert (found.ahead, found.progress) == (6, 2 / 10)
    assert summary(found) == "2 of 10 runs done (tune 2 of 4, then 6 report runs), 1 diverged"
    assert found.to_json()["ahead"] == 6
    write_pack(store, ["c", "d"], "done")
    assert reports_ahead(store, tune, read_packs(store)) == 6, "until strengths are chosen"
    assert reports_ahead(store, [*tune, row("f", phase="report")], read_packs(store)) == 0


@pytest.mark.parametrize(
    ("other_host", "is_dead", "minutes", "expected"),
    [
        (False, True, 5, "lost"),
        (False, True, 0, "running"),
        (False, False, 60, "running"),
        (True, True, 5, "running"),
        (True, False, 11, "lost"),  # of this machine too, if that had another name then
    ],
)
def test_a_running_pack_is_lost_once_its_process_died_silently(
    dead: int, other_host: bool, is_dead: bool, minutes: int, expected: str
) -> None:
    changes: dict[str, Any] = {"pid": dead} if is_dead else {}
    changes |= {"host": "elsewhere"} if other_host else {}
    changes |= {"updated_at": (NOW - timedelta(minutes=minutes)).isoformat()}
    assert pack_state(status(["a"], "running", **changes), NOW) == expected


def test_where_packs_disagree_on_a_run_the_one_furthest_on_counts(store: Store) -> None:
    write_pack(store, ["a", "b"], "failed")
    write_pack(store, ["a"], "done")
    assert seen(store, row("a"), row("b")).runs == {"done": 1, "failed": 1}
    assert len(seen(store, row("a"), row("b")).failures) == 1


def test_failures_come_with_their_last_line_and_their_file(store: Store) -> None:
    paths = write_pack(store, ["a", "b"], "failed")
    paths.error.write_text("Traceback\nValueError: no\n", encoding="utf-8")
    overview = seen(store, row("a"))
    (failed,) = overview.failures
    assert (failed.runs, failed.message, failed.path) == (2, "ValueError: no", str(paths.error))
    (shown,) = overview.to_json()["failures"]
    assert shown["traceback"] == "Traceback\nValueError: no\n"


def test_packs_of_runs_that_are_no_longer_wanted_do_not_show(store: Store) -> None:
    write_pack(store, ["old"], "running")
    write_pack(store, ["older"], "failed")
    found = seen(store, row("a"))
    assert (list(found.active), list(found.failures), found.runs) == ([], [], {"planned": 1})


def test_a_broken_status_is_named_and_the_rest_is_shown(store: Store) -> None:
    write_pack(store, ["a"], "done")
    broken = write_pack(store, ["b"], "done").status
    broken.write_text("{", encoding="utf-8")
    found = seen(store, row("a"), row("b"))
    assert found.runs == {"done": 1, "planned": 1}
    assert str(broken) in found.broken[0]


def test_labels_name_sizes_and_models_where_they_are_needed() -> None:
    same = {"phase": "tune", "dataset": "mnist", "per_class": 3, "regularizer": "l2", "evaluation": None}
    models = {"lenet5": True, "lenet_prime": True, "no_longer": False}
    table = pa.Table.from_pylist(
        [{"run_id": "a", "model": name, "planned": planned, **same} for name, planned in models.items()]
    )
    assert [(r.regularizer, r.dataset) for r in rows(table)] == [
        ("l2 (lenet5)", "mnist (3 per class)"),
        ("l2 (lenet_prime)", "mnist (3 per class)"),
    ]
    assert rows(table[:1])[0].regularizer == "l2"


def test_the_overview_is_json(store: Store) -> None:
    write_pack(store, ["a"], "running")
    write_pack(store, ["b"], "failed")
    found = json.loads(json.dumps(seen(store, row("a"), row("b")).to_json()))
    assert found["runs"] == {**dict.fromkeys(RUN_STATES, 0)} | {
        "running": 1,
        "failed": 1,
    }
    assert found["active"][0]["epochs"] == 10


def test_processes_that_train_here_are_alive_and_were_heard_of_lately(dead: int) -> None:
    packs = {
        "here": status(["a"], "running"),
        "dead": status(["b"], "running", pid=dead),
        "silent": status(["c"], "running", pid=1, updated_at=LONG_AGO),
        "elsewhere": status(["d"], "running", pid=1, host="elsewhere"),
        "done": status(["e"], "done", pid=1),
    }
    assert processes_here(Packs(packs), NOW) == {packs["here"].pid}


def test_the_view_says_what_is_the_matter(store: Store) -> None:
    write_pack(store, ["a"], "running")
    write_pack(store, ["b"], "failed").error.write_text("x\nValueError: [red] no\n", encoding="utf-8")
    screen = io.StringIO()
    console = Console(width=200, file=screen)
    console.print(status_view(seen(store, row("a"), row("b"), row("c", phase="report"))))
    text = screen.getvalue()
    for words in ("0/3 1 running 1 failed", "epoch 5 of 10", "ValueError: [red] no", "report: 1 planned"):
        assert words in text


def test_failures_of_jobs_say_on_which_nodes_they_were_raised(store: Store) -> None:
    """Those of this machine name none."""
    rows = []
    for run, changes in (("a", {"host": "n1"}), ("b", {"host": "n2"}), ("c", {"host": "n1"})):
        path = write_pack(store, [run], "failed", job=f"13_{run}_0", **changes).error
        path.write_text("CudaError: no\n", encoding="utf-8")
        rows.append(row(run))
    write_pack(store, ["d"], "failed", host="here").error.write_text("ValueError: no\n", encoding="utf-8")
    screen = io.StringIO()
    Console(width=300, file=screen).print(status_view(seen(store, *rows, row("d"))))
    assert "3 runs of 3 packs failed on n1, n2: CudaError: no (" in screen.getvalue()
    assert "1 run of 1 pack failed: ValueError: no (" in screen.getvalue()


def test_a_job_that_runs_and_does_not_train_yet_is_starting(store: Store) -> None:
    """Also one that has done or failed at packs before it was requeued."""
    first = (("a",), ("c",), ("d",))
    handed = Handed(token="t", name="", job_id="13", elements=((first,), ((("b",),),)))
    write_pack(store, ["c"], "done", job="13_0_0", updated_at=LONG_AGO)
    write_pack(store, ["d"], "failed", job="13_0_0", updated_at=LONG_AGO)
    task = QueuedTask(
        job_id="13",
        index=0,
        state="RUNNING",
        reason="None",
        start=NOW - timedelta(seconds=40),
        end=None,
        nodes="n[1-2]",
        name="",
    )
    write_pack(store, ["b"], "running", job="13_1_0")
    live = {("t", 0): task, ("t", 1): replace(task, index=1)}
    sight = Sight(journal=Journal(handed=(handed,)), live=live, gone={})
    for waiting, words in ((False, ""), (True, ": waiting for 1 of 2 ranks")):
        if waiting:
            store.jobs.mkdir(mode=0o700)
            Place(store.jobs, "13_0").open(
                Meeting(host="n1", addresses=("n1",), port=1, token="", here=1, ranks=2, since=0.0)
            )
        found = overview([row(each) for each in "abcd"], read_packs(store), store, sight, now=NOW)
        assert [each.said for each in found.starting] == [f"job 13_0 is starting on n[1-2], for 40 s{words}"]
        screen = io.StringIO()
        Console(width=200, file=screen).print(status_view(found))
        assert f"job 13_0 is starting on n[1-2], for 40 s{words}\n" in screen.getvalue()
    assert found.to_json()["starting"][0]["missing"] == 1


@pytest.mark.parametrize(
    ("reason", "state", "never"),
    [
        ("QOSMinGRES", "PENDING", True),
        ("QOSMinCpuNotSatisfied", "PENDING", True),
        ("PartitionTimeLimit", "PENDING", True),
        ("Priority", "PENDING", False),
        ("QOSMaxJobsPerUserLimit", "PENDING", False),
        ("None", "RUNNING", False),
    ],
)
def test_a_job_that_waits_for_ever_is_told_from_one_that_waits(
    store: Store, reason: str, state: str, never: bool
) -> None:
    write_pack(store, ["a"], "done")
    job = Queue(job_id="14", state=state, reason=reason, elements=1, runs=0, start=None)
    screen = io.StringIO()
    found = replace(seen(store, row("a")), follow_up=job)
    Console(width=200, file=screen).print(status_view(found))
    assert "job 14 goes on by itself" in screen.getvalue()
    told = f"job 14 never starts ({reason}): see `follow_up:` in the cluster config"
    assert (told in screen.getvalue()) == never
    array = replace(job, job_id="13", runs=1)
    Console(width=200, file=screen).print(status_view(replace(found, queue=[array])))
    told = f"job 13 never starts ({reason}): see the cluster config, and `regularize cluster check`"
    assert (told in screen.getvalue()) == never


def test_a_folder_that_is_no_store_is_refused(store: Store) -> None:
    with pytest.raises(UserError, match=r"holds no runs\.parquet"):
        read_overview(store)

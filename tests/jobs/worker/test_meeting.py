"""How ranks find each other, as threads of this process: real ports, files and names; no training."""

from __future__ import annotations

import os
import platform
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from jobs.store.meeting_place import Meeting, Place, meetings
from jobs.worker import meeting
from jobs.worker.slurm_task import prologue, teardown
from regularize.distributed import check_interfaces
from regularize.errors import UserError
from regularize.memory import TUNABLES, in_huge_pages

Rank = Callable[..., "Future[Any]"]


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path, "7_0")


@pytest.fixture
def rank(place: Place, monkeypatch: pytest.MonkeyPatch) -> Iterator[Rank]:
    """Begin to wait as one of two ranks; `late` is after how many seconds it is too late."""
    monkeypatch.setattr(meeting, "REACH_SECONDS", 0.5)
    with ThreadPoolExecutor() as threads:

        def begin(number: int, late: float = 60.0, nodes: int = 1) -> Future[Any]:
            here: Any = SimpleNamespace(global_rank=number, num_tasks=2, num_nodes=nodes, local_rank=0)
            end = time.monotonic() + late

            def check(words: str) -> None:
                if why := place.absence():
                    raise UserError(why)
                if time.monotonic() > end:
                    raise UserError(words)

            wait = meeting._go_there if number else meeting._wait_at_home

            def whole() -> Any:
                with meeting.telling(place, here):
                    return wait(place, here, check)

            return threads.submit(whole)

        yield begin


def said(port: int, token: str = "other", *addresses: str) -> Meeting:
    where = addresses or ("127.0.0.1",)
    return Meeting(host="n1", addresses=where, port=port, token=token, here=1, ranks=2, since=0.0)


def test_what_is_left_of_before_is_passed_over_and_the_token_shown(rank: Rank, place: Place) -> None:
    """First a port that another program has by now, then one that is another job's, then ours."""
    from torch.distributed import TCPStore  # type: ignore[attr-defined]

    other = TCPStore("127.0.0.1", 0, is_master=True, wait_for_workers=False)
    other.set("another's", "")
    with socket.create_server(("127.0.0.1", 0)) as server:
        closed = server.getsockname()[1]
    for port in (closed, other.port):
        place.open(said(port))
        refused = rank(1)
        assert "cannot reach rank 0 on n1: " in str(refused.exception())
        (place.folder / "absent").unlink()
    first, second = rank(0), rank(1)
    assert first.result().port == second.result().port != other.port
    assert not other.check(["1/other"])


def test_who_is_missing_is_told_while_they_wait_and_when_it_is_too_late(rank: Rank, place: Place) -> None:
    waits = rank(0, late=1.0)
    while not (found := meetings(place.folder.parent)):
        time.sleep(0.01)
    assert (found["7_0"].here, found["7_0"].ranks, found["7_0"].host) == (1, 2, platform.node())
    assert str(waits.exception()).startswith("1 of 2 are missing (rank 1)")
    place.close()
    assert meetings(place.folder.parent) == {}


def test_a_name_that_a_node_does_not_know_ends_all_in_its_words(rank: Rank, place: Place) -> None:
    first = rank(0)
    while not (ours := place.meeting()):
        time.sleep(0.01)
    began = time.monotonic()
    place.open(said(ours.port, ours.token, "nowhere.invalid"))
    words = "rank 0 on n1: this node does not know the name nowhere.invalid ("
    assert words in str(rank(1).exception())
    assert words in str(first.exception())
    assert "rank 1 on " in str(first.exception())
    assert time.monotonic() - began < 5 + meeting.LEAVE_SECONDS


def test_a_signal_while_they_wait_ends_the_wait(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GLOO_SOCKET_IFNAME", "")
    here: Any = SimpleNamespace(global_rank=0, num_tasks=2, num_nodes=1, local_rank=0)
    with pytest.raises(meeting.ToldToStopError), meeting.met(place, here, lambda: True):
        pass


def test_a_network_that_this_node_does_not_have_is_its_own_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GLOO_SOCKET_IFNAME", "lo")
    check_interfaces()
    monkeypatch.setenv("GLOO_SOCKET_IFNAME", "lo,nowhere0")
    with pytest.raises(UserError, match=r"has no network nowhere0 with an address: it has lo"):
        check_interfaces()


def test_addresses_of_other_programs_are_none_of_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MASTER_PORT", "1")
    monkeypatch.setenv("WORLD_SIZE", "64")
    monkeypatch.setenv("RANK", "9")
    monkeypatch.setenv("LOCAL_RANK", "0")
    here: Any = SimpleNamespace(local_rank=3, global_rank=5, num_tasks=8)
    meeting.tell_torch(here)
    assert "MASTER_PORT" not in os.environ
    assert [os.environ[name] for name in ("RANK", "WORLD_SIZE", "LOCAL_RANK")] == ["5", "8", "3"]
    monkeypatch.setenv("SLURMD_NODENAME", "n7")
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: [(0, 0, 0, "", (a, 0)) for a in LISTED])
    several: Any = SimpleNamespace(num_nodes=2)
    assert meeting._addresses(several) == ("n7", platform.node(), "10.0.0.7")


def in_a_job(folder: Path, *lines: str) -> subprocess.CompletedProcess[str]:
    """Run lines of the script of job 13_4, in which `scontrol` writes down what it is asked."""
    for name, does in {"scontrol": f'echo "$@" >> {folder}/asked', "sleep": "true"}.items():
        path = folder / "bin" / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(f"#!/bin/sh\n{does}\n")
        path.chmod(0o755)
    job = {"SLURM_JOB_ID": "15", "SLURM_ARRAY_JOB_ID": "13", "SLURM_ARRAY_TASK_ID": "4"}
    path = {"PATH": f"{folder / 'bin'}:{os.environ['PATH']}"}
    return subprocess.run(["bash", "-c", "\n".join(lines)], env=job | path, capture_output=True, text=True)


@pytest.mark.parametrize(
    ("mode", "code", "asks", "expected"),
    [
        ("ddp", 0, False, 0),
        ("ddp", 0, True, 75),
        ("ddp", 137, True, 75),  # one was killed by what another ended with
        ("ddp", 1, False, 1),
        ("spread", 75, False, 75),
        ("spread", 0, True, 0),
    ],
)
def test_a_job_is_requeued_where_a_rank_asks_for_it(
    tmp_path: Path, mode: str, code: int, asks: bool, expected: int
) -> None:
    jobs = tmp_path / "it's a store"
    jobs.mkdir()
    place = Place(jobs, "13_4")
    if asks:
        place.queue_again()
    setup = ["set -euo pipefail", *prologue(mode, tmp_path)]  # of the config, then ours
    done = in_a_job(tmp_path, *setup, f"(exit {code})", *teardown(mode, jobs))
    assert done.returncode == expected, done.stderr
    asked = (tmp_path / "asked").read_text() if (tmp_path / "asked").exists() else ""
    assert ("requeue 13_4\n" in asked) == (expected == 75)


def test_a_rank_that_slurm_could_not_start_is_heard_of(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From what srun says in this attempt, not in those before."""
    words = "srun: error: task 1 launch failed: Slurmd could not connect IO\n"
    log = tmp_path / "13_4_0_log.out"
    log.write_text(words)
    done = in_a_job(tmp_path, *prologue("ddp", tmp_path), "env")
    for name in (meeting.LAUNCH_LOG, meeting.LAUNCH_FROM):
        monkeypatch.setenv(name, dict(line.split("=", 1) for line in done.stdout.splitlines())[name])
    assert meeting._not_launched() == ""
    log.write_text(2 * words)
    assert meeting._not_launched() == "task 1 launch failed: Slurmd could not connect IO"


@pytest.mark.parametrize("tunables", ["", "glibc.malloc.check=1", "glibc.malloc.hugetlb=0"])
def test_workers_ask_for_huge_pages_unless_told_about_them(tmp_path: Path, tunables: str) -> None:
    """In jobs as on this machine."""
    done = in_a_job(tmp_path, f"{TUNABLES}={tunables}", *prologue("spread", tmp_path), f'echo "${TUNABLES}"')
    assert done.stdout.strip() == in_huge_pages(tunables)


def test_a_job_of_which_a_rank_ran_out_of_memory_is_not_requeued_whoever_asks(tmp_path: Path) -> None:
    """In this attempt, not in one before."""
    log = tmp_path / "13_4_0_log.out"
    log.write_text(starved := "srun: error: n1: task 0: Out Of Memory\n")
    place = Place(tmp_path, "13_4")
    for words, code in ((starved, 137), ("srun: error: n1: task 0: Killed\n", 75)):
        place.queue_again()
        before = prologue("ddp", tmp_path)
        after = teardown("ddp", tmp_path)
        done = in_a_job(tmp_path, *before, f"printf %s {words!r} >> {log}; (exit 137)", *after)
        assert done.returncode == code, done.stderr


LISTED = ("127.0.1.1", "10.0.0.7")


def test_what_nccl_says_is_told_with_its_cause() -> None:
    said = "NCCL error in: utils.cpp:77, unhandled system error\nncclSystemError: …\nLast error:\nno socket\n"
    assert meeting._line(RuntimeError(said)).endswith("utils.cpp:77, unhandled system error: no socket")
    assert (
        meeting._line(UserError("rank 1 on n2 cannot start: why\nmore")) == "rank 1 on n2 cannot start: why"
    )

"""Workers that die: who goes on with their packs, how often, and what is said. Nothing is trained."""

from __future__ import annotations

import json
from itertools import count
from pathlib import Path

import pytest

from jobs.cluster.cluster_config import Cluster
from jobs.local import worker_processes
from jobs.local.worker_endings import how_it_ended, kernel_kills
from jobs.local.worker_processes import launch
from jobs.planning.packing import Pack
from jobs.store.journal import Death, read_journal
from jobs.store.pack_status import read_packs
from jobs.store.stopped import stop_if_alike, stopped
from regularize.store import Store
from tests.jobs.stores import write_pack

A, B, C, D = (Pack(runs=(f"{name}1", f"{name}2"), whole=1.0) for name in "abcd")


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Store:
    monkeypatch.setattr(worker_processes, "PROGRAM", ("-m", "tests.jobs.local.worker"))
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[3]))
    return Store(tmp_path)


def trained(store: Store, slices: list[list[Pack]], **acts: str) -> tuple[list[str], tuple[Death, ...]]:
    """What was said and noted when packs whose first run is named so met with that."""
    (store.folder / "acts.json").write_text(json.dumps(acts), encoding="utf-8")
    said: list[str] = []
    launch(store, slices, Cluster(kind="local"), None, lambda: None, said.append)
    return said, read_journal(store.journal).deaths


def done(store: Store) -> set[str]:
    return set(read_packs(store).done())


def test_what_a_killed_worker_leaves_another_takes_over(store: Store) -> None:
    said, deaths = trained(store, [[A, B, C], [D]], b1="die once")
    assert done(store) == {run for pack in (A, B, C, D) for run in pack.runs}
    (death,), (words,) = deaths, said
    assert (death.pack, death.runs, death.given_up) == (B.pack_id, B.runs, False)
    assert death.how == "was killed by signal 9 (SIGKILL)"
    assert f"while it trained pack {B.pack_id}; another worker takes over 2 packs (4 runs)" in words


def test_another_takes_over_also_where_all_failed_alike_until_one_did_well(store: Store) -> None:
    for runs, state, second in (("e", "failed", 0), ("f", "failed", 0), ("g", "done", 1)):
        paths = write_pack(store, [runs], state, updated_at=f"2026-01-02T00:01:0{second}")
        paths.error.write_text("ValueError: no", encoding="utf-8")
        if second == 0:
            stop_if_alike(store, 2)
    assert stopped(store)
    (store.folder / "acts.json").write_text(json.dumps({"b1": "die once"}), encoding="utf-8")
    cluster = Cluster(kind="local", max_failures=2)
    launch(store, [[A, B, C]], cluster, None, lambda: None, lambda _: None)
    assert done(store) == {"g", *A.runs, *B.runs, *C.runs}


def test_a_pack_that_kills_its_workers_is_left_out_and_the_others_go_on(store: Store) -> None:
    said, deaths = trained(store, [[A, B, C]], b1="die")
    assert done(store) == {*A.runs, *C.runs}
    assert [death.given_up for death in deaths] == [False, False, True]
    assert "left out: 1 pack (2 runs); its log is " in said[-1]
    assert said[-1].endswith("another worker takes over 1 pack (2 runs)")


def test_workers_that_die_before_they_train_are_not_begun_for_ever(store: Store) -> None:
    said, deaths = trained(store, [[A, B]], a1="die unbegun")
    assert done(store) == set()
    assert [death.pack for death in deaths] == ["", "", ""]
    assert "left out: 2 packs (4 runs)" in said[-1]


def test_an_error_of_the_machine_is_not_tried_again(store: Store) -> None:
    said, deaths = trained(store, [[A, B]], b1="raise")
    (death,) = deaths
    assert (death.given_up, death.how) == (True, "ended with an error: OSError: no space left")
    assert "left out: 1 pack (2 runs)" in said[0]


def test_one_that_was_told_to_end_leaves_its_packs_to_another(store: Store) -> None:
    said, deaths = trained(store, [[A]], a1="end")
    assert [death.how for death in deaths] == ["was told to end (SIGTERM)"] * 3
    assert len(said) == 3


def test_where_memory_ran_out_the_rest_waits_until_another_worker_has_ended(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    kills = count()
    monkeypatch.setattr(worker_processes, "kernel_kills", lambda: next(kills))
    said, deaths = trained(store, [[A, B], [C]], a1="die once")
    assert done(store) == {*A.runs, *B.runs, *C.runs}
    assert "out of memory" in deaths[0].how
    assert "out of memory" in said[0]


def test_the_kernel_has_counted_before_a_worker_has_died(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    counted = iter([3])  # before it began; all looks after that one find one more
    monkeypatch.setattr(worker_processes, "kernel_kills", lambda: next(counted, 4))
    monkeypatch.setattr(worker_processes, "POLL_SECONDS", 0.01)  # many looks before it has died
    _, deaths = trained(store, [[A]], a1="die once")
    assert "out of memory" in deaths[0].how
    monkeypatch.setattr(worker_processes, "DYING_SECONDS", 0.0)  # what was long ago has nothing to do with it
    counted = iter([3])
    _, deaths = trained(store, [[B]], b1="die once")
    assert deaths[-1].how == "was killed by signal 9 (SIGKILL)"


@pytest.mark.parametrize(
    ("code", "short", "words"),
    [
        (-9, True, "was killed by signal 9 (out of memory: the kernel ended a process for that just then)"),
        (-9, False, "was killed by signal 9 (SIGKILL)"),
        (-11, True, "was killed by signal 11 (SIGSEGV)"),
        (143, False, "was told to end (SIGTERM)"),
        (1, True, "ended with an error: it left no message"),
    ],
)
def test_endings_in_words(tmp_path: Path, code: int, short: bool, words: str) -> None:
    assert how_it_ended(code, tmp_path / "none.log", out_of_memory=short).words == words


def test_the_kernel_counts_whom_it_kills(tmp_path: Path) -> None:
    counts = tmp_path / "vmstat"
    counts.write_text("nr_free_pages 7\noom_kill 3\n", encoding="ascii")
    assert kernel_kills(counts) == 3
    assert kernel_kills(tmp_path / "none") == 0

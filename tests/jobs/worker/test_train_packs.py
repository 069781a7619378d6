"""One task, with a stand-in for the training itself."""

from __future__ import annotations

import json
import os
import platform
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from rich.console import Console

from jobs.cluster.load_config import load_cluster
from jobs.commands.cancel_and_retry import cancel
from jobs.status.overview import overview
from jobs.status.run_filters import Filter
from jobs.store import lease as leases
from jobs.store.journal import append
from jobs.store.pack_status import read_packs
from jobs.store.planned_runs import read_rows
from jobs.store.runs_table import read_runs, write_runs
from jobs.store.stopped import Stopped, still_stopped, stop_if_alike, stopped
from jobs.store.submitted_settings import Saved, save
from jobs.sweep.run_grid import tune_runs
from jobs.sweep.sweep_file import load_sweep
from jobs.worker.local_task import order, work
from jobs.worker.stopping import Stop, never
from jobs.worker.train_packs import train_packs
from regularize.code_identity import code_of
from regularize.config import RunConfig, pack_id
from regularize.distributed import Ranks
from regularize.evaluation.settings import Evaluation
from regularize.store import RUNS, PackPaths, PackStatus, Store, write_table, write_text
from tests.jobs.stores import status, write_pack
from tests.jobs.sweeps import BASE


@pytest.fixture(autouse=True)
def _signals() -> Iterator[None]:
    before = signal.getsignal(signal.SIGTERM)
    yield
    signal.signal(signal.SIGTERM, before)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """With six planned runs."""
    path = tmp_path / "sweep.yaml"
    path.write_text(f"{BASE}evaluation: {{tune: all}}\n", encoding="utf-8")
    store = Store(tmp_path / "store")
    write_runs(store, tune_runs(load_sweep(path)), complete=True)
    return store


@pytest.fixture
def ids(tmp_path: Path, store: Store) -> list[str]:
    return [run.config.run_id for run in tune_runs(load_sweep(tmp_path / "sweep.yaml"))]


class Training:
    """Finishes every pack at once, but those of `bad` runs; knows which it was given."""

    def __init__(self, bad: Sequence[str] = (), error: BaseException | None = None) -> None:
        self.bad, self.packs = bad, list[tuple[str, ...]]()
        self.error = error or ValueError("cannot be trained")

    def __call__(
        self,
        runs: Sequence[RunConfig],
        paths: PackPaths,
        *,
        data_root: Path | None,
        stop: Callable[[], bool],
    ) -> PackStatus:
        found = tuple(run.run_id for run in runs)
        self.packs.append(found)
        status(found, "running").write(paths.status)
        if set(found) & set(self.bad):
            raise self.error
        write_pack(Store(paths.folder.parent.parent), found, "done")
        return status(found, "done")


def states(store: Store) -> dict[str, str]:
    return {run: s.state for s in read_packs(store).statuses.values() for run in s.runs}


def test_packs_are_trained_in_order_and_their_runs_in_the_order_of_ids(store: Store, ids: list[str]) -> None:
    train = Training()
    work(store.folder, [ids[2:4], ids[:2][::-1]], train=train)
    assert train.packs == [tuple(sorted(ids[2:4])), tuple(sorted(ids[:2]))]
    assert states(store) == dict.fromkeys(ids[:4], "done")


def test_checkpoints_are_written_as_often_as_the_cluster_config_says(
    store: Store, ids: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[float] = []

    def train(runs: Sequence[RunConfig], paths: PackPaths, **given: Any) -> PackStatus:
        asked.append(given["checkpoint_seconds"])
        write_pack(store, [run.run_id for run in runs], "done")
        return status([run.run_id for run in runs], "done")

    monkeypatch.setattr("regularize.train_pack.train_pack", train)
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    work(store.folder, [ids[:2]], checkpoint_minutes=7)
    assert asked == [420]


@pytest.mark.parametrize("error", [ValueError("cannot be trained"), SystemExit(0)])
def test_a_failure_is_recorded_and_the_next_pack_begun(
    store: Store, ids: list[str], error: BaseException
) -> None:
    """Also where a module of one's own would end the process as if all were well."""
    work(store.folder, [ids[:2], ids[2:4]], train=Training(ids[:1], error))
    assert states(store) == {**dict.fromkeys(ids[:2], "failed"), **dict.fromkeys(ids[2:4], "done")}
    paths = store.pack(pack_id(ids[:2]))
    assert paths.error.read_text(encoding="utf-8").endswith(f"{type(error).__name__}: {error}\n")
    assert PackStatus.read(paths.status).step == 50  # where it was


class OtherRank(Ranks):
    """One of two that is not the first, and alone in this test."""

    @classmethod
    def here(cls) -> Ranks:
        return cls(rank=1, world=2, device=torch.device("cpu"))

    def any(self, flag: bool) -> bool:
        return flag


@pytest.mark.parametrize("ranks", [Ranks, OtherRank])
@pytest.mark.parametrize("failed", [True, False])
def test_a_heartbeat_does_not_hide_that_another_rank_failed(
    store: Store, ids: list[str], monkeypatch: pytest.MonkeyPatch, failed: bool, ranks: type[Ranks]
) -> None:
    """That rank's word on the pack is followed by one of rank 0, which learns of it a step later."""
    monkeypatch.setattr("regularize.distributed.Ranks", ranks)
    gone = RuntimeError("[../third_party/gloo/gloo/transport/tcp/pair.cc] Connection closed by peer [::1]:1")
    beats = Training(ids[:1], gone)

    def train(runs: Sequence[RunConfig], paths: PackPaths, **given: Any) -> PackStatus:
        if failed:
            write_text(paths.error, "ArithmeticError: rank 1 cannot count\n")
        return beats(runs, paths, **given)

    with pytest.raises(RuntimeError, match="closed by peer"):
        work(store.folder, [ids[:2]], train=train)
    assert states(store) == dict.fromkeys(ids[:2], "failed" if failed else "running")


def test_what_comes_of_an_error_on_another_rank_does_not_hide_it(
    store: Store, ids: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """As where its end is told in words that are not known."""
    monkeypatch.setattr("regularize.distributed.Ranks", OtherRank)

    def train(runs: Sequence[RunConfig], paths: PackPaths, **_: object) -> PackStatus:
        write_text(paths.error, "ArithmeticError: rank 2 cannot count\n")
        raise ValueError("nobody answers")

    assert train_packs(store, [ids[:2]], train, data_root=None, stop=never, job="7_1")
    assert states(store) == dict.fromkeys(ids[:2], "failed")
    assert "cannot count" in store.pack(pack_id(ids[:2])).error.read_text(encoding="utf-8")


def test_a_rank_whose_packs_all_fail_alike_stops_the_sweep_though_it_is_not_the_first(
    store: Store, ids: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("regularize.distributed.Ranks", OtherRank)
    for pack in (ids[:2], ids[2:4]):
        train_packs(store, [pack], Training(ids), data_root=None, stop=never, max_failures=4)
    assert stopped(store)


@pytest.mark.parametrize(
    ("others", "host"),
    [
        ({}, "n1"),  # no other has had a try
        ({"state": "failed", "host": "n2"}, ""),
        ({"state": "failed", "host": "n2", "updated_at": "2026-01-01T00:00:00"}, ""),
        ({"state": "running", "host": "n2", "updated_at": "2026-01-02T00:00:00"}, "n1"),
        ({"state": "done", "host": "n2", "updated_at": "2026-01-02T00:00:30"}, "n1"),
        ({"state": "done", "host": "n2", "updated_at": "2026-01-02T00:02:00"}, None),
    ],
)
def test_one_host_on_which_all_fails_stops_no_other(
    store: Store, ids: list[str], monkeypatch: pytest.MonkeyPatch, others: dict[str, str], host: str | None
) -> None:
    for run_id in ids[:2]:
        paths = write_pack(store, [run_id], "failed", host="n1", updated_at="2026-01-02T00:01:00")
        paths.error.write_text("ValueError: no", encoding="utf-8")
    if others:
        given = {"updated_at": "2026-01-02T00:01:00"} | others
        paths = write_pack(store, ids[2:3], given.pop("state"), **given)
        paths.error.write_text("ValueError: no", encoding="utf-8")
    stop_if_alike(store, 2)
    found = stopped(store)
    assert (found.host if found else None) == host
    begun = {}
    for here in ("n1", "n2"):
        monkeypatch.setattr("platform.node", lambda here=here: here)
        train = Training()
        train_packs(store, [ids[3:4]], train, data_root=None, stop=never, max_failures=2)
        begun[here] = bool(train.packs)
        shutil.rmtree(store.pack(pack_id(ids[3:4])).folder, ignore_errors=True)
    assert begun == {"n1": host is None, "n2": host != ""}


@pytest.mark.parametrize(
    ("others", "begun"),
    [
        ([], False),
        (["done"], True),
        (["done", "failed"], True),
        (["done", "failed", "failed"], True),  # all fails on that other one
        (["failed"], False),
    ],
)
def test_a_host_that_was_given_up_goes_on_once_another_does_well(
    store: Store, ids: list[str], monkeypatch: pytest.MonkeyPatch, others: list[str], begun: bool
) -> None:
    def ended(run_id: str, state: str, host: str, second: int) -> None:
        paths = write_pack(store, [run_id], state, host=host, updated_at=f"2026-01-02T00:01:0{second}")
        paths.error.write_text("ValueError: no", encoding="utf-8")

    for run_id in ids[:2]:
        ended(run_id, "failed", "n1", 0)
    stop_if_alike(store, 2)
    note = stopped(store)
    assert note
    assert note.host == "n1"
    for second, (run_id, state) in enumerate(zip(ids[2:5], others, strict=False), 1):
        ended(run_id, state, "n2", second)
    monkeypatch.setattr("platform.node", lambda: "n1")
    train = Training()
    train_packs(store, [ids[5:]], train, data_root=None, stop=never, max_failures=2)
    assert bool(train.packs) == begun
    found = still_stopped(store, 2)
    assert (found is None or found.host == "n2") == begun
    assert still_stopped(store, None) == note, "as nobody knows by how many"


def test_one_pack_that_fails_does_not_stop_a_sweep_unless_one_run_is_to(store: Store, ids: list[str]) -> None:
    paths = write_pack(store, ids[:3], "failed")
    paths.error.write_text("ValueError: no", encoding="utf-8")
    stop_if_alike(store, 2)
    assert stopped(store) is None
    stop_if_alike(store, 1)
    assert stopped(store)


def test_once_all_fail_alike_no_further_pack_is_begun_until_a_retry(
    store: Store, ids: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    train = Training(bad=ids)

    def work_on(packs: list[list[str]]) -> int:
        """How many of them were begun."""
        train.packs.clear()
        assert train_packs(store, packs, train, data_root=None, stop=never, max_failures=2)
        return len(train.packs)

    singly = [[run_id] for run_id in ids]
    assert work_on(singly[:1]) == 1
    assert stopped(store) is None, "one is not enough"
    assert work_on(singly[1:]) == 1
    assert work_on(singly[3:]) == 0, "whoever comes later"
    found = stopped(store)
    assert found
    here = platform.node()
    assert found == Stopped(runs=2, message="ValueError: cannot be trained", pack=found.pack, host=here)
    assert found.pack in {pack_id(ids[:1]), pack_id(ids[1:2])}
    assert "no further pack is begun: the last 2 runs to end failed alike: " in capsys.readouterr().err

    store.stopped.write_text("{", encoding="utf-8")
    assert work_on(singly[3:4]) == 1, "a damaged note says nothing, and is written anew"
    assert stopped(store)

    store.stopped.unlink()
    time.sleep(1.1)  # statuses have no fractions of seconds
    append(store.journal, "retried", runs=ids)
    assert work_on(singly[:1]) == 1
    assert stopped(store) is None, "what was before a retry does not count"
    train.bad = ids[:1]
    assert work_on(singly[1:3]) == 2
    train.bad = ids
    assert work_on(singly[3:4]) == 1
    assert stopped(store) is None, "some did well in between"


def test_a_failure_before_the_first_status_is_recorded_too(store: Store, ids: list[str]) -> None:
    def train(runs: object, paths: object, **_: object) -> PackStatus:
        raise OSError("no data")

    work(store.folder, [ids[:2]], train=train)
    found = PackStatus.read(store.pack(pack_id(ids[:2])).status)
    assert (found.state, set(found.runs), found.step) == ("failed", set(ids[:2]), 0)


def test_a_failed_pack_that_is_trained_again_has_no_error_left(store: Store, ids: list[str]) -> None:
    work(store.folder, [ids[:2]], train=Training(bad=ids))
    work(store.folder, [ids[:2]], train=Training())
    assert states(store) == dict.fromkeys(ids[:2], "done")
    assert not store.pack(pack_id(ids[:2])).error.exists()


def test_a_pack_that_is_done_meanwhile_is_not_trained(store: Store, ids: list[str]) -> None:
    write_pack(store, ids[:2], "done")
    train = Training()
    work(store.folder, [ids[:2], ids[2:4]], train=train)
    assert train.packs == [tuple(sorted(ids[2:4]))]


def test_nothing_more_is_begun_after_sigterm(store: Store, ids: list[str]) -> None:
    class Interrupted(Training):
        def __call__(self, runs: Sequence[RunConfig], paths: PackPaths, **given: object) -> PackStatus:
            os.kill(os.getpid(), signal.SIGTERM)
            stop = given["stop"]
            assert callable(stop)
            assert stop()
            self.packs.append(tuple(run.run_id for run in runs))
            return replace(status([], "interrupted"))

    train = Interrupted()
    work(store.folder, [ids[:2], ids[2:4]], train=train)
    assert len(train.packs) == 1


def test_a_cancelled_pack_ends_or_is_not_begun_and_the_task_goes_on_with_its_others(
    tmp_path: Path, store: Store, ids: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    save(store, load_sweep(tmp_path / "sweep.yaml"), Saved(cluster=load_cluster("local"), data_root=None))

    class Cancelled(Training):
        def __call__(self, runs: Sequence[RunConfig], paths: PackPaths, **given: object) -> PackStatus:
            stop = given["stop"]
            assert callable(stop)
            if self.packs:
                assert not stop()
                return super().__call__(runs, paths, data_root=None, stop=stop)
            self.packs.append(tuple(run.run_id for run in runs))
            status(self.packs[0], "running").write(paths.status)
            assert not stop()
            cancel(store, Filter(runs=(ids[0], ids[2])), Console())
            while not stop():
                time.sleep(0.05)
            status(self.packs[0], "interrupted").write(paths.status)
            return status(self.packs[0], "interrupted")

    train = Cancelled()
    work(store.folder, [ids[:2], ids[2:4], ids[4:]], train=train)
    assert train.packs == [tuple(sorted(ids[:2])), tuple(sorted(ids[4:]))]
    assert states(store) == {**dict.fromkeys(ids[:2], "interrupted"), **dict.fromkeys(ids[4:], "done")}
    assert capsys.readouterr().out.splitlines() == [
        "1 run in training here told to write a checkpoint and end",
        "1 run of the same packs end with them",
    ]


def test_nothing_is_begun_once_the_submitter_is_gone(store: Store, ids: list[str]) -> None:
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    train = Training()
    work(store.folder, [ids[:2]], submitter=gone.pid, train=train)
    assert train.packs == []
    work(store.folder, [ids[:2]], submitter=os.getpid(), train=train)
    assert len(train.packs) == 1


def test_the_second_signal_does_what_it_did_before() -> None:
    heard: list[int] = []
    signal.signal(signal.SIGTERM, lambda number, _: heard.append(number))
    stop = Stop(None, signal.SIGTERM)
    os.kill(os.getpid(), signal.SIGTERM)
    assert (stop(), heard) == (True, [])
    os.kill(os.getpid(), signal.SIGTERM)
    assert heard == [signal.SIGTERM]


def test_a_pack_measured_otherwise_is_worked_on_all_of_it_by_what_is_wanted(
    store: Store, ids: list[str]
) -> None:
    """The last of its runs is no longer planned, and its row says what was asked for in its days."""
    old, new = Evaluation(jacobian_examples=5), Evaluation()
    table = read_runs(store).to_pylist()
    for row in table:
        if row["run_id"] == ids[1]:
            config = json.loads(row["config"]) | {"evaluation": old.to_json()}
            row |= {"planned": False, "config": json.dumps(config)}
    write_table(store.runs, table, RUNS)
    write_pack(store, ids[:2], "done", evaluation=old.text)
    write_pack(store, ids[2:4], "done", evaluation=new.text)
    given = []

    def train(runs: Sequence[RunConfig], paths: PackPaths, **_: object) -> PackStatus:
        given.append([(run.run_id, run.evaluation) for run in runs])
        after = replace(PackStatus.read(paths.status), evaluation=runs[0].evaluation.text)
        after.write(paths.status)
        return after

    work(store.folder, [ids[:2], ids[2:4]], train=train)
    assert given == [[(run_id, new) for run_id in sorted(ids[:2])]]
    work(store.folder, [ids[:2], ids[2:4]], train=train)
    assert len(given) == 1


def test_a_pack_with_runs_of_both_phases_is_measured_by_those_that_ask_for_more(
    store: Store, ids: list[str]
) -> None:
    choice, asked = Evaluation().of_phase("tune"), Evaluation()
    table = read_runs(store).to_pylist()
    for row in table:
        if row["run_id"] == min(ids[:2]):
            row["config"] = json.dumps(json.loads(row["config"]) | {"evaluation": choice.to_json()})
    write_table(store.runs, table, RUNS)
    write_pack(store, ids[:2], "done", evaluation=choice.text)
    given = []

    def train(runs: Sequence[RunConfig], paths: PackPaths, **_: object) -> PackStatus:
        given.extend(run.evaluation for run in runs)
        return PackStatus.read(paths.status)

    work(store.folder, [sorted(ids[:2])], train=train)
    assert given == [asked, asked]


def test_an_error_in_measuring_leaves_the_pack_done(store: Store, ids: list[str]) -> None:
    paths = write_pack(store, ids[:2], "done", evaluation=Evaluation(jacobian_examples=5).text)

    def train(*_: object, **__: object) -> PackStatus:
        raise ValueError("no Jacobian today")

    work(store.folder, [ids[:2]], train=train)
    after = PackStatus.read(paths.status)
    assert (after.state, after.measuring_failed) == ("done", True)
    assert "no Jacobian today" in paths.error.read_text()
    (failed,) = overview(read_rows(store), read_packs(store), store).failures
    assert failed.message == "ValueError: no Jacobian today"


def test_a_pack_that_another_worker_has_in_hand_is_left_to_it(
    store: Store, ids: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(leases, "PACK", replace(leases.PACK, touch_seconds=0.05))
    monkeypatch.setattr(leases, "WATCH_SECONDS", 0.02)
    train = Training()
    with leases.lease(store.pack(pack_id(ids[:2])).lease, lambda: False, print):
        work(store.folder, [ids[:2], ids[2:4]], train=train)
    assert states(store) == dict.fromkeys(ids[2:4], "done")
    assert f"pack {pack_id(ids[:2])}: it is being trained by process" in capsys.readouterr().err
    work(store.folder, [ids[:2], ids[2:4]], train=train)
    assert train.packs == [tuple(sorted(ids[2:4])), tuple(sorted(ids[:2]))]


def test_a_pack_that_was_taken_over_is_not_written_to(store: Store, ids: list[str]) -> None:
    """As after a suspension: its status, which is the other's by now, stays as it is."""

    def train(runs: Sequence[RunConfig], paths: PackPaths, **_: object) -> PackStatus:
        status([run.run_id for run in runs], "running", host="n7").write(paths.status)
        raise leases.LeaseLostError("another worker's by now")

    work(store.folder, [ids[:2], ids[2:4]], train=train)
    assert states(store) == dict.fromkeys(ids[:4], "running")
    assert not store.pack(pack_id(ids[:2])).error.exists()


@pytest.mark.parametrize("state", ["running", "done"])
def test_an_error_in_a_pack_that_was_taken_over_is_no_word_on_it(
    store: Store, ids: list[str], capsys: pytest.CaptureFixture[str], state: str
) -> None:
    """It comes before the next look at the lease, and what failed here goes well there."""

    def train(runs: Sequence[RunConfig], paths: PackPaths, **_: object) -> PackStatus:
        paths.lease.unlink()
        write_pack(store, [run.run_id for run in runs], state, host="n7")
        raise OSError("as after a suspension")

    assert work(store.folder, [ids[:2]], train=train)
    paths = store.pack(pack_id(ids[:2]))
    found = PackStatus.read(paths.status)
    assert (found.state, found.host, found.measuring_failed) == (state, "n7", False)
    assert not paths.error.exists()
    assert "another worker's by now: it is left alone" in capsys.readouterr().err


def test_the_code_is_kept_once_by_a_worker(
    store: Store, ids: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """To look at what was kept reads and unpacks all sources, and packs may take less than a second."""
    kept: list[str] = []
    monkeypatch.setattr("jobs.worker.train_packs.keep_code", lambda _, code: kept.append(code.name))
    work(store.folder, [ids[:2], ids[2:4], ids[4:]], train=Training())
    assert kept == [code_of("mlp").name]


def test_a_worker_trains_runs_on_tune_seeds_without_pandas(tmp_path: Path) -> None:
    """Half a second of each worker, which nothing that it does needs."""
    path = tmp_path / "sweep.yaml"
    text = BASE.replace("epochs: 2", "steps: 3")
    path.write_text(text, encoding="utf-8")
    store = Store(tmp_path / "store")
    runs = tune_runs(load_sweep(path))
    write_runs(store, runs, complete=True)
    script = (
        "import sys\n"
        "from jobs.worker.local_task import main\n"
        "code = main()\n"
        "assert 'torch' in sys.modules and 'pandas' not in sys.modules\n"
        "sys.exit(code)\n"
    )
    given = order(store.folder, [[runs[0].config.run_id]], None)
    subprocess.run([sys.executable, "-c", script], input=given, text=True, check=True)
    (status_,) = read_packs(store).statuses.values()
    assert status_.state == "done"

"""A store on this machine, as packs and journals leave it; and the command around it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from jobs.cluster.load_config import load_cluster
from jobs.commands.cli import main
from jobs.store.handed import Handed
from jobs.store.journal import append, submitting
from jobs.store.runs_table import write_runs
from jobs.sweep.run_grid import PlannedRun, report_runs
from jobs.watch.picture import Picture
from jobs.watch.store_source import LocalSource
from regularize.errors import UserError
from regularize.store import METRICS, Store, read_json, write_json, write_table, write_text
from tests.cluster.processes import wait_for
from tests.jobs.stores import write_pack
from tests.jobs.sweeps import BASE, load

# The process that asks for a command, which takes until it is let go.
ASKING = """
from pathlib import Path
from jobs.watch import start_command
from regularize.store import Store
start_command.MAIN = '''
import time
from pathlib import Path
print("retried", flush=True)
while not Path("go").exists():
    time.sleep(0.05)
print("submitted", flush=True)
'''
start_command.run_command(Store(Path("small")), "retry", [])
"""
MESSAGE = "ValueError: no\x1b[31m good"


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Store:
    """A sweep of nine runs: two running, two failed, two done of which one diverged, three planned."""
    monkeypatch.chdir(tmp_path)
    store = Store(tmp_path / "small")
    planned = planned_runs()
    write_runs(store, planned, complete=True)
    ids = [run.config.run_id for run in planned]
    running = write_pack(store, ids[0:2], "running")
    rows = [
        {"run_id": i, "epoch": e, "step": e, "split": s, "loss": 1.0 / e, "accuracy": 0.1 * e}
        for i in ids[0:2]
        for e in (1, 2)
        for s in ("train", "test")
    ]
    write_table(running.curves, rows, METRICS)
    failed = write_pack(store, ids[2:4], "failed")
    write_text(failed.error, f"Traceback (most recent call last):\n  File ...\n{MESSAGE}\n")
    write_pack(store, ids[4:6], "done", diverged=(ids[4],), diverged_at={ids[4]: 4})
    return store


def source_facts(store: Store, run_id: str) -> Mapping[str, str]:
    return LocalSource(store, "here").detail(run_id).facts


def planned_runs() -> list[PlannedRun]:
    sweep = load(BASE.replace("{tune: 2, report: 3}", "3"))
    return report_runs(sweep)


def test_the_picture_has_every_run_with_its_state(store: Store) -> None:
    picture = LocalSource(store, "here").look()
    assert [run.state for run in picture.runs].count("planned") == 3
    assert picture.total.counts == {"running": 2, "failed": 2, "done": 1, "diverged": 1, "planned": 3}
    running, failed = picture.runs[0], picture.runs[2]
    assert (running.share, running.note.partition(" on ")[0]) == (0.5, "epoch 5 of 10")
    assert failed.note == MESSAGE
    assert picture.runs[4].note == "diverged at step 4"
    assert source_facts(store, picture.runs[4].run_id)["this run"] == "diverged at step 4"
    (group,) = picture.failures
    assert (group.exception, group.runs, group.packs) == ("ValueError", 2, 1)
    assert "Traceback" in group.traceback
    assert picture.speed == pytest.approx(3600 * 2 * 50 / 10 / 100)
    assert picture.seconds_left == pytest.approx((3 + 2 * 0.5) / 0.1)


def test_a_run_in_training_has_curves_and_a_planned_one_none(store: Store) -> None:
    source = LocalSource(store, "here")
    runs = source.look().runs
    detail = source.detail(runs[1].run_id)
    assert [(p.split, p.epoch) for p in detail.points] == [
        ("train", 1),
        ("test", 1),
        ("train", 2),
        ("test", 2),
    ]
    assert detail.config["training.batch_size"] == "128"
    assert detail.facts["epoch"] == "5 of 10, step 50 of 100"
    assert [attempt.outcome for attempt in detail.attempts] == ["running"]
    planned = source.detail(runs[-1].run_id)
    assert (planned.points, planned.attempts) == ((), ())
    assert planned.config["l2"] == "strength=0.0001, schedule=constant, warmup=0.0"
    with pytest.raises(UserError, match="no run ffff"):
        source.detail("ffff")


def test_damaged_curves_are_no_curves(store: Store) -> None:
    source = LocalSource(store, "here")
    run = source.look().runs[0]
    for path in store.packs.glob("*/curves.parquet"):
        path.write_bytes(b"PAR1 torn")
    assert source.detail(run.run_id).points == ()


def test_a_log_is_read_from_its_end_and_on(store: Store) -> None:
    source = LocalSource(store, "here")
    runs = source.look().runs
    assert source.log(runs[2].run_id, None).text.endswith(f"{MESSAGE}\n")
    with pytest.raises(UserError, match="no log yet"):
        source.log(runs[0].run_id, None)
    log = store.logs / "77_0_log.out"
    log.parent.mkdir()
    log.write_bytes(b"x" * 100_000 + "\nepoch 1 ✓ é".encode()[:-1])
    first = source.log(runs[0].run_id, None)
    assert first.text == "epoch 1 ✓ "  # the last character is not whole yet
    with log.open("ab") as file:
        file.write("é".encode()[-1:] + b"\nepoch 2\n")
    more = source.log(runs[0].run_id, first.offset)
    assert more.text == "é\nepoch 2\n"
    log.write_bytes(b"anew\n")
    assert source.log(runs[0].run_id, more.offset).text == "anew\n"


def test_what_slurm_was_handed_and_knows_no_more_is_unknown_not_failed(store: Store) -> None:
    ids = [run.run_id for run in LocalSource(store, "here").look().runs]
    handed = Handed(token="t", name="rs-small-t", elements=((((ids[6],),),), (((ids[7],),),)))
    submitting(store.journal, handed)
    append(store.journal, "submitted", token="t", job_id="13")
    append(store.journal, "ended", token="t", elements={"0": ["TIMEOUT", False]})
    source = LocalSource(store, "here")
    source.sight = None
    picture = source.look()
    lost, unknown = picture.runs[6], picture.runs[7]
    assert (lost.state, lost.job, lost.note) == ("lost", "13_0", "job ended: TIMEOUT")
    assert (unknown.state, unknown.job) == ("unknown", "13_1")
    assert [a.outcome for a in source.detail(ids[6]).attempts] == ["TIMEOUT"]


def test_a_worker_that_died_here_is_a_failure_and_its_runs_say_how(store: Store) -> None:
    ids = [run.run_id for run in LocalSource(store, "here").look().runs]
    process = subprocess.Popen(["true"])
    process.wait()
    write_json(store.submission, {"cluster": {"kind": "local"}, "data_root": None})
    write_pack(store, ids[6:8], "running", pid=process.pid, updated_at="2026-01-01T00:00:00+00:00")
    death = {"how": "was killed by signal 9 (SIGKILL)", "pack": "ab", "log": "worker-1-7.log"}
    append(store.journal, "died", pid=process.pid, runs=ids[6:8], given_up=True, **death)
    said = f"worker process {process.pid} was killed by signal 9 (SIGKILL) while it trained pack ab"
    (store.logs).mkdir(exist_ok=True)
    (store.logs / "worker-1-7.log").write_text("Killed\n", encoding="utf-8")
    picture = LocalSource(store, "here").look()
    assert [(run.state, run.note) for run in picture.runs[6:8]] == [("lost", said)] * 2
    assert [(f.message, f.runs, f.traceback) for f in picture.failures[1:]] == [(said, 2, "Killed\n")]
    assert Picture.from_json(picture.to_json()) == picture
    for pack in store.packs.iterdir():  # the two that seem to be in training
        if read_json(pack / "status.json")["state"] == "running":
            write_pack(store, read_json(pack / "status.json")["runs"], "interrupted")
    warning = f"nothing goes on by itself: {said}; `regularize retry {store.folder}` continues"
    assert warning in LocalSource(store, "here").look().warnings
    left = [
        run.run_id for run in LocalSource(store, "here").look().runs if run.state not in ("done", "diverged")
    ]
    append(store.journal, "cancelled", runs=left, elements=[])  # which `retry` of all does not take up
    warning = f"nothing goes on by itself: {len(left)} runs cancelled; `regularize submit` continues"
    assert warning in LocalSource(store, "here").look().warnings
    append(store.journal, "began")  # another submission: what was then is over
    assert len(LocalSource(store, "here").look().failures) == 1


def test_where_nothing_goes_on_by_itself_the_picture_says_so(store: Store) -> None:
    ids = [run.run_id for run in LocalSource(store, "here").look().runs]
    write_json(store.submission, {"cluster": load_cluster("cpu-cluster").to_json(), "data_root": None})
    submitting(store.journal, Handed(token="t", name="rs-small-t", elements=((((ids[6],),),),)))
    append(store.journal, "submitted", token="t", job_id="13")
    append(store.journal, "ended", token="t", elements={"0": ["TIMEOUT", True]})
    (warning,) = LocalSource(store, "here").look().warnings
    assert warning == "nothing goes on by itself: `regularize submit` continues"


def test_once_and_a_pipe_print_the_same_plain_text(store: Store, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["watch", str(store.folder), "--once"]) == 0
    once = capsys.readouterr().out
    assert main(["watch", str(store.folder)]) == 0
    assert capsys.readouterr().out == once
    assert "small on this machine: 2 of 9 runs done, 44% of all steps" in once
    assert "2 × ValueError: no good" in once
    assert "\x1b" not in once


def test_an_answer_is_json(store: Store, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["watch", str(store.folder), "--answer", "look"]) == 0
    value = json.loads(capsys.readouterr().out)
    assert len(value["runs"]) == 9
    assert main(["watch", str(store.folder), "--answer", "detail", value["runs"][0][0]]) == 0
    assert json.loads(capsys.readouterr().out)["run_id"] == value["runs"][0][0]


def test_mistakes_are_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["watch", str(tmp_path), "--once"]) == 2
    assert "nothing has been submitted" in capsys.readouterr().err
    assert main(["watch", str(tmp_path), "--once", "--notify", "say '"]) == 2
    assert "--notify" in capsys.readouterr().err


def test_commands_say_in_one_line_why_they_do_nothing(store: Store) -> None:
    with pytest.raises(UserError, match="submi"):
        LocalSource(store, "here").cancel([planned_runs()[0].config.run_id])


def test_commands_begun_at_once_go_on_in_logs_of_their_own_when_who_asked_is_gone(store: Store) -> None:
    path = os.pathsep.join([str(Path(__file__).parents[3]), os.environ.get("PYTHONPATH", "")])
    command = [sys.executable, "-c", ASKING]
    environment = os.environ | {"PYTHONPATH": path}
    asking = [subprocess.Popen(command, env=environment, start_new_session=True) for _ in range(2)]
    logs = [store.logs / "retry-1.log", store.logs / "retry-2.log"]

    def say(text: bytes) -> bool:
        return all(log.exists() and log.read_bytes() == text for log in logs)

    wait_for("the commands to begin", lambda: say(b"retried\n"), 60)
    for process in asking:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    Path("go").touch()
    wait_for("their ends", lambda: say(b"retried\nsubmitted\n"), 60)

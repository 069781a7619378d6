"""A line to the real login node that is lost while something goes on there: what becomes of it, and of us."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
from argparse import Namespace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from jobs.cluster.load_config import load_cluster
from jobs.code_copy.snapshot import take
from jobs.commands.parser import parser
from jobs.remote import remote_source as remote
from jobs.remote.remote_source import remote_source
from jobs.store.journal import Journal, read_journal
from jobs.watch.source_wire import AskingSource
from regularize.errors import UserError
from tests.cluster.laptop import FAR, Laptop, end_masters
from tests.cluster.processes import wait_for
from tests.cluster.slurm import TestCluster
from tests.jobs.watch.app import text, until, watching

SUBMIT = ("submit", "sweep.yaml", *FAR)
WAIT = 60
# In the place of sbatch on the login node. `paused` comes when it is called, and it goes on with `go`.
PAUSED = """\
#!/bin/sh
touch "{folder}/paused"
until test -e "{folder}/go"; do sleep 0.1; done
exec /usr/bin/sbatch "$@"
"""
# Slurm has the job, and its sender dies: so does all that runs where a login node ends what ssh left.
DEADLY = """\
#!/bin/sh
/usr/bin/sbatch "$@" > /dev/null
kill -KILL $PPID
"""


def wrap_sbatch(laptop: Laptop, script: str, **keys: object) -> Path:
    """Put a script in the place of the login node's sbatch, and jobs on hold."""
    place = laptop.there / "bin"
    place.mkdir()
    (place / "sbatch").write_text(script.format(folder=place), encoding="utf-8")
    (place / "sbatch").chmod(0o755)
    laptop.write_cluster(setup=[f'PATH="{place}:$PATH"'], sbatch={"hold": True}, **keys)
    return place


def journal(laptop: Laptop) -> Journal:
    return read_journal(laptop.store.journal)


def jobs(slurm: TestCluster) -> set[str]:
    return set(slurm.run("squeue", "--noheader", "--format=%A").split())


def is_whole(laptop: Laptop, slurm: TestCluster) -> bool:
    """Whether one array and its follow-up are in the queue, and no more."""
    handed = [one for one in journal(laptop).handed if not one.abandoned]
    ids = [one.job_id for one in handed]
    return len(ids) == 2 and handed[1].after == (ids[0],) and set(ids) == jobs(slurm)


def test_a_submission_goes_on_without_the_line_and_nobody_waits_for_ever(
    laptop: Laptop, slurm: TestCluster
) -> None:
    place = wrap_sbatch(laptop, PAUSED)
    with laptop.start(*SUBMIT, "--wait") as going:
        wait_for("sbatch", (place / "paused").exists, WAIT)
        assert [handed.unsure for handed in journal(laptop).handed] == [True]
        laptop.lose_line()
        assert going.wait(3 * WAIT) == 2
    assert laptop.processes()
    (place / "go").touch()
    wait_for("the submission", lambda: is_whole(laptop, slurm), WAIT)
    wait_for("the end of the command", lambda: not laptop.processes(), WAIT)
    assert "4 runs queued or running before" in laptop.good(*SUBMIT).err
    assert is_whole(laptop, slurm)

    with laptop.start(*SUBMIT, "--wait") as going:  # and Ctrl-C
        wait_for("the command", laptop.processes, WAIT)
        os.killpg(going.pid, signal.SIGINT)
        assert going.wait(3 * WAIT) == 130
    assert "go on at test-login; to continue: regularize submit" in (laptop.folder / "said").read_text()
    wait_for("the end of the command", lambda: not laptop.processes(), WAIT)
    assert is_whole(laptop, slurm)


def test_what_ignores_the_signals_of_its_terminal_keeps_its_line(laptop: Laptop, slurm: TestCluster) -> None:
    """As behind `&` in a script, or by nohup; ssh would heed them."""
    place = wrap_sbatch(laptop, PAUSED)
    ignored = (signal.SIGINT, signal.SIGHUP)
    with laptop.start(*SUBMIT, ignoring=ignored) as going:
        wait_for("sbatch", (place / "paused").exists, WAIT)
        for number in ignored:
            os.killpg(going.pid, number)
        (place / "go").touch()
        assert going.wait(3 * WAIT) == 0, (laptop.folder / "said").read_text()
    assert is_whole(laptop, slurm)


def test_a_submission_that_dies_with_the_line_is_found_by_the_same_command(
    laptop: Laptop, slurm: TestCluster
) -> None:
    place = wrap_sbatch(laptop, DEADLY)
    assert laptop.run(*SUBMIT).code == 2
    (before,) = jobs(slurm)
    (place / "sbatch").unlink()
    done = laptop.good(*SUBMIT)
    assert f"job {before} of a submission that was cut short" in done.err
    assert is_whole(laptop, slurm)
    assert before in jobs(slurm)


def test_cluster_check_from_the_laptop_and_its_job_when_the_line_is_lost(
    laptop: Laptop, slurm: TestCluster
) -> None:
    (laptop.there / "data").mkdir()
    assert laptop.good("cluster", "setup", "far.yaml").out.startswith(f"{sys.executable} 3.")
    checked = json.loads(laptop.good("cluster", "check", "far.yaml", "--json").out)
    states = {finding["name"]: finding["state"] for finding in checked["findings"]}
    assert (states.pop("data"), set(states.values())) == ("warn", {"pass"}), checked
    slurm.wait_until_idle(WAIT)

    laptop.write_cluster(sbatch={"hold": True})
    with laptop.start("cluster", "check", "far.yaml") as going:
        wait_for("the job", slurm.queued, WAIT)
        laptop.lose_line()
        assert going.wait(3 * WAIT) == 2
    wait_for("the end of the job", lambda: not slurm.queued(), WAIT)
    wait_for("the end of the command", lambda: not laptop.processes(), WAIT)


def source_of(laptop: Laptop, patch: pytest.MonkeyPatch) -> AskingSource:
    """What `regularize watch` on the laptop asks."""
    patch.chdir(laptop.folder)
    for name, value in laptop.environment.items():
        patch.setenv(name, value)
    args = Namespace(target=Path("sweep.yaml"), store=None, cluster="far.yaml")
    return remote_source(args, load_cluster("far.yaml"), parser().parse_args)


def test_watching_a_run_and_what_is_done_to_it(
    laptop: Laptop, slurm: TestCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    laptop.good(*SUBMIT, "--set", "model=tests.cluster.failing_network:build")
    slurm.wait_until_idle()
    source = source_of(laptop, monkeypatch)
    picture = source.look()
    assert (picture.place, [run.state for run in picture.runs]) == ("far", ["failed"] * 4)
    assert "on purpose" in picture.failures[0].message
    run_id = picture.runs[0].run_id
    detail = source.detail(run_id)
    assert (detail.run_id, len(detail.attempts)) == (run_id, 1)
    piece = source.log(run_id, None)
    assert "RuntimeError: on purpose" in piece.text
    assert source.log(run_id, piece.offset).text == ""
    assert piece.text.endswith(source.log(run_id, piece.offset - 5).text)

    slurm.run("scontrol", "update", "partition=main", "state=down")  # so that what is retried stays queued
    try:
        assert "in Slurm's queue: job" in source.retry([run_id])
        states = {run.run_id: run.state for run in source.look().runs}
        assert states.pop(run_id) == "queued"
        assert set(states.values()) == {"failed"}
        assert "1 run of 1 job cancelled" in source.cancel([run_id])
        assert {run.run_id: run.state for run in source.look().runs}[run_id] != "queued"
    finally:
        slurm.run("scontrol", "update", "partition=main", "state=up")


def test_a_line_that_is_lost_while_watching_shows_and_comes_back_by_itself(
    laptop: Laptop, slurm: TestCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    laptop.write_cluster(sbatch={"hold": True})
    laptop.good(*SUBMIT)
    source = source_of(laptop, monkeypatch)

    async def run() -> None:
        async with watching(source, clock=lambda: datetime.now(UTC), every=0.5) as (app, pilot):
            await until(pilot, lambda: app.picture is not None)
            slurm.kill_login()
            await until(pilot, lambda: "STALE" in text(app).splitlines()[0])
            assert "no connection to test-login" in app.trouble
            assert app.picture is not None
            last = app.picture.time
            slurm.start_login()
            await until(
                pilot, lambda: app.trouble == "" and app.picture is not None and app.picture.time > last
            )
            assert "STALE" not in text(app).splitlines()[0]

    asyncio.run(run())


def test_a_master_of_the_users_own_that_has_fallen_silent_is_given_up_and_gone_around(
    laptop: Laptop, slurm: TestCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    laptop.write_cluster(sbatch={"hold": True})
    laptop.good(*SUBMIT)
    end_masters(laptop, ["test-login"])
    config, socket = laptop.folder.parent / "config", laptop.folder.parent / "master"
    config.write_text(f"ControlPath {socket}\nControlPersist yes\n{config.read_text()}", encoding="utf-8")
    options = ["-F", str(config), "-o", "ControlPersist=no", "-M", "-N"]  # else it leaves for the background
    master = subprocess.Popen(["/usr/bin/ssh", *options, "test-login"])
    try:
        wait_for("the master", socket.exists, WAIT)
        source = source_of(laptop, monkeypatch)
        assert len(source.look().runs) == 4
        master.send_signal(signal.SIGSTOP)
        monkeypatch.setattr(remote, "LOOK_SECONDS", 3.0)
        with pytest.raises(UserError, match="test-login has not answered for 3 s"):
            source.look()
        with pytest.raises(ProcessLookupError):  # it waits no more
            os.kill(int(laptop.calls()[-1].split()[0]), 0)
        monkeypatch.setattr(remote, "LOOK_SECONDS", WAIT)
        assert len(source.look().runs) == 4
    finally:
        master.kill()
        master.wait()


def test_code_that_nothing_uses_goes_and_what_a_queued_job_began_with_stays(
    laptop: Laptop, slurm: TestCluster
) -> None:
    laptop.write_cluster(sbatch={"hold": True})
    laptop.good(*SUBMIT)
    snapshots, sent = laptop.there / "base" / "snapshots", laptop.there / "base" / "sent"
    (used,) = snapshots.iterdir()
    month = datetime.now(UTC).timestamp() - 31 * 86400
    old, recent, partial = "0" * 16, "1" * 16, f".{'2' * 16}.partial"
    for name in (old, recent, partial, "mine"):
        (snapshots / name / "jobs").mkdir(parents=True)
    for name in (old, recent):
        (sent / name / "cluster").mkdir(parents=True)
    for name in (used.name, old, partial, "mine"):
        os.utime(snapshots / name, (month, month))
    code = laptop.folder.parent / "code"
    take().write(code)
    (code / "jobs" / "more.py").touch()
    laptop.environment["PYTHONPATH"] = str(code)
    laptop.good("plan", "sweep.yaml", *FAR)
    left = {path.name for path in snapshots.iterdir()}
    (new,) = left - {used.name, recent, "mine"}
    assert len(left) == 4
    assert {path.name for path in sent.iterdir()} == {used.name, recent, new}

"""From the laptop, through a real sshd, to the real Slurm: a sweep's whole life, with lines that drop."""

from __future__ import annotations

import json
import re
import shutil
import signal
import subprocess
import sys
from os import kill
from pathlib import Path

from jobs.code_copy.snapshot import NAME
from jobs.store.journal import read_journal
from regularize.store import Store
from tests.cluster.laptop import FAR, Laptop, end_masters
from tests.cluster.processes import wait_for
from tests.cluster.slurm import TestCluster


def counts(laptop: Laptop) -> dict[str, int]:
    found: dict[str, int] = json.loads(laptop.good("status", "sweep.yaml", *FAR, "--json").out)["runs"]
    return {state: number for state, number in found.items() if number}


def test_a_line_that_drops_at_every_stage_and_what_comes_home(laptop: Laptop, slurm: TestCluster) -> None:
    snapshots = laptop.there / "base" / "snapshots"
    laptop.cut(2, "in", 50_000)
    lost = laptop.run("plan", "sweep.yaml", *FAR)  # in the middle of the snapshot
    assert lost.code == 2
    assert "the same command goes on" in lost.err
    wait_for("nothing to be left of it", lambda: not list(snapshots.iterdir()))
    planned = laptop.good("plan", "sweep.yaml", *FAR, "--json")
    assert json.loads(planned.out)["to_do"] == 4
    (snapshot,) = snapshots.iterdir()
    assert NAME.fullmatch(snapshot.name)

    command = laptop.command("submit", "sweep.yaml", *FAR)
    with subprocess.Popen(
        command, cwd=laptop.folder, env=laptop.environment, start_new_session=True
    ) as going:
        wait_for("the journal", laptop.store.journal.exists, 60, pause=0.01)
        kill(int(laptop.calls()[-1].split()[0]), signal.SIGKILL)  # the ssh
    assert going.returncode != 0

    def submitted() -> bool:
        done = laptop.run("submit", "sweep.yaml", *FAR)
        assert done.code == 0 or "another submission" in done.err, done.err
        return done.code == 0

    wait_for("the same command to be let in", submitted, 60)
    assert len(read_journal(laptop.store.journal).arrays) == 1  # nothing twice

    laptop.cut(0, "out", 60)
    lost = laptop.run("status", "sweep.yaml", *FAR, "--json")
    assert lost.code == 2
    assert lost.out.startswith('{\n "store": ')  # what has come; the mark before it has 18 bytes
    assert len(lost.out) == 42
    slurm.wait_until_idle()
    before = len(laptop.calls())
    assert counts(laptop) == {"done": 4}
    assert len(laptop.calls()) == before + 1  # one round trip
    used = json.loads(laptop.good("efficiency", "sweep.yaml", *FAR, "--json").out)
    (array,) = read_journal(laptop.store.journal).arrays
    assert [(job["job_id"], job["attempts"]) for job in used["jobs"]] == [(array.job_id, array.jobs)]
    shown = laptop.good("watch", "sweep.yaml", *FAR, "--once")
    assert (shown.calls, "4 of 4 runs done" in shown.out) == (1, True)

    laptop.cut(0, "out", 20_000)
    lost = laptop.run("sync", "sweep.yaml", *FAR)
    assert lost.code == 2
    assert "the same command goes on" in lost.err
    brought = laptop.good("sync", "sweep.yaml", *FAR)
    assert "far-away" in brought.out
    assert "0 files" in laptop.good("sync", "sweep.yaml", *FAR).out  # all is here
    drawn = laptop.good("figures", "sweep.yaml", "accuracy_curves")
    assert (laptop.folder / "results/far-away/figures/accuracy_curves-digits-mlp.pdf").exists(), drawn.out

    home = Store(laptop.folder / "results" / "far-away")
    assert not list(home.packs.glob("*/weights.pt"))
    laptop.good("sync", "sweep.yaml", *FAR, "--weights")
    for path in (next(home.packs.glob("*/results.parquet")), next(home.packs.glob("*/weights.pt"))):
        assert path.read_bytes() == (laptop.store.packs / path.relative_to(home.packs)).read_bytes()


def test_cancel_retry_and_logs_of_failures_through_the_jump_host(laptop: Laptop, slurm: TestCluster) -> None:
    laptop.write_cluster(host="test-behind-jump", sbatch={"begin": "now+1hour"})
    laptop.good("submit", "sweep.yaml", *FAR)
    assert counts(laptop) == {"queued": 4}
    assert "4 runs" in laptop.good("cancel", "sweep.yaml", *FAR).out
    assert counts(laptop) == {"planned": 4}
    assert slurm.queued() == []
    laptop.write_cluster(host="test-behind-jump")
    failing = (*FAR, "--set", "model=tests.cluster.failing_network:build")
    shutil.rmtree(laptop.store.folder)
    laptop.good("submit", "sweep.yaml", *failing)
    slurm.wait_until_idle()
    assert counts(laptop) == {"failed": 4}
    laptop.good("sync", "sweep.yaml", *FAR)
    here, there = laptop.run("logs", "sweep.yaml"), laptop.run("logs", "sweep.yaml", *FAR)
    assert "RuntimeError: on purpose" in here.out
    assert f"{laptop.there}/base/snapshots/" in here.out  # the code that trained
    assert re.sub("==> .*/packs", "", here.out) == re.sub("==> .*/packs", "", there.out)
    assert "4 runs to try again" in laptop.good("retry", "sweep.yaml", *FAR).err
    slurm.wait_until_idle()


def test_hostile_names_of_folders_and_python_go_into_the_job(laptop: Laptop, slurm: TestCluster) -> None:
    place = laptop.there / '-it\'s "so" $(touch pwned);`touch pwned` & ünï #'
    (place / "bin").mkdir(parents=True)
    (place / "bin" / "python").write_text(f'#!/bin/sh\nexec "{sys.executable}" "$@"\n')
    (place / "bin" / "python").chmod(0o755)
    folders = {key: str(place / key) for key in ("base", "store", "data_root")}
    laptop.write_cluster(name="far", python=str(place / "bin" / "python"), **folders)
    laptop.good("submit", "sweep.yaml", *FAR)
    slurm.wait_until_idle()
    assert counts(laptop) == {"done": 4}
    assert "far-away" in laptop.good("sync", "sweep.yaml", *FAR).out
    assert {path.name for path in laptop.there.iterdir()} == {place.name}
    assert not [*laptop.folder.parent.rglob("pwned"), *Path.home().glob("pwned")]


def test_no_connection_without_a_question_unless_one_is_open(laptop: Laptop) -> None:
    config = laptop.folder.parent / "config"
    right = config.read_text()
    wrong = re.sub(r"IdentityFile .*", "IdentityFile /dev/null", right)
    config.write_text(wrong)
    done = laptop.run("status", "sweep.yaml", *FAR)
    assert done.code == 2
    assert "Permission denied" in done.err
    assert re.search(r"open one in a terminal, .*: ssh -o ControlPath=\S+ .*test-login true", done.err)
    assert "Traceback" not in done.err
    config.write_text(right)
    laptop.good("plan", "sweep.yaml", *FAR)
    config.write_text(wrong)
    laptop.good("plan", "sweep.yaml", *FAR)  # over the master that the one before left open
    end_masters(laptop, ["test-login"])
    assert laptop.run("plan", "sweep.yaml", *FAR).code == 2

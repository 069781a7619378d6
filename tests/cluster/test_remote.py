"""From the laptop, through a real sshd, to the real Slurm: a sweep's whole life, with lines that drop."""

from __future__ import annotations

import json
import re
import shutil
import signal
import subprocess
from collections.abc import Iterator
from os import kill
from pathlib import Path

import pytest

from jobs.journal import read_journal
from regularize.store import Store
from tests.cluster.laptop import Done, Laptop, end_masters, make_laptop
from tests.cluster.processes import wait_for
from tests.cluster.slurm import TestCluster

FAR = ("--cluster", "far.yaml")
SWEEP = """\
name: far-away
dataset: digits
model: mlp
training: {steps: 20, batch_size: 32, lr: 0.1}
regularizers:
  none:
  l2: {strength: 1e-4}
seeds: 2
"""


@pytest.fixture
def laptop(slurm: TestCluster, tmp_path: Path) -> Iterator[Laptop]:
    """One whose ssh config says nothing of masters."""
    lines = (slurm.folder / "ssh" / "config").read_text().splitlines()
    made = make_laptop(tmp_path, "\n".join(line for line in lines if "Control" not in line) + "\n")
    (made.folder / "sweep.yaml").write_text(SWEEP, encoding="utf-8")
    yield made
    end_masters(made, ["test-login", "test-jump", "test-behind-jump"])


def store(laptop: Laptop) -> Store:
    return Store(laptop.there / "base" / "results" / "far-away")


def good(done: Done) -> Done:
    assert done.code == 0, done.err
    return done


def counts(laptop: Laptop) -> dict[str, int]:
    found: dict[str, int] = json.loads(good(laptop.run("status", "sweep.yaml", *FAR, "--json")).out)["runs"]
    return {state: number for state, number in found.items() if number}


def test_a_line_that_drops_at_every_stage_and_what_comes_home(laptop: Laptop, slurm: TestCluster) -> None:
    snapshots = laptop.there / "base" / "snapshots"
    laptop.cut("rsync", "in", 50_000)
    lost = laptop.run("plan", "sweep.yaml", *FAR)  # in the middle of the snapshot
    assert lost.code == 2
    assert "the same command goes on" in lost.err
    (partial,) = snapshots.iterdir()
    assert partial.name.endswith(".partial")
    planned = good(laptop.run("plan", "sweep.yaml", *FAR, "--json"))
    assert json.loads(planned.out)["to_do"] == 4
    (snapshot,) = snapshots.iterdir()
    assert partial.name == f".{snapshot.name}.partial"

    command = laptop.command("submit", "sweep.yaml", *FAR)
    with subprocess.Popen(
        command, cwd=laptop.folder, env=laptop.environment, start_new_session=True
    ) as going:
        wait_for("the journal", store(laptop).journal.exists, 60, pause=0.01)
        kill(int(laptop.calls()[-1].split()[0]), signal.SIGKILL)  # the ssh
    assert going.returncode != 0

    def submitted() -> bool:
        done = laptop.run("submit", "sweep.yaml", *FAR)
        assert done.code == 0 or "another submission" in done.err, done.err
        return done.code == 0

    wait_for("the same command to be let in", submitted, 60)
    assert len(read_journal(store(laptop).journal).arrays) == 1  # nothing twice

    laptop.cut("BatchMode", "out", 10)
    lost = laptop.run("status", "sweep.yaml", *FAR, "--json")
    assert (lost.code, len(lost.out)) == (2, 10)
    slurm.wait_until_idle()
    before = len(laptop.calls())
    assert counts(laptop) == {"done": 4}
    assert len(laptop.calls()) == before + 1  # one round trip
    shown = good(laptop.run("watch", "sweep.yaml", *FAR, "--once"))
    assert (shown.calls, "4" in shown.out) == (1, True)

    laptop.cut("rsync", "out", 20_000)
    lost = laptop.run("sync", "sweep.yaml", *FAR)
    assert lost.code == 2
    assert "the same command goes on" in lost.err
    brought = good(laptop.run("sync", "sweep.yaml", *FAR))
    assert "far-away" in brought.out
    assert "0 files" in good(laptop.run("sync", "sweep.yaml", *FAR)).out  # all is here
    drawn = good(laptop.run("figures", "sweep.yaml", "accuracy_curves"))
    assert (laptop.folder / "results/far-away/figures/accuracy_curves-digits-mlp.pdf").exists(), drawn.out

    home = Store(laptop.folder / "results" / "far-away")
    assert not list(home.packs.glob("*/weights.pt"))
    good(laptop.run("sync", "sweep.yaml", *FAR, "--weights"))
    for path in (next(home.packs.glob("*/results.parquet")), next(home.packs.glob("*/weights.pt"))):
        assert path.read_bytes() == (store(laptop).packs / path.relative_to(home.packs)).read_bytes()


def test_cancel_retry_and_logs_of_failures_through_the_jump_host(laptop: Laptop, slurm: TestCluster) -> None:
    laptop.write_cluster(host="test-behind-jump", sbatch={"begin": "now+1hour"})
    good(laptop.run("submit", "sweep.yaml", *FAR))
    assert counts(laptop) == {"queued": 4}
    assert "4 runs" in good(laptop.run("cancel", "sweep.yaml", *FAR)).out
    assert counts(laptop) == {"planned": 4}
    assert slurm.queued() == []
    laptop.write_cluster(host="test-behind-jump")
    failing = (*FAR, "--set", "model=tests.cluster.failing_network:build")
    shutil.rmtree(store(laptop).folder)
    good(laptop.run("submit", "sweep.yaml", *failing))
    slurm.wait_until_idle()
    assert counts(laptop) == {"failed": 4}
    good(laptop.run("sync", "sweep.yaml", *FAR))
    here, there = laptop.run("logs", "sweep.yaml"), laptop.run("logs", "sweep.yaml", *FAR)
    assert "RuntimeError: on purpose" in here.out
    assert f"{laptop.there}/base/snapshots/" in here.out  # the code that trained
    assert re.sub("==> .*/packs", "", here.out) == re.sub("==> .*/packs", "", there.out)
    assert "4 runs to try again" in good(laptop.run("retry", "sweep.yaml", *FAR)).err
    slurm.wait_until_idle()


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
    good(laptop.run("plan", "sweep.yaml", *FAR))
    config.write_text(wrong)
    good(laptop.run("plan", "sweep.yaml", *FAR))  # over the master that the one before left open
    end_masters(laptop, ["test-login"])
    assert laptop.run("plan", "sweep.yaml", *FAR).code == 2

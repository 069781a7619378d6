"""Jobs that wait in a real queue while the code they were submitted with is changed under them."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from regularize.store import read_json
from tests.cluster.processes import wait_for
from tests.cluster.slurm import ROOT, TestCluster
from tests.cluster.tables import assert_same
from tests.cluster.trial import SMALL, Trial

SWEEP = """\
name: small
dataset: {digits: {per_class: 20}}
model: [mlp, my_net:build]
training: {steps: 20, batch_size: 16}
regularizers:
  l2: {strength: [1e-3, 1e-2]}
seeds: {tune: 1, report: 1}
"""
NET = """\
from torch import nn
from my_parts.layers import final

def build(shape: tuple[int, ...], classes: int) -> nn.Module:
    return nn.Sequential(nn.Flatten(), final(shape[0] * shape[1] * shape[2], classes))
"""
LAYERS = """\
from torch import nn

def final(inputs: int, classes: int) -> nn.Module:
    return nn.Linear(inputs, classes, bias=True)
"""
CHANGES = {
    "regularize/regularizers/l2.py": ("/ 2", "* 20"),
    "my models/my_parts/layers.py": ("True", "False"),
}
PROGRAM = "import sys; from jobs.commands.cli import main; sys.exit(main())"


class Desk:
    """A checkout of one's own with an uncommitted change, from which one submits, and a model outside it."""

    def __init__(self, folder: Path, data_root: Path, sweep: str, **config: object) -> None:
        self.checkout, self.models = folder / "checkout", folder / "my models"
        for package in ("analysis", "cluster_configs", "jobs", "regularize"):
            ignored = shutil.ignore_patterns("__pycache__")
            shutil.copytree(ROOT / package, self.checkout / package, ignore=ignored)
        shutil.copy(ROOT / "pyproject.toml", self.checkout)
        for words in (["init", "-q"], ["add", "."], ["commit", "-q", "-m", "as it was"]):
            self._git("-c", "user.name=a", "-c", "user.email=a@b", *words)
        self.commit = self._git("rev-parse", "HEAD").strip()
        self.append("regularize/rng.py", "# tried out\n")
        (self.models / "my_parts").mkdir(parents=True)
        (self.models / "my_net.py").write_text(NET, encoding="utf-8")
        (self.models / "my_parts" / "layers.py").write_text(LAYERS, encoding="utf-8")
        self.trial = Trial(folder, data_root, sweep, **config)

    def append(self, name: str, text: str) -> None:
        with (self.checkout / name).open("a", encoding="utf-8") as file:
            file.write(text)

    def submit(self, *options: str) -> None:
        trial = self.trial
        words = ["submit", str(trial.sweep), "--store", str(trial.root), *trial.submit_options, *options]
        path = f"{self.checkout}:{self.models}"
        environment = os.environ | {"PYTHONPATH": path}
        subprocess.run(
            [sys.executable, "-c", PROGRAM, *words], cwd=self.checkout, env=environment, check=True
        )

    @property
    def snapshots(self) -> set[str]:
        return {path.name for path in self.folder.iterdir()}

    @property
    def folder(self) -> Path:
        """That of the copies."""
        return self.trial.root / f".regularize-{os.getuid()}" / "snapshots"

    def _git(self, *words: str) -> str:
        return subprocess.check_output(["git", *words], cwd=self.checkout, text=True)


def test_jobs_and_what_follows_train_the_code_that_was_submitted(
    slurm: TestCluster, tmp_path: Path, data_root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # At a site where sbatch exports nothing, the user's own lines do, the checkout among them.
    site = tmp_path / "bin" / "sbatch"
    site.parent.mkdir()
    site.write_text(f'#!/bin/sh\nexec {shutil.which("sbatch")} --export=NONE "$@"\n', encoding="utf-8")
    site.chmod(0o755)
    monkeypatch.setenv("PATH", f"{site.parent}:{os.environ['PATH']}")
    paths = {"PYTHONPATH": f"{tmp_path}/checkout:{tmp_path}/my models"}
    paths |= {key: os.environ[key] for key in ("PATH", "SLURM_CONF")}
    setup = [f"export {key}='{value}'" for key, value in paths.items()]
    desk = Desk(tmp_path, data_root, SWEEP, sbatch={"hold": True}, setup=setup)
    desk.submit()
    monkeypatch.setenv("PYTHONPATH", f"{ROOT}:{desk.models}")  # of the undisturbed, with the code as it was
    shutil.copytree(desk.models, tmp_path / "kept")
    for name, change in CHANGES.items():
        path = next(path for path in (desk.checkout / name, tmp_path / name) if path.exists())
        text = path.read_text(encoding="utf-8")
        path.write_text(text.replace(*change), encoding="utf-8")
        assert text.count(change[0]) == 1
    wait_for("the end of all phases", lambda: released(slurm), 240, pause=1)
    assert desk.trial.states() == {"done": 2 * (2 + 1)}
    monkeypatch.setenv("PYTHONPATH", f"{ROOT}:{tmp_path / 'kept'}")
    assert_same(desk.trial.store, desk.trial.in_one_process(tmp_path / "undisturbed"))

    first, second = read_json(desk.trial.store.provenance)["submissions"]
    assert len(desk.snapshots) == 1
    for submission in (first, second):  # a person's, and the follow-up's
        diff = desk.trial.store.diff(submission["uncommitted"]).read_text(encoding="utf-8")
        assert (submission["git_commit"], diff.endswith("\n+# tried out\n")) == (desk.commit, True)
    results = [pq.read_metadata(path) for path in desk.trial.store.packs.glob("*/results.parquet")]
    assert {found.metadata[b"git_commit"].decode() for found in results} == {desk.commit}


def released(slurm: TestCluster) -> bool:
    """Whether nothing is queued; what is held may start from now on."""
    if jobs := {name.partition("_")[0] for name in slurm.queued()}:
        slurm.run("scontrol", "release", *jobs, check=False)
    return not jobs


def test_old_copies_go_once_no_queued_job_began_with_them(
    slurm: TestCluster, tmp_path: Path, data_root: Path
) -> None:
    desk = Desk(tmp_path, data_root, SMALL, sbatch={"hold": True})
    desk.submit()
    (used,) = desk.snapshots

    def submitted_a_month_later(seeds: int) -> set[str]:
        (desk.folder / ("0" * 16)).mkdir()
        for path in desk.folder.iterdir():
            os.utime(path, (time.time() - 31 * 86400,) * 2)
        desk.append("regularize/rng.py", "# further\n")
        desk.submit("--set", f"seeds={seeds}")
        return desk.snapshots

    found = submitted_a_month_later(2)
    assert len(found) == 2
    assert used in found
    (second,) = found - {used}
    assert desk.trial.regularize("cancel").code == 0
    slurm.wait_until_idle()
    (third,) = submitted_a_month_later(3)
    assert third not in (used, second)

"""A sweep that a test submits to the cluster, and the same packs trained by one undisturbed process."""

from __future__ import annotations

import io
import json
import shutil
import subprocess
import sys
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path

import yaml

from jobs.commands.cli import main
from jobs.store.pack_status import read_packs
from regularize.store import Store

ONE_PROCESS = "tests.cluster.one_process"
SMALL = """\
name: small
dataset: {digits: {per_class: 20}}
model: mlp
training: {steps: 20, batch_size: 16}
regularizers: {none: }
seeds: 1
"""
"""A sweep of one run that takes no time."""


@dataclass(frozen=True)
class Said:
    """How a command ended, and what it said."""

    code: int
    out: str
    err: str


class Trial:
    """A sweep file, a cluster config and a store of their own. `config` is what the config says."""

    def __init__(self, folder: Path, data_root: Path, sweep: str, **config: object) -> None:
        self.sweep, self.cluster = folder / "sweep.yaml", folder / "cluster.yaml"
        self.sweep.write_text(sweep, encoding="utf-8")
        asked = {"kind": "slurm", "partition": "main", "time": 20, "memory": "3600M", "signal_seconds": 30}
        self.cluster.write_text(yaml.safe_dump(asked | config), encoding="utf-8")
        self.data_root, self.root = data_root, folder / "store"
        self.store = Store(self.root / yaml.safe_load(sweep)["name"])

    def regularize(self, command: str, *options: str) -> Said:
        """Run `regularize COMMAND SWEEP --store …`."""
        out, err = io.StringIO(), io.StringIO()
        with redirect_stdout(out), redirect_stderr(err):
            code = main([command, str(self.sweep), "--store", str(self.root), *options])
        return Said(code, out.getvalue(), err.getvalue())

    def submit(self, *options: str) -> Said:
        return self.regularize("submit", *self.submit_options, *options)

    @property
    def submit_options(self) -> list[str]:
        return ["--cluster", str(self.cluster), "--data-root", str(self.data_root)]

    def states(self) -> dict[str, int]:
        """How many runs are in which state, without the states that none is in."""
        counts = json.loads(self.regularize("status", "--json").out)["runs"]
        return {state: count for state, count in counts.items() if count}

    def packs(self) -> list[list[str]]:
        """The packs that have been begun, as lists of run ids."""
        return [list(status.runs) for _, status in sorted(read_packs(self.store).statuses.items())]

    def in_one_process(self, folder: Path) -> Store:
        """A store in which one process has trained the packs of this one."""
        store = Store(folder)
        folder.mkdir()
        shutil.copy(self.store.runs, store.runs)
        arguments = [str(folder), json.dumps(self.packs()), str(self.data_root)]
        subprocess.run([sys.executable, "-m", ONE_PROCESS, *arguments], check=True)
        return store

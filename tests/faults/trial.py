"""A small sweep, the commands that a person types, and its tables as they are when nothing happened."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow as pa

from analysis.tables.collect import NAMES
from analysis.tables.store_tables import Tables
from jobs.store.journal import append
from regularize.store import Store, read_table
from tests.faults import forked

SWEEP = """\
name: tiny
dataset: {digits: {per_class: 5}}
model: mlp
training: {epochs: 10, batch_size: 25}
evaluation: {every: 5}
regularizers:
  none:
  l2: {strength: [1e-4, 1e-3]}
seeds: {tune: 2, report: 2}
"""
# Packs of two, whoever cuts them: a run alone takes other kernels on some processors.
CLUSTER = "kind: local\npack_runs: 2\n"
PROGRAM = """
import signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)
from jobs.commands.cli import main
sys.exit(main())
"""
TIMES = ("seconds", "core_seconds", "evaluation_seconds", "host", "finished_at", "pack_id", "pack_runs")
"""Columns that say how long, where and beside whom a run was trained."""
Started = subprocess.Popen[str] | forked.Fork
PATIENCE = 600.0  # seconds
ATTEMPTS = 4


@dataclass(frozen=True)
class Said:
    """What a command answered."""

    words: tuple[str, ...]
    code: int
    out: str
    err: str

    def __str__(self) -> str:
        return f"{' '.join(self.words)} → {self.code}\n{self.out}{self.err}"


@dataclass
class Trial:
    """A store in a folder of its own, and all that was said about it."""

    folder: Path
    data: Path
    own: bool = False  # whether what is started has an interpreter of its own
    seconds: Mapping[bool, float] = field(default_factory=dict)  # of an undisturbed submission, by `own`
    said: list[Said] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        (self.folder / "sweep.yaml").write_text(SWEEP, encoding="utf-8")
        (self.folder / "here.yaml").write_text(CLUSTER, encoding="utf-8")

    @property
    def store(self) -> Store:
        return Store(self.folder / "results" / "tiny")

    def start(self, *words: str, own: bool = False) -> Started:
        """A command, as a person starts it with an interpreter of its `own`, else as a fork."""
        if not (own or self.own):
            return forked.Fork(self.folder, self._whole(words))
        return subprocess.Popen(
            [sys.executable, "-c", PROGRAM, *self._whole(words)],
            cwd=self.folder,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=os.environ | {"PYTHONPATH": str(forked.ROOT), "OMP_NUM_THREADS": "1"},
            start_new_session=True,
        )

    def heard(self, process: Started, *words: str) -> Said:
        """What a started command answers; waits for its end."""
        out, err = process.communicate(timeout=PATIENCE)
        said = Said(words, process.returncode, out, err)
        self.said.append(said)
        return said

    def run(self, *words: str, within: forked.Surroundings | None = None) -> Said:
        """A command, as a fork."""
        return self.heard(forked.Fork(self.folder, self._whole(words), within), *words)

    def _whole(self, words: Sequence[str]) -> list[str]:
        places = ("--cluster", "here.yaml", "--max-tasks", "1", "--data-root", str(self.data))
        return [words[0], "sweep.yaml", *words[1:], *(places if words[0] == "submit" else ())]

    def tables(self) -> dict[str, pa.Table]:
        """The collected tables, without what differs from time to time."""
        tables = {name: Tables(self.store).rows(name) for name in (*NAMES, "selection")}
        return {
            name: table.drop_columns([c for c in TIMES if c in table.schema.names]).replace_schema_metadata(
                None
            )
            for name, table in tables.items()
        }

    def copy(self, folder: Path) -> Trial:
        shutil.copytree(self.folder, folder, dirs_exist_ok=True)
        return Trial(folder, self.data, self.own, self.seconds)


ENDINGS = (0, 1, 2, 130, -signal.SIGKILL, -signal.SIGTERM, -signal.SIGINT)
"""Exit codes that say how it went; a signal's, where it comes once Python winds up."""


def tracebacks(said: Said) -> bool:
    return "Traceback (most recent call last)" in said.out + said.err or said.code not in ENDINGS


def healed(trial: Trial) -> Said:
    """Submit until nothing is left to do, as a person would; what was said last."""
    for _ in range(ATTEMPTS):
        said = trial.run("submit")
        if said.code == 0:
            said = trial.run("collect")
            if "regularize submit" not in said.err:
                return said
    raise AssertionError("it does not heal:\n" + "\n".join(map(str, trial.said[-2 * ATTEMPTS :])))


def reference(folder: Path, data: Path) -> Trial:
    """The sweep, undisturbed."""
    trials = {own: Trial(folder / str(own), data, own) for own in (True, False)}
    seconds = {own: _timed(trial) for own, trial in trials.items()}
    trial = Trial(folder / str(True), data, seconds=seconds)
    run_id = read_table(trial.store.runs)["run_id"][0].as_py()
    append(trial.store.journal, "cancelled", runs=[run_id], elements=[])
    append(trial.store.journal, "retried", runs=[run_id])
    assert trial.run("collect").code == 0
    return trial


def _timed(trial: Trial) -> float:
    began = time.monotonic()
    said = trial.heard(trial.start("submit"), "submit")
    assert said.code == 0, said
    return time.monotonic() - began

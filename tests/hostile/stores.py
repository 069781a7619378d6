"""Stores, data roots and folders that somebody made to do harm, and what shows that they did."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import torch

from jobs.cluster.load_config import load_cluster
from jobs.store import submitted_settings
from jobs.store.submitted_settings import Saved
from jobs.sweep.sweep_file import load_sweep
from regularize.schemas import RUNS
from regularize.store import PackStatus, Store, read_json, write_json, write_table
from tests.analysis.conftest import Sweep, build_store

SWEEP = """\
name: evil
dataset: mnist
model: lenet5
training: {epochs: 2}
regularizers:
  none:
  l2: {strength: 0.1}
seeds: 2
"""

CLIPBOARD, TITLE, LINK = (
    "\x1b]52;c;ZXZpbA==\x07",
    "\x1b]0;title\x1b\\",
    "\x1b]8;;http://x\x1b\\here\x1b]8;;\x07",
)
TURNED, BELL, CSI, DCS = "\u202egnp.exe", "\x07", "\x9b2J", "\x1bP+q544e\x1b\\"
EVERYTHING = "".join((CLIPBOARD, TITLE, LINK, TURNED, BELL, CSI, DCS, "[/x][bold]", "\x1b[8m", "\x1b"))
RAW = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\u200e\u200f]")
"""What a terminal takes for orders, and what of it may not be left."""


@dataclass(frozen=True)
class Canary:
    """A module that leaves a file when anybody imports it, and a file that nobody is to read or write."""

    folder: Path

    def __post_init__(self) -> None:
        self.folder.mkdir()
        self.private.write_text("the private text", encoding="utf-8")

    @property
    def private(self) -> Path:
        return self.folder / "private.txt"

    @property
    def ran(self) -> Path:
        return self.folder / "ran"

    def module(self, path: Path) -> None:
        path.write_text(f"open({str(self.ran)!r}, 'w').close()\ndef make(*_): return 9\n", "utf-8")

    def check(self) -> None:
        assert not self.ran.exists(), "something of the store's ran"
        assert self.private.read_text(encoding="utf-8") == "the private text"
        assert {path.name for path in self.folder.iterdir()} <= {"private.txt"}


def store_in(folder: Path) -> Store:
    """A small finished sweep, before anything was done to it."""
    store = build_store(
        folder, Sweep(strengths={"none": [""], "l2": ["0.1"]}, tune=(), report=(0, 1), epochs=2)
    )
    store.sweep.write_text(SWEEP, encoding="utf-8")
    for folder in store.packs.iterdir():
        paths = store.pack(folder.name)
        torch.save({"runs": list(PackStatus.read(paths.status).runs), "model": {}}, paths.weights)
    saved = Saved(cluster=load_cluster("local"), data_root=None)
    submitted_settings.save(store, load_sweep(store.sweep), saved)
    return store


def change_runs(store: Store, change: Callable[[dict[str, Any]], Mapping[str, Any]]) -> None:
    rows = pq.read_table(store.runs, partitioning=None).to_pylist()
    write_table(store.runs, [row | change(row) for row in rows], RUNS)


def change_config(**fields: Any) -> Callable[[dict[str, Any]], Mapping[str, Any]]:
    return lambda row: {"config": json.dumps(json.loads(row["config"]) | fields)}


def change_statuses(store: Store, **fields: Any) -> None:
    for folder in store.packs.iterdir():
        path = store.pack(folder.name).status
        write_json(path, read_json(path) | fields)


def hostile_store(folder: Path, canary: Canary) -> Store:
    """Of a model that would run, with orders to the terminal in its names, hosts, errors and logs, and files
    that are no files or no longer what they are called."""
    store = store_in(folder)
    canary.module(folder.parent / "evil_net.py")
    name = f"l2{CLIPBOARD}[/x]{TURNED}"

    def evil(row: dict[str, Any]) -> Mapping[str, Any]:
        changed = {"regularizer": name} if row["regularizer"] == "l2" else {}
        return changed | {"model": "evil_net:make"} | change_config(model="evil_net:make")(row)

    change_runs(store, evil)
    first, second, *_ = sorted(store.packs.iterdir())
    paths = store.pack(first.name)
    fields = {"host": f"node{EVERYTHING}", "state": "failed", "updated_at": "2024-01-01T00:00:00+00:00"}
    write_json(paths.status, read_json(paths.status) | fields)
    paths.error.write_text(f"Error\n{EVERYTHING}: {EVERYTHING}\n", encoding="utf-8")
    paths = store.pack(second.name)
    (other := store.packs / ("0" * 16)).mkdir()
    os.mkfifo(other / "status.json")
    (store.packs / ("1" * 16)).symlink_to(canary.folder)
    (three := store.packs / ("2" * 16)).mkdir()
    write_json(three / "status.json", read_json(paths.status) | {"runs": ["../../x"], "job": "1\n+ /**"})
    (four := store.packs / ("3" * 16)).mkdir()
    write_json(
        four / "status.json", read_json(paths.status) | {"host": ["x"], "files": {"x": "y"}, "pid": "1"}
    )
    (five := store.packs / ("4" * 16)).mkdir()
    (five / "status.json").write_text("[" * 100_000, encoding="utf-8")
    paths.predictions.unlink()
    paths.predictions.symlink_to(canary.private)
    store.provenance.write_text('{"submissions": [[1], {"command": 3, "host": {}}]}', encoding="utf-8")
    store.looks.write_text('[{"time": 1, "problems": {"mnist-evil_net-make": 3}}]', encoding="utf-8")
    store.accepted.write_text('[{"kind": 1}]', encoding="utf-8")
    store.journal.write_text(JOURNAL, encoding="utf-8")
    return store


JOURNAL = "\n".join(
    (
        "not JSON",
        "[" * 100_000,
        '{"event": "submitting", "token": 1, "name": {}, "time": ""}',
        '{"event": "submitting", "token": "t", "name": "rs-evil-t", "time": "", "elements": [[[["../x"]]]]}',
        '{"event": "submitting", "token": "u", "name": "rs-evil-u", "time": "", "elements": [[[["a"]]]]}',
        '{"event": "submitted", "token": "u", "job_id": "13\\n+ /**", "time": ""}',
        '{"event": "ended", "token": "u", "elements": {"0": [{}, []]}, "time": ""}',
        '{"event": "cancelled", "runs": [[1]], "elements": [[{}, 0]], "time": ""}',
        '{"event": ["x"]}',
    )
)


def hostile_data_root(folder: Path, canary: Canary) -> Path:
    """Of sets whose folders, classes and files are not what they should be."""
    (folder / "evil" / "train" / f"class{CLIPBOARD}").mkdir(parents=True)
    (folder / "evil" / "test" / f"class{CLIPBOARD}").mkdir(parents=True)
    ready = folder / "prepared" / "ready"
    ready.mkdir(parents=True)
    meta = {"format": 3, "facts": {"train": "/bin/sh", "test": [], "classes": {}, "side": 1, "channels": 1}}
    write_json(ready / "meta.json", meta | {"class_names": [1], "mean": [""], "std": [[]], "notes": [{}]})
    (folder / "prepared" / "linked").symlink_to(canary.folder)
    (folder / "pipe").mkdir()
    os.mkfifo(folder / "pipe" / "train-0.parquet")
    os.mkfifo(folder / "pipe.npz")
    return folder

"""A worker that the kernel ends for lack of memory, in a control group of its own: what is said of it."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from jobs.commands.cli import main
from jobs.local import worker_processes
from jobs.store.journal import read_journal
from regularize.store import Store

ROOT = Path("/sys/fs/cgroup")
MEBIBYTES_64 = str(2**26)
SWEEP = """\
name: hungry
dataset: digits
model: tests.jobs.local.hungry_network:build
training: {steps: 3, batch_size: 16}
regularizers: {none: , l2: {strength: 1e-4}}
seeds: 1
"""


@pytest.fixture
def group() -> Iterator[Path]:
    """A control group for memory, of either version; it is the kernel's own, and so is what it does."""
    name = f"regularize-test-{os.getpid()}"
    try:
        if (ROOT / "memory").is_dir():
            folder, limits = ROOT / "memory" / name, ("memory.limit_in_bytes", "memory.memsw.limit_in_bytes")
        else:
            (ROOT / "cgroup.subtree_control").write_text("+memory", encoding="ascii")
            folder, limits = ROOT / name, ("memory.max", "memory.swap.max")
        folder.mkdir()
    except OSError as error:
        pytest.skip(f"the kernel gives no control group for memory: {error}")  # nothing that can be installed
    for limit in limits:
        with suppress(FileNotFoundError):  # a kernel without swap
            (folder / limit).write_text("0" if limit == "memory.swap.max" else MEBIBYTES_64, encoding="ascii")
    yield folder
    for _ in range(100):  # those that were ended leave it in their own time
        try:
            folder.rmdir()
            return
        except OSError:
            time.sleep(0.1)
    folder.rmdir()


def test_a_worker_that_takes_all_memory_is_named_and_its_pack_left_out(
    group: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(worker_processes, "MOST_DEATHS", 1)  # a real worker takes seconds to start
    for name, value in {"PYTHONPATH": Path(__file__).parents[3], "CGROUP": group, "HUNGRY": "hungry"}.items():
        monkeypatch.setenv(name, str(value))
    Path("hungry").write_bytes(b"x")
    Path("sweep.yaml").write_text(SWEEP, encoding="utf-8")

    def said(*words: str, code: int = 0) -> str:
        assert main(list(words)) == code
        heard = capsys.readouterr()
        return " ".join((heard.out + heard.err).split())

    submitted = said("submit", "sweep.yaml", "--max-tasks", "1", "--store", "results", code=1)
    why = "was killed by signal 9 (out of memory: the kernel ended a process for that just then)"
    (death,) = read_journal(Store(Path("results/hungry")).journal).deaths
    sentence = f"worker process {death.pid} {why} while it trained pack {death.pack}"
    assert f"{sentence}; left out: 1 pack (1 run)" in submitted
    assert "another worker takes over 1 pack (1 run)" in submitted
    for words in (("status", "results/hungry"), ("watch", "results/hungry", "--once")):
        shown = said(*words)
        assert sentence in shown
        assert "`regularize retry results/hungry` continues" in shown
    assert sentence in said("logs", "results/hungry")
    assert sentence in json.loads(said("status", "results/hungry", "--json"))["halted"]
    assert "done: 2 runs in" in said("retry", "results/hungry")

"""A sweep on this machine whose runs all fail alike: `max_failures` ends it, with the one error."""

from __future__ import annotations

from pathlib import Path

import pytest

from jobs.commands.cli import main
from jobs.store.journal import read_journal
from jobs.store.pack_status import read_packs
from jobs.store.stopped import stopped
from regularize.store import Store

SWEEP = """\
name: small
dataset: {digits: {per_class: 5}}
model: tests.cluster.picky_network:build
training: {steps: 10, batch_size: 16}
regularizers: {none: }
seeds: 5
"""
CLUSTER = "kind: local\ntasks: 1\npack_runs: 1\nmax_failures: 2\n"


def test_it_is_stopped_with_the_error_and_status_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[3]))
    monkeypatch.setenv("PERMIT", str(tmp_path / "permit"))
    monkeypatch.setenv("SLURM_JOB_ID", "1")  # where that network asks for a permit
    sweep, cluster, store = tmp_path / "sweep.yaml", tmp_path / "here.yaml", Store(tmp_path / "small")
    sweep.write_text(SWEEP, encoding="utf-8")
    cluster.write_text(CLUSTER, encoding="utf-8")
    words = [str(sweep), "--cluster", str(cluster), "--store", str(tmp_path), "--data-root", str(tmp_path)]
    assert main(["submit", *words]) == 1
    why = "the last 2 runs to end failed alike: RuntimeError: not yet permitted (packs/"
    said = " ".join(capsys.readouterr().err.split())
    assert f"3 runs not begun: {why}" in said, said
    assert [status.state for status in read_packs(store).statuses.values()] == ["failed"] * 2
    assert read_journal(store.journal).deaths == (), "a worker that leaves packs then has not died"
    assert main(["status", str(store.folder)]) == 0
    assert f"nothing goes on by itself: {why}" in " ".join(capsys.readouterr().out.split())

    stop = store.stopped.stat().st_mtime_ns
    assert main(["submit", *words]) == 1  # tries again, and finds the same
    assert stopped(store)
    assert store.stopped.stat().st_mtime_ns > stop

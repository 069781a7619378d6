"""A published comparison by jobs of Slurm: its table comes once they are done."""

from __future__ import annotations

from pathlib import Path

import pytest

from analysis.published.references import REFERENCES
from jobs.commands.cli import main
from tests.cluster.slurm import TestCluster
from tests.jobs.commands.test_reproduce import COMMAND, DIGITS

CLUSTER = "{kind: slurm, partition: main, time: 10, memory: 3600M}\n"


def test_the_table_is_printed_by_the_same_command_once_the_jobs_are_done(
    slurm: TestCluster,
    tmp_path: Path,
    data_root: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setitem(REFERENCES, "hoffman2019-table", DIGITS)
    monkeypatch.setattr("jobs.status.wait_for_jobs.REFRESH_SECONDS", 1.0)
    (tmp_path / "cluster.yaml").write_text(CLUSTER, encoding="utf-8")
    places = {"--cluster": tmp_path / "cluster.yaml", "--store": tmp_path, "--data-root": data_root}
    command = [*COMMAND, *(str(word) for pair in places.items() for word in pair)]
    assert main(command) == 0
    shown = capsys.readouterr().out
    assert "0 of 10 runs done: once all are, the same command prints the table" in shown
    assert "published" not in shown
    assert main([*command, "--wait"]) == 0
    assert "10 of 10 runs done" in (said := capsys.readouterr()).err
    assert "9.9 ± 0.1" in said.out
    assert (tmp_path / "hoffman2019-table" / "tables" / "reproduction.csv").exists()

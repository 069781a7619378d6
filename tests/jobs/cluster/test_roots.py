from __future__ import annotations

import json
from pathlib import Path

import pytest

from jobs.cluster.cluster_config import Cluster
from jobs.cluster.roots import data_folder, store_root
from jobs.commands.cli import main

HERE, THERE = Path("/here"), Path("/there")
CLUSTER = Cluster(kind="local", store=THERE, data_root=THERE)


def test_the_command_line_wins_over_the_cluster_and_that_over_the_variable(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("REGULARIZE_STORE", "/variable")
    assert store_root(HERE, CLUSTER) == data_folder(HERE, CLUSTER) == HERE
    assert store_root(None, CLUSTER) == data_folder(None, CLUSTER) == THERE
    assert store_root(None, Cluster(kind="local")) == store_root(None, None) == Path("/variable")
    assert data_folder(None, Cluster(kind="local")) is None
    monkeypatch.delenv("REGULARIZE_STORE")
    assert store_root(None, None) == Path("results")


def test_plan_and_status_look_into_the_store_of_the_cluster(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("mine.yaml").write_text(f"kind: local\nstore: {tmp_path}/far\n", encoding="utf-8")
    Path("s.yaml").write_text(
        "name: s\ndataset: digits\nmodel: mlp\nregularizers: {none: }\nseeds: 1\n"
        "training: {epochs: 1, batch_size: 64, lr: 0.1}\n",
        encoding="utf-8",
    )
    for command in ("plan", "status"):
        main([command, "s.yaml", "--cluster", "mine.yaml", "--json"])
        out, err = capsys.readouterr()
        found = json.loads(out)["store"] if out else err
        assert f"{tmp_path}/far/s" in found

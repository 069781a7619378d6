"""The configs that ship with the toolkit: each is whole, explains itself, and asks for what it says."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from jobs.cluster.cluster_config import from_json
from jobs.cluster.load_config import CONFIGS, load_cluster
from jobs.commands.cluster_commands import listing
from jobs.slurm.sbatch_request import parameters, script

EXAMPLES = ("cpu-cluster", "gpu-cluster", "whole-node-cluster", "ddp-cluster")


@pytest.fixture(autouse=True)
def _user(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/me")
    monkeypatch.setenv("USER", "me")


@pytest.mark.parametrize("path", sorted(CONFIGS.glob("*.yaml")), ids=lambda path: path.stem)
def test_every_config_is_valid_begins_with_what_it_is_and_survives_json(path: Path) -> None:
    cluster = load_cluster(path.stem)
    assert cluster.name == path.stem
    assert path.read_text(encoding="utf-8").startswith("# ")
    assert from_json(cluster.to_json()) == cluster


@pytest.mark.parametrize(
    ("name", "mode", "ranks", "slices", "slots"),
    [
        ("cpu-cluster", "spread", 1, 1, 200),
        ("gpu-cluster", "spread", 1, 1, 16),
        ("whole-node-cluster", "spread", 48, 48, 960),
        ("ddp-cluster", "ddp", 8, 1, 2),
    ],
)
def test_how_the_examples_use_an_allocation(
    name: str, mode: str, ranks: int, slices: int, slots: int
) -> None:
    cluster = load_cluster(name)
    assert (cluster.mode, cluster.ranks, cluster.slices, cluster.slots) == (mode, ranks, slices, slots)


@pytest.mark.parametrize("name", EXAMPLES)
def test_the_examples_become_scripts(name: str, tmp_path: Path) -> None:
    cluster = load_cluster(name)
    text = script("python -m work", str(tmp_path), parameters(cluster, name="rs-a-1"))
    assert f"#SBATCH --partition={cluster.partition}\n" in text
    assert f"#SBATCH --time={cluster.time}\n" in text
    assert all(line in text.splitlines() for line in cluster.setup)
    assert str(cluster.store).startswith(("/home/me", "/scratch/me"))


def test_they_are_listed_with_what_they_are() -> None:
    table = listing(sorted(CONFIGS.glob("*.yaml")))
    about = dict(zip(table.columns[0].cells, map(str, table.columns[1].cells), strict=True))
    assert set(about) >= {"local", *EXAMPLES}
    assert about["local"] == "One machine: the one that the command runs on."


def test_fewer_tasks_at_a_time_are_fewer_elements() -> None:
    assert load_cluster("whole-node-cluster", 100).array_parallelism == 2
    assert load_cluster("gpu-cluster", 100).array_parallelism == 16
    assert load_cluster("cpu-cluster", 7) == replace(load_cluster("cpu-cluster"), array_parallelism=7)

"""What `plan` says of threads that fused stages leave idle."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from jobs.cluster.cluster_config import Cluster
from jobs.planning.cost import Run
from jobs.planning.kernel_paths import check_ways, idle_threads
from jobs.sweep.sweep_file import load_sweep
from regularize import fused
from regularize.config import RunConfig
from regularize.data.data_config import DataConfig
from regularize.data.official import OFFICIAL
from regularize.errors import UserError
from regularize.training_config import Training
from tests.jobs.sweeps import BASE

FACTS = {name: official.facts for name, official in OFFICIAL.items()}


def said(cluster: dict[str, Any], *models: str, precision: str = "float32") -> list[str]:
    training = Training(steps=10, precision=precision)
    configs = [
        RunConfig(data=DataConfig(name="mnist"), model=model, regularizer="none", terms=(), training=training)
        for model in models
    ]
    runs = [Run(config.run_id, config.pack_key, "tune", config) for config in configs]
    return list(idle_threads(runs, FACTS, Cluster(**{"kind": "slurm", "threads": 4} | cluster)))


def test_threads_that_fused_stages_leave_idle_are_said() -> None:
    (words,) = said({}, "mlp", "lenet5 width=2")
    assert words.startswith("`cpus_per_task: 4`, but LeNets with fused stages train with one thread")
    (words,) = said({"kind": "local"}, "lenet5")
    assert words.startswith("`threads: 4`, but")


def test_nothing_is_said_where_threads_are_used() -> None:
    assert said({"threads": 1}, "lenet5") == []
    assert said({"gpus_per_task": 1}, "lenet5") == []
    assert said({}, "lenet5_tanh width=9", "mlp") == []
    assert said({}, "lenet5", precision="float64") == []


def test_nothing_is_said_where_torch_computes_here(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(fused.SETTING, "torch")
    assert said({"kind": "local"}, "lenet5", "lenet5_tanh") == []


def test_a_compiler_that_is_no_command_is_refused_where_cpus_may_train(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "sweep.yaml").write_text(BASE, encoding="utf-8")
    sweep = load_sweep(tmp_path / "sweep.yaml")
    monkeypatch.setenv("CXX", "g++ '")
    cases: list[dict[str, Any]] = [{}, {"gpus_per_task": 1, "allow_cpu": True}]
    for keys in cases:
        with pytest.raises(UserError, match="CXX is "):
            check_ways(sweep, Cluster(kind="slurm", **keys))
    check_ways(sweep, Cluster(kind="slurm", gpus_per_task=1))

"""The memory that a pack is expected to take: by what, and what workers take that it was not fitted to."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from jobs.cluster.cluster_config import Cluster
from jobs.planning import pack_memory, pack_sizes
from jobs.planning.pack_memory import parameters
from jobs.planning.pack_sizes import chosen
from regularize import models
from regularize.config import RunConfig, Term
from regularize.data.data_config import DataConfig
from regularize.data.official import OFFICIAL
from regularize.evaluation import examined
from regularize.training_config import Training

DIGITS = OFFICIAL["digits"].facts


@pytest.mark.parametrize("model", ["lenet5", "lenet5 width=2", "mlp", "mlp hidden=64", "toy_mlp", "resnet8"])
def test_parameters_are_those_of_the_network(model: str) -> None:
    network = models.build(model, [0], shape=DIGITS.shape, classes=DIGITS.classes)
    assert parameters(model, DIGITS) == pytest.approx(sum(p.numel() for p in network.parameters()), rel=1e-3)


def test_networks_are_measured_on_so_many_examples_at_a_time() -> None:
    assert pack_memory.MEASURED_AT_ONCE == examined.CHUNK


KINDS = {
    "narrow, with Adam": RunConfig(
        data=DataConfig(name="digits"),
        model="mlp hidden=300-300",
        regularizer="noisy",
        terms=(Term.build("input_noise", {"sigma": 0.1}), Term.build("ema", {"decay": 0.9})),
        training=Training(steps=13, batch_size=96, optimizer="adam", lr=1e-3),
        seed=0,
    ),
    "convolutions": RunConfig(
        data=DataConfig(name="digits"),
        model="lenet5 width=1.5",
        regularizer="spread",
        terms=(Term.build("focal", {"gamma": 1.0}), Term.build("weight_decay", {"strength": 0.1})),
        training=Training(steps=3, batch_size=200, momentum=0.0),
        seed=0,
    ),
    "averages, with tangents": RunConfig(
        data=DataConfig(name="digits"),
        model="lenet5_tanh",
        regularizer="smooth",
        terms=(Term.build("jacobian", {"strength": 0.01}),),
        training=Training(steps=3, batch_size=160),
        seed=0,
    ),
}
"""None of those that the constants were set by."""


@pytest.mark.parametrize("name", KINDS)
def test_what_auto_takes_stays_within_the_memory_that_a_task_has(name: str, tmp_path: Path) -> None:
    """Three workers, 10 s of processor time together."""
    config = KINDS[name]
    cluster = Cluster(kind="slurm", pack_runs=None, memory=1150)
    rates = {str(size): float(size) for size in pack_sizes.SIZES}  # the more the better
    answer = {"device": "cpu", "memory": None, "rates": rates}
    sizes = chosen({"key": config}, {"key": answer}, cluster, {"digits": DIGITS})
    runs = [replace(config, seed=seed) for seed in range(sizes.by_key["key"])]
    assert 2 < len(runs) < max(pack_sizes.SIZES)
    file = tmp_path / "runs.json"
    file.write_text(json.dumps([run.to_json() for run in runs]), encoding="utf-8")
    command = [sys.executable, "-W", "ignore", "-m", "tests.jobs.planning.worker_peak", str(file)]
    peak = int(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    expected = pack_memory.task_bytes(config, DIGITS, len(runs))
    # A machine's first worker, which builds and tries kernels before, takes 120 MB more: there is room.
    assert peak - 150e6 <= expected <= 2 * peak, (len(runs), peak, expected)
    assert peak <= 1150 * 2**20


def test_a_gpu_that_others_share_is_not_filled_to_its_end() -> None:
    """What every process takes of it, and a graph that keeps its memory while networks are measured."""
    config = KINDS["convolutions"]
    assert pack_sizes.most(config, DIGITS, pack_memory.ON_GPU, gpu=True) == 1
    there = pack_memory.task_bytes(config, DIGITS, 0, gpu=True)
    assert there == pack_memory.ON_GPU + (DIGITS.train + DIGITS.validation + DIGITS.test) * 784
    assert pack_memory.run_bytes(config, DIGITS, gpu=True) > pack_memory.run_bytes(config, DIGITS)

"""A synthetic store: tables as training writes them, with curves that look like training."""

from __future__ import annotations

import hashlib
import json
import math
import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from regularize.config import Evaluation, RunConfig
from regularize.data.data_config import DataConfig
from regularize.store import (
    CORRUPTIONS,
    METRICS,
    PREDICTIONS,
    RESULTS,
    ROBUSTNESS,
    RUNS,
    SPECTRA,
    PackStatus,
    Store,
    write_table,
)
from regularize.training_config import Training

STRENGTHS: dict[str, list[str]] = {
    "none": [""],
    "l2": ["1e-05", "0.0005", "0.01"],
    "elastic_net": ["l1=1e-05 l2=0.0001", "l1=0.0001 l2=0.0001"],
    "dropout": ["0.1", "0.3", "0.5"],
}


@dataclass(frozen=True, kw_only=True)
class Sweep:
    """What a synthetic store holds. `diverged` are (dataset, regularizer, strength, seed)."""

    datasets: Sequence[str] = ("mnist",)
    strengths: dict[str, list[str]] = field(default_factory=lambda: STRENGTHS)
    tune: Sequence[int] = range(3)
    report: Sequence[int] = range(1000, 1005)
    chosen: dict[str, int] = field(default_factory=dict)  # index of the strength; the middle one by default
    epochs: int = 5
    examples: int = 6
    pack_runs: int = 8
    per_class: int | None = None
    diverged: Sequence[tuple[str, str, str, int]] = ()

    def runs(self) -> Iterator[dict[str, Any]]:
        for dataset in self.datasets:
            for regularizer, strengths in self.strengths.items():
                chosen = strengths[self.chosen.get(regularizer, len(strengths) // 2)]
                for strength in strengths:
                    for seed in self.tune:
                        yield self.run(dataset, regularizer, strength, seed, "tune") | {
                            "good": strength == chosen
                        }
                for strength in [chosen] if self.tune else strengths:
                    for seed in self.report:
                        yield self.run(dataset, regularizer, strength, seed, "report") | {
                            "good": strength == chosen
                        }

    def run(self, dataset: str, regularizer: str, strength: str, seed: int, phase: str) -> dict[str, Any]:
        config = RunConfig(
            data=DataConfig(name=dataset, per_class=self.per_class),
            model="lenet5",
            regularizer="none",
            terms=(),
            training=Training(epochs=self.epochs),
            evaluation=Evaluation(),
            seed=seed,
        )
        key = f"{dataset} {self.per_class} {regularizer} {strength} {seed}"
        return {
            "run_id": hashlib.blake2b(key.encode(), digest_size=8).hexdigest(),
            "phase": phase,
            "dataset": dataset,
            "per_class": self.per_class,
            "model": "lenet5",
            "regularizer": regularizer,
            "strength": strength,
            "strength_value": float(strength) if strength and "=" not in strength else None,
            "seed": seed,
            "pack_key": f"{dataset} {regularizer}",
            "planned": True,
            "config": json.dumps(config.to_json()),
        }


def curve(run: dict[str, Any], epochs: int) -> list[dict[str, Any]]:
    """Losses that fall, a test loss that rises again without a regularizer, noise of the seed."""
    noise = random.Random(run["run_id"])
    hard = {"mnist": 0.08, "digits": 0.15, "cifar10": 1.0}.get(run["dataset"], 0.5)
    helps = 0.0 if run["regularizer"] == "none" else 0.5 + 0.5 * random.Random(run["regularizer"]).random()
    helps *= 1.0 if run["good"] else 0.5
    bias, paired = noise.gauss(0, 0.03), random.Random(run["seed"]).gauss(0, 0.03)
    rows = []
    for epoch in range(1, epochs + 1):
        t = epoch / epochs
        floor = {"train": hard * (1 - 0.8 * t) * (1 + 0.6 * helps), "test": hard * (1.6 + (1 - helps) * t)}
        for split in ("train", "validation", "test"):
            level = floor["train" if split == "train" else "test"] * math.exp(
                bias + paired + noise.gauss(0, 0.02)
            )
            loss = level + 2.3 * math.exp(-8 * t)
            row = {"run_id": run["run_id"], "epoch": epoch, "step": epoch * 100, "split": split, "loss": loss}
            row["accuracy"] = math.exp(-loss * (0.25 if split == "train" else 0.3))
            row["examples"] = 1000 if split == "train" else 500
            if split == "train":
                row |= {"objective": loss * 1.1, "seconds": epoch * 0.5}
            rows.append(row)
    return rows


def corrupted(run: dict[str, Any]) -> list[dict[str, Any]]:
    """Accuracy that falls with severity, less with a regularizer."""
    noise = random.Random(run["run_id"])
    helps = 0.0 if run["regularizer"] == "none" else random.Random(run["regularizer"]).random()
    return [
        {
            "run_id": run["run_id"],
            "corruption": name,
            "severity": severity,
            "accuracy": 0.95 - severity * (0.15 - 0.08 * helps) * hard + noise.gauss(0, 0.01),
            "examples": 1000,
        }
        for name, hard in (("brightness", 0.2), ("fog", 0.8), ("speckle_noise", 1.1))
        for severity in range(6)
    ]


def result(run: dict[str, Any], rows: list[dict[str, Any]], diverged: bool, pack: str) -> dict[str, Any]:
    last = {row["split"]: row for row in rows[-3:]}
    scores = {f"{split}_{name}": last[split][name] for split in last for name in ("loss", "accuracy")}
    scores["test_ece"] = 0.5 * (scores["train_accuracy"] - scores["test_accuracy"])
    if diverged:
        scores = {name: math.nan if name.endswith("loss") else 0.1 for name in scores}
    return {
        "run_id": run["run_id"],
        "state": "diverged" if diverged else "done",
        "diverged_step": 17 if diverged else None,
        "epochs": rows[-1]["epoch"],
        "steps": rows[-1]["step"],
        **scores,
        "parameters": 61706,
        "seconds": 3.0,
        "pack_id": pack,
        "pack_runs": 8,
        "world_size": 1,
        "threads": 1,
        "device": "cpu",
        "precision": "float32",
        "classes": 10,
        "training_size": 1234,
        "validation_size": 100,
        "test_size": 500,
        "host": "node1",
        "finished_at": "2024-01-01T00:00:00+00:00",
    }


def write_pack(store: Store, pack: str, runs: Sequence[dict[str, Any]], sweep: Sweep) -> None:
    """One pack's tables and its status."""
    paths = store.pack(pack)
    names = ("dataset", "regularizer", "strength", "seed")
    diverged = [tuple(run[name] for name in names) in sweep.diverged for run in runs]
    curves = [curve(run, sweep.epochs) for run in runs]
    kept = [
        row for rows, bad in zip(curves, diverged, strict=True) for row in rows if not bad or row["epoch"] < 3
    ]
    write_table(paths.metrics, kept, METRICS)
    results = [result(*row, pack) for row in zip(runs, curves, diverged, strict=True)]
    write_table(paths.results, results, RESULTS)
    predictions = [
        {"run_id": run["run_id"], "example": e, "label": e % 3, "logits": [0.5 * e, 1.0, -1.0]}
        for run in runs
        for e in range(sweep.examples)
    ]
    write_table(paths.predictions, predictions, PREDICTIONS)
    spectra = [
        {"run_id": run["run_id"], "layer": layer, "index": index, "value": 2.0 - index}
        for run in runs
        for layer in ("conv1", "fc1")
        for index in range(2)
    ]
    write_table(paths.spectra, spectra, SPECTRA)
    attacks = [
        {"run_id": run["run_id"], "attack": "fgsm", "size": size, "accuracy": 0.9 - size, "examples": 100}
        for run in runs
        for size in (0.0, 0.1)
    ]
    write_table(paths.robustness, attacks, ROBUSTNESS)
    write_table(paths.corruptions, [row for run in runs for row in corrupted(run)], CORRUPTIONS)
    PackStatus(
        state="done",
        runs=tuple(run["run_id"] for run in runs),
        step=sweep.epochs * 100,
        steps=sweep.epochs * 100,
        epoch=sweep.epochs,
        epochs=sweep.epochs,
        seconds=24.0,
        started_at="2024-01-01T00:00:00+00:00",
        updated_at="2024-01-01T00:00:00+00:00",
        host="node1",
        pid=1,
        diverged=tuple(run["run_id"] for run, bad in zip(runs, diverged, strict=True) if bad),
    ).write(paths.status)


def build_store(folder: Path, sweep: Sweep) -> Store:
    """A finished sweep."""
    store, runs = Store(folder), list(sweep.runs())
    write_table(store.runs, runs, RUNS)
    groups: dict[str, list[dict[str, Any]]] = {}
    for run in runs:
        groups.setdefault(f"{run['pack_key']} {run['phase']}", []).append(run)
    for key, group in groups.items():
        for start in range(0, len(group), sweep.pack_runs):
            pack = hashlib.blake2b(f"{key} {start}".encode(), digest_size=8).hexdigest()
            write_pack(store, pack, group[start : start + sweep.pack_runs], sweep)
    return store


@pytest.fixture
def make_store(tmp_path: Path) -> Callable[..., Store]:
    """`make_store(datasets=…, …)`: a store with what `Sweep` describes."""

    def make(folder: str = "sweep", **fields: Any) -> Store:
        return build_store(tmp_path / folder, Sweep(**fields))

    return make


@pytest.fixture(scope="module")
def make_module_store(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Store]:
    """`make_store` for a store that the tests of a module share and leave as it is."""
    return lambda **fields: build_store(tmp_path_factory.mktemp("shared") / "sweep", Sweep(**fields))

"""Packed = alone to the last bit, in float32 and with one number of threads: all tables, all techniques."""

from __future__ import annotations

from dataclasses import replace

import pyarrow.parquet as pq
import pytest
import torch

from regularize import models
from regularize.config import Evaluation
from regularize.evaluation.settings import Robustness
from regularize.store import PackPaths
from regularize.train_pack import train_pack
from tests.regularize.cases import CASES, ELSEWHERE, run
from tests.regularize.model_cases import ALL, TABLE

STEPS = 200
# Each in another order and with other mates than in the pack of eight.
PARTS = ([5], [6, 1], [0, 7, 4])
MEASURED = Evaluation(
    every=17,
    train_examples=13,
    curve_examples=30,
    jacobian_examples=7,
    snapshots=2,
    robustness=Robustness(examples=9, noise=(0.1,), fgsm=(0.1,), pgd=(0.1,)),
)
TABLES = ("metrics", "results", "predictions", "spectra", "robustness")
OF_THE_PACK = {"seconds", "core_seconds", "evaluation_seconds", "pack_id", "pack_runs", "finished_at"}


def eight(levels, *, steps=STEPS, **settings):
    """Two strengths of four seeds, or eight seeds where there is no strength."""
    strengths = len(set(levels))
    runs = [run(levels[number % 2], number // strengths, steps=steps, **settings) for number in range(8)]
    return [replace(each, evaluation=MEASURED) for each in runs]


def numbers(runs, folder):
    """run_id → all that its training left: rows by table, and weights by name, once for each snapshot."""
    paths = PackPaths(folder)
    assert train_pack(runs, paths).state == "done"
    found = {each.run_id: {} for each in runs}
    for name in TABLES:
        if not (path := getattr(paths, name)).exists():
            assert name == "robustness", f"no {name}"  # points have none
            continue
        for row in pq.read_table(path).to_pylist():
            kept = {column: value for column, value in row.items() if column not in OF_THE_PACK}
            found[row["run_id"]].setdefault(name, []).append(kept)
    weights = torch.load(paths.weights, weights_only=True)
    snapshots = torch.load(paths.snapshots, weights_only=True)
    for position, run_id in enumerate(weights["runs"]):
        for name, tensor in weights["model"].items():
            found[run_id][name] = tensor[position]
            found[run_id][f"snapshots of {name}"] = snapshots["model"][name][:, position]
    return found


def differing(one, other):
    """The names under which bits differ; a number that is none equals itself here."""
    assert one.keys() == other.keys()
    return [name for name, value in one.items() if bits(value) != bits(other[name])]


def bits(value):
    return value.numpy().tobytes() if isinstance(value, torch.Tensor) else repr(value)


def check(runs, folder):
    together = numbers(runs, folder / "together")
    for part in PARTS:
        apart = numbers([runs[position] for position in part], folder / str(len(part)))
        for run_id, found in apart.items():
            assert differing(found, together[run_id]) == [], f"in a pack of {len(part)}"


SMALL = {"per_class": 2, "batch_size": 7}  # the last batch of digits is of six, that of clusters of one
SHORT = 40


@pytest.mark.parametrize("case", CASES)
def test_a_run_of_a_pack_equals_it_alone_bitwise(case, tmp_path):
    elsewhere = ELSEWHERE.get(case, {})
    if elsewhere.get("model") == "mlp":  # ten directions through the weights of all pixels take too long
        elsewhere = elsewhere | {"data": "clusters"}
    check(eight(CASES[case], **SMALL, **elsewhere), tmp_path)


VARIANTS = ("mlp hidden=33-20-9 activation=tanh std=0.1", "lenet5 width=1.5", "resnet8 width=0.7")


@pytest.mark.parametrize("model", [*models.MODELS, *VARIANTS])
def test_so_it_does_with_several_techniques_on_every_model(model, tmp_path):
    name = model.partition(" ")[0]
    steps = 12 if name.startswith("resnet") else SHORT  # theirs take longer
    check(eight(ALL, steps=steps, **SMALL, model=model, **TABLE[name]), tmp_path)


@pytest.mark.parametrize("optimizer", ["adam", "adamw"])
def test_so_it_does_with_every_optimizer(optimizer, tmp_path):
    decay = {"weight_decay": 0.1} if optimizer == "adamw" else {}
    check(eight(CASES["none"], steps=SHORT, **SMALL, optimizer=optimizer, lr=1e-3, **decay), tmp_path)

"""Stores whose runs were trained for real, if only for a few steps."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import torch

from analysis.tables.collect import collect
from regularize.config import Evaluation, RunConfig, Term, pack_id
from regularize.data.data_config import DataConfig
from regularize.store import RUNS, Store, write_table
from regularize.train_pack import train_pack
from regularize.training_config import Training

PLAIN = RunConfig(
    data=DataConfig(name="digits", per_class=20),
    model="lenet5",
    regularizer="none",
    terms=(),
    training=Training(steps=30, batch_size=32, lr=0.05),
    evaluation=Evaluation(every=1000, jacobian_examples=0),
    seed=1,
)
TERMS = {
    "none": (),
    "l2": (Term.build("l2", {"strength": 0.01}),),
    "dropout": (Term.build("dropout", {"p": 0.3}),),
}


def runs_of(config: RunConfig = PLAIN, seeds: Sequence[int] = (1, 2)) -> list[RunConfig]:
    """Three contenders with two seeds."""
    return [
        replace(config, regularizer=name, terms=terms, seed=seed)
        for name, terms in TERMS.items()
        for seed in seeds
    ]


def store_of(folder: Path, runs: Sequence[RunConfig], data_root: Path | None = None) -> Store:
    """A collected store of `runs`, those of one pack key trained side by side, by one thread."""
    store, packs = Store(folder), dict[str, list[RunConfig]]()
    for config in runs:
        packs.setdefault(config.pack_key, []).append(config)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    for pack in packs.values():
        train_pack(pack, store.pack(pack_id([config.run_id for config in pack])), data_root=data_root)
    torch.set_num_threads(threads)
    write_table(store.runs, [row(config) for config in runs], RUNS)
    collect(store)
    return store


def row(config: RunConfig) -> dict[str, object]:
    return {
        "run_id": config.run_id,
        "phase": "report",
        "dataset": config.data.name,
        "per_class": config.data.per_class,
        "model": config.model,
        "regularizer": config.regularizer,
        "strength": config.strength,
        "seed": config.seed,
        "pack_key": config.pack_key,
        "planned": True,
        "config": json.dumps(config.to_json()),
    }

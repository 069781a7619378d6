"""LeNet-5 runs with some techniques, in training without an end, for programs that time their steps."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from regularize.config import RunConfig, Term
from regularize.data.data_config import DataConfig
from regularize.distributed import Ranks
from regularize.store import PackPaths
from regularize.trainer import Trainer
from regularize.training_config import Training


def pack(
    data: DataConfig, techniques: Mapping[str, Mapping[str, Any]], training: Training, seeds: Iterable[int]
) -> Trainer:
    """A pack of one run a seed, about to make its first step; nothing is written."""
    terms = tuple(Term.build(name, dict(parameters)) for name, parameters in techniques.items())
    runs = [
        RunConfig(data=data, model="lenet5", regularizer="timed", terms=terms, training=training, seed=seed)
        for seed in seeds
    ]
    trainer = Trainer(runs, PackPaths(Path(os.devnull)), Ranks.here(), None)
    trainer.start()
    return trainer

"""How long a training step takes on a GPU of the node, tried by a small pack."""

from __future__ import annotations

import os
import time
import warnings
from pathlib import Path
from statistics import median
from typing import Any

from regularize.errors import in_a_line

NETWORKS, BATCH = 8, 128
WARM, TIMES = 5, 20


def measured() -> dict[str, Any]:
    """As plain values `device` and `seconds`, of a step, or the `problem`; empty where torch sees no GPU."""
    import torch

    if not torch.cuda.is_available():
        return {}
    try:
        return step()
    except RuntimeError as error:  # as of a torch that has no kernels for this GPU
        device = torch.cuda.get_device_name()
        return {"device": device, "problem": in_a_line(error)}


def step(warm: int = WARM, times: int = TIMES) -> dict[str, Any]:
    """The same wherever a pack here would train: the median step of LeNets on digits that come with us."""
    from regularize.config import RunConfig
    from regularize.data.data_config import DataConfig
    from regularize.distributed import Ranks
    from regularize.store import PackPaths
    from regularize.trainer import Trainer
    from regularize.training_config import Training

    data, training = DataConfig(name="digits"), Training(steps=warm + times, batch_size=BATCH)
    runs = [
        RunConfig(data=data, model="lenet5", regularizer="none", terms=(), training=training, seed=seed)
        for seed in range(NETWORKS)
    ]
    ranks = Ranks.here()
    with warnings.catch_warnings(action="ignore"):
        trainer = Trainer(runs, PackPaths(Path(os.devnull)), ranks, None)
    trainer.start()
    took = []
    for _ in range(warm + times):
        began = time.perf_counter()
        trainer.advance()
        trainer.ended.diverged.tolist()  # which waits for the device
        took.append(time.perf_counter() - began)
    return {"device": ranks.name, "networks": NETWORKS, "batch": BATCH, "seconds": median(took[warm:])}

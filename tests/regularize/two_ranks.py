"""Trains every case in a group of two processes: `python -m tests.regularize.two_ranks FOLDER STEPS`."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import torch
import torch.distributed as dist
import torch.multiprocessing as mp

from tests.regularize.cases import CASES, pack, trained, uneven


def rank(index: int, folder: Path, steps: int) -> None:
    torch.set_num_threads(1)
    store = dist.FileStore(str(folder / "rendezvous"), 2)
    dist.init_process_group("gloo", store=store, rank=index, world_size=2)
    for case in CASES:
        trained(pack(case, steps=steps, precision="float64"), folder / case)
        trained(uneven(case), folder / f"{case} uneven")
    dist.destroy_process_group()
    os._exit(0)  # not by winding up, in which torch's threads abort a process now and then


if __name__ == "__main__":
    mp.spawn(rank, args=(Path(sys.argv[1]), int(sys.argv[2])), nprocs=2)

"""A pack in a group of two processes: `python -m tests.regularize.evaluation.two_ranks FOLDER`.

It is trained to its end, and networks as they start are measured, exactly as `test_final.py` does alone.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

import torch
import torch.distributed as dist
import torch.multiprocessing as mp

from regularize.store import PackPaths
from regularize.train_pack import train_pack
from tests.regularize.evaluation.networks import measured, run


def rank(index: int, folder: Path) -> None:
    torch.set_num_threads(1)
    store = dist.FileStore(str(folder / "rendezvous"), 2)
    dist.init_process_group("gloo", store=store, rank=index, world_size=2)
    train_pack([run(0), run(1)], PackPaths(folder / "pack"))
    torch.save(measured(), folder / f"{index}.pt")
    dist.destroy_process_group()
    os._exit(0)  # not by winding up, in which torch's threads abort a process now and then


if __name__ == "__main__":
    mp.spawn(rank, args=(Path(sys.argv[1]),), nprocs=2)

"""Trains cases twice in a group of processes, once interrupted in every step but the first two.

`python -m tests.regularize.resumed_ranks FOLDER WORLD CASE …`
"""

from __future__ import annotations

import os
import sys
from itertools import count
from pathlib import Path

import torch
import torch.distributed as dist
import torch.multiprocessing as mp

from regularize.store import PackPaths
from regularize.train_pack import train_pack
from tests.regularize.cases import pack, trained

STEPS = 5


def rank(index: int, folder: Path, world: int, cases: list[str]) -> None:
    torch.set_num_threads(1)
    store = dist.FileStore(str(folder / "rendezvous"), world)
    dist.init_process_group("gloo", store=store, rank=index, world_size=world)
    for case in cases:
        runs = pack(case, steps=STEPS)
        trained(runs, folder / case / "whole")
        for stop_at in (2, 1, 1):
            steps, stopping = count(1), index == world - 1  # one rank knows, and all stop

            def stop(s=steps, n=stop_at, here=stopping) -> bool:
                return here and next(s) == n

            assert train_pack(runs, PackPaths(folder / case / "parts"), stop=stop).state == "interrupted"
        trained(runs, folder / case / "parts")
    dist.destroy_process_group()
    os._exit(0)  # not by winding up, in which torch's threads abort a process now and then


if __name__ == "__main__":
    mp.spawn(rank, args=(Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3:]), nprocs=int(sys.argv[2]))

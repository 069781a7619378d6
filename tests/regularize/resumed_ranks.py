"""Trains cases twice in a group of processes, once interrupted after its second step and the last two.

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
        # One rank knows after its first step, and all stop after the next; at the end, where a row is
        # measured, at once.
        for expected in (2, 4, STEPS):
            steps, stopping = count(1), index == world - 1

            def stop(s=steps, here=stopping) -> bool:
                return here and next(s) == 1

            status = train_pack(runs, PackPaths(folder / case / "parts"), stop=stop)
            assert (status.state, status.step) == ("interrupted", expected)
        trained(runs, folder / case / "parts")
    dist.destroy_process_group()
    os._exit(0)  # not by winding up, in which torch's threads abort a process now and then


if __name__ == "__main__":
    mp.spawn(rank, args=(Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3:]), nprocs=int(sys.argv[2]))

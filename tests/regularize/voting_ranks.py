"""What `test_vote.py` tries in a group of two processes: `… -m tests.regularize.voting_ranks FOLDER WHAT …`.

Each writes what it has found of each to FOLDER/RANK.json.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from itertools import count
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.distributed as dist
import torch.multiprocessing as mp

from regularize import checkpoint, distributed
from regularize.curves import Curves
from regularize.distributed import Ranks, process_group, rank_lost
from regularize.store import PackPaths
from regularize.train_pack import train_pack
from regularize.trainer import Trainer
from regularize.vote import Vote
from tests.regularize.cases import pack, trained

STEPS = 6
TOGETHER = (
    "all_reduce", "all_gather", "broadcast", "barrier", "reduce", "gather", "scatter", "all_to_all",
    "all_gather_into_tensor", "reduce_scatter", "send", "recv",
)  # fmt: skip
Found = dict[str, Any]


class EndedError(Exception):
    """A training that ends without a word, as a process does that is killed."""


def calls(folder: Path, rank: int) -> Found:
    """What is asked of the group, beside gradients, in each step of a pack and after it, until the next."""
    noted: list[str] = []

    def noting(name: str, act: Callable[..., Any]) -> Callable[..., Any]:
        def noted_act(*args: Any, **options: Any) -> Any:
            noted.append(name + (" on its way" if options.get("async_op") else ""))
            return act(*args, **options)

        return noted_act

    steps: dict[int, list[str]] = {}
    advance = Trainer.advance

    def step(trainer: Trainer) -> None:
        steps[trainer.step] = noted.copy()
        noted.clear()
        advance(trainer)

    with pytest.MonkeyPatch.context() as patch:
        for name in TOGETHER:
            patch.setattr(dist, name, noting(name, getattr(dist, name)))
        patch.setattr(Trainer, "advance", step)
        trained(pack("all_scheduled", steps=STEPS), folder / "calls")
    return {"steps": steps}


def when(folder: Path, rank: int) -> Found:
    """After which step a pack stops that one rank is told to stop after its third; by which rank it is."""
    stops = []
    for told in (0, 1):
        steps = count(1)

        def stop(steps: Any = steps, here: bool = rank == told) -> bool:
            return here and next(steps) >= 3

        stops.append(train_pack(pack("l2", steps=STEPS), PackPaths(folder / f"told {told}"), stop=stop).step)
    return {"stops": stops}


def checkpoints(folder: Path, rank: int) -> Found:
    """After which steps one rank's word makes checkpoints; and whether a pack goes on from one."""
    runs, kept, keep = pack("dropout", steps=STEPS), [], checkpoint.keep

    def noting(paths: PackPaths, state: dict[str, Any]) -> None:
        kept.append(state["trainer"]["step"])
        keep(paths, state)

    steps = count(1)

    def stop() -> bool:
        if next(steps) == 4:
            raise EndedError
        return False

    seconds = 0.0 if rank == 1 else 1e9
    with pytest.MonkeyPatch.context() as patch, suppress(EndedError):
        patch.setattr(checkpoint, "keep", noting)
        train_pack(runs, PackPaths(folder / "parts"), stop=stop, checkpoint_seconds=seconds)
    parts = trained(runs, folder / "parts")
    whole = trained(runs, folder / "whole")
    return {"kept": kept, "differing": [name for name in whole if not parts[name].equal(whole[name])]}


def unheeded(folder: Path, rank: int) -> Found:
    """Where training ends in a step without a row: whether it stops as was decided, and then ends well."""
    runs, paths, steps = pack("l2", steps=STEPS), PackPaths(folder / "unheeded"), count(1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Curves, "due", False)
        status = train_pack(runs, paths, stop=lambda: rank == 1 and next(steps) == STEPS)
    after = train_pack(runs, paths)
    return {"states": [status.state, after.state], "steps": [status.step, after.step]}


def gone(folder: Path, rank: int) -> Found:
    """What rank 0 is told of its vote once the other is gone without having voted."""
    if rank == 1:
        os._exit(0)
    return _lost()


def silent(folder: Path, rank: int) -> Found:
    """The same of one that stays, and is silent for longer than the group waits."""
    if rank == 1:
        while not (folder / "0.json").exists():
            time.sleep(0.05)
        return {}
    return _lost()


def _lost() -> Found:
    vote = Vote(Ranks.here())
    vote.put(False, True)
    try:
        vote.answers()
    except RuntimeError as error:
        return {"lost": rank_lost(error), "error": str(error)}
    return {"lost": False}


WHAT: dict[str, Callable[[Path, int], Found]] = {
    act.__name__: act for act in (calls, when, checkpoints, unheeded, gone, silent)
}


def main(rank: int, folder: Path, *what: str) -> None:
    torch.set_num_threads(1)
    if "silent" in what:
        distributed.PATIENCE_SECONDS = 2
    with process_group(dist.FileStore(str(folder / "rendezvous"), 2), rank, 2):
        found = {name: WHAT[name](folder, rank) for name in what}
        (folder / f"{rank}.part").write_text(json.dumps(found), encoding="utf-8")
        (folder / f"{rank}.part").rename(folder / f"{rank}.json")
        os._exit(0)  # not by winding up, in which torch's threads abort a process now and then


if __name__ == "__main__":
    mp.spawn(main, args=(Path(sys.argv[1]), *sys.argv[2:]), nprocs=2)

"""A disk fills up under a pack: `python -m tests.regularize.full_disk SMALL_DISK ANOTHER`."""

from __future__ import annotations

import shutil
import sys
from itertools import count
from pathlib import Path

import torch

from regularize import checkpoint
from regularize.errors import NoSpaceError
from regularize.store import PackPaths, PackStatus
from regularize.train_pack import train_pack
from tests.regularize.cases import run, trained


def main(disk: Path, elsewhere: Path) -> None:
    torch.set_num_threads(1)
    runs, paths = [run((), 0, steps=30)], PackPaths(disk / "pack")
    steps = count(1)
    train_pack(runs, paths, stop=lambda: next(steps) == 10)
    kept = checkpoint.latest(paths)

    filling = disk / "filling"
    filling.write_bytes(bytes(shutil.disk_usage(disk).free - 50_000))  # a status fits, no checkpoint does
    try:
        train_pack(runs, paths, checkpoint_seconds=0)
    except NoSpaceError as error:
        print(error)
    assert checkpoint.latest(paths) == kept
    assert PackStatus.read(paths.status).step == 10
    assert {path.name for path in paths.folder.iterdir()} == {"status.json", "checkpoint.pt"}

    filling.unlink()
    resumed, whole = trained(runs, paths.folder), trained(runs, elsewhere)
    assert all(torch.equal(resumed[name], whole[name]) for name in whole)


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))

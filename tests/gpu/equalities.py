"""The three equalities of a pack, where this machine trains: on a GPU if there is one."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from itertools import count
from pathlib import Path
from typing import Any
from unittest import mock

import torch
import torch.distributed as dist
from torch import Tensor

from regularize import graph_setting
from regularize.config import RunConfig
from regularize.distributed import Ranks, process_group
from regularize.store import PackPaths
from regularize.testing import Case, Left, differing, left_in, trained
from regularize.train_pack import train_pack

FAR = 1e-9  # in float64
Row = dict[str, Any]


def rows(cases: dict[str, Case], folder: Path, in_time: Callable[[], bool]) -> Iterator[Row]:
    """Of each technique how far a pack is from its runs alone, and what differs once it was interrupted.

    And how far steps that are played as a graph are from those that are computed as they come.
    """
    for name, case in cases.items():
        if not in_time():
            yield {"what": name, "problem": "no time was left"}
            continue
        runs, here = case.pack(precision="float64"), folder / name
        whole = trained(runs, here / "whole")
        alone = trained([runs[1]], here / "alone")
        with mock.patch.dict(os.environ, {graph_setting.SETTING: "off"}):
            eager = trained(runs, here / "eager")
        steps = count(1)
        train_pack(runs, PackPaths(here / "parts"), stop=lambda s=steps: next(s) == 7)  # type: ignore[misc]
        resumed = trained(runs, here / "parts")
        yield {
            "what": name,
            "alone": farthest(alone, whole),
            "eager": farthest(eager, whole),
            "resumed": [each for run in runs for each in differing(resumed[run.run_id], whole[run.run_id])],
        }


def farthest(found: dict[str, Left], expected: dict[str, Left]) -> float:
    """The largest difference of weights."""
    return max(
        float((value - expected[run_id][name]).abs().max())
        for run_id, left in found.items()
        for name, value in left.items()
        if isinstance(value, Tensor) and value.numel()
    )


def by_ranks(cases: dict[str, Case], folder: Path, world: int, seconds: float) -> list[Row]:
    """How far packs that so many ranks train are from those of one, a GPU for each where there are any.

    One group of ranks trains them one after the other, as many as it begins in these seconds.
    """
    packs = {name: case.pack(precision="float64") for name, case in cases.items()}
    folder.mkdir(parents=True, exist_ok=True)
    asked = {name: [run.to_json() for run in runs] for name, runs in packs.items()}
    (folder / "runs.json").write_text(json.dumps({"seconds": seconds, "runs": asked}), encoding="utf-8")
    command = [sys.executable, "-m", "tests.gpu.equalities", str(folder), str(world)]
    ranks = [
        subprocess.Popen(
            [*command, str(rank)],
            env=os.environ | {"LOCAL_RANK": str(rank)},
            stderr=subprocess.PIPE,
            text=True,
        )
        for rank in range(world)
    ]
    try:
        said = [rank.communicate(timeout=120 + max(0.0, seconds))[1] for rank in ranks]
    finally:
        for rank in ranks:
            rank.kill()
    if any(rank.returncode for rank in ranks):
        return [{"what": f"{world} ranks", "problem": " ".join(said)[-300:]}]
    backend = (folder / "backend").read_text(encoding="utf-8")
    return [
        {"what": f"{name}, {world} ranks by {backend}"} | _against_one(runs, folder / name, world)
        for name, runs in packs.items()
    ]


def _against_one(runs: Sequence[RunConfig], folder: Path, world: int) -> Row:
    if not PackPaths(folder / f"{world} ranks").results.exists():
        return {"problem": "no time was left"}
    whole = folder / "whole"
    one = left_in(whole) if PackPaths(whole).results.exists() else trained(runs, whole)
    return {"alone": farthest(left_in(folder / f"{world} ranks"), one), "resumed": []}


def _rank(folder: Path, world: int, rank: int) -> None:
    torch.set_num_threads(1)
    began = time.monotonic()
    store = dist.FileStore(str(folder / "rendezvous"), world)  # type: ignore[attr-defined]
    asked = json.loads((folder / "runs.json").read_text(encoding="utf-8"))
    with process_group(store, rank, world):
        if rank == 0:
            backend = "gloo and nccl" if torch.cuda.is_available() else "gloo"
            (folder / "backend").write_text(backend, encoding="utf-8")
        total = torch.ones(3, device="cuda" if torch.cuda.is_available() else "cpu")
        dist.all_reduce(total)
        assert total.tolist() == [world] * 3
        for name, runs in asked["runs"].items():
            if Ranks.here().any(time.monotonic() - began > asked["seconds"]):
                break
            paths = PackPaths(folder / name / f"{world} ranks")
            train_pack([RunConfig.from_json(run) for run in runs], paths)


def _far(row: Row) -> bool:
    return bool(max(row["alone"], row.get("eager", 0.0)) > FAR or row["resumed"])


def failed(found: Sequence[Row]) -> list[str]:
    """What does not hold."""
    return [row["what"] for row in found if "problem" in row or _far(row)]


if __name__ == "__main__":
    _rank(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
    os._exit(0)  # not by winding up, in which torch's threads abort a process now and then

"""How many training steps of a run packs of several sizes make in a second, tried on this machine.

As a program, it reads on its input what to try, and answers a line each: so what a GPU or a network does to
a process stays in that process.
"""

from __future__ import annotations

import json
import os
import sys
import time
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import redirect_stdout
from dataclasses import replace
from pathlib import Path
from typing import Any

from regularize.config import RunConfig
from regularize.errors import UserError

SIZES = tuple(2**power for power in range(9))
NEAR = 0.95
"""Of the best rate: as good, with fewer runs at stake and in less memory."""
_WARM, _STEPS, _TIMES = 3, 2, 4
_FRUITLESS = 2  # sizes on end that are no better than what was there


def best_size(rates: Mapping[int, float]) -> int:
    """The smallest size of those that train about as fast as the best."""
    best = max(rates.values())
    return min(size for size, rate in rates.items() if rate >= NEAR * best)


def rates(run: RunConfig, sizes: Sequence[int], data_root: Path | None = None) -> dict[int, float]:
    """Run steps a second by size, ascending, until larger packs are no better or cannot be trained."""
    found: dict[int, float] = {}
    for size in sorted(sizes):
        try:
            found[size] = size / _step_seconds(run, size, data_root)
        except (MemoryError, RuntimeError):  # as of memory, by which library soever, or of too large a tensor
            if not found:
                raise
            break
        if len(found) - list(found).index(best_size(found)) > _FRUITLESS:
            break
    return found


def _step_seconds(run: RunConfig, size: int, data_root: Path | None) -> float:
    """Of a step of so many runs, the shortest of several: a machine that others use is slow by chance."""
    from regularize.distributed import Ranks
    from regularize.store import PackPaths
    from regularize.trainer import Trainer

    endless = replace(run.training, epochs=None, steps=10**6)
    runs = [replace(run, training=endless, seed=seed) for seed in range(size)]
    with warnings.catch_warnings(action="ignore"):
        trainer = Trainer(runs, PackPaths(Path(os.devnull)), Ranks.here(), data_root)
    trainer.start()
    took = []
    for steps in (_WARM, *[_STEPS] * _TIMES):
        began = time.perf_counter()
        for _ in range(steps):
            trainer.advance()
        trainer.ended.diverged.tolist()  # which waits for a GPU
        took.append((time.perf_counter() - began) / steps)
    return min(took[1:])


def device() -> dict[str, Any]:
    """What is trained on here: `device`, its name, and `memory`, the bytes of a GPU: of those that are shown,
    the one with the least, as packs are of one size on all.
    """
    import torch

    from regularize.distributed import Ranks

    here = Ranks.here()
    shown = range(torch.cuda.device_count() if here.device.type == "cuda" else 0)
    totals = [torch.cuda.get_device_properties(number).total_memory for number in shown]
    return {"device": here.name, "memory": min(totals, default=None)}


def tried(asked: Mapping[str, Any]) -> dict[str, Any]:
    """One answer: `rates` by size, on which `device`; or the `problem`."""
    root = asked["data_root"]
    try:
        run = RunConfig.from_json(asked["run"])
        found = rates(run, asked["sizes"], Path(root) if root else None)
    except Exception as error:  # whatever a data set or a technique of one's own raises
        return {"problem": str(error).strip().partition("\n")[0] or type(error).__name__}
    return device() | {"rates": {str(size): rate for size, rate in found.items()}}


def answers(given: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """To a list `asked` of `run`, `sizes` and `data_root`, with so many `threads`, for so many `seconds`.

    Where it `needs_gpu` nothing is tried without one: a CPU's rates would stand for it.
    """
    import torch

    from regularize.memory import keep_large_blocks, set_imports_aside
    from regularize.seen_gpus import ALL_THE_SAME, check_gpu

    if given["needs_gpu"]:
        try:
            check_gpu(ALL_THE_SAME)
        except UserError as error:
            yield from [{"problem": str(error)}] * len(given["asked"])
            return
    torch.set_num_threads(given["threads"])
    keep_large_blocks()
    set_imports_aside()
    deadline = time.monotonic() + given["seconds"]
    for asked in given["asked"]:
        with redirect_stdout(sys.stderr):
            answer = tried(asked) if time.monotonic() < deadline else {"problem": "no time was left for it"}
        yield answer


def main() -> int:
    """Answer what standard input asks."""
    for answer in answers(json.load(sys.stdin)):
        print(json.dumps(answer), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""What is to be shown on a GPU, in at most eight minutes: `python -m tests.gpu`, or `make gpu`.

Prints a table and writes it as JSON. Half of the time is for speed, half for the equalities of every
technique. The exit code is 1 if something does not hold or there is no GPU; `--device cpu` tries the program.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

SIZES = (1, 2, 4, 8, 16, 32, 64, 128, 256)


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.gpu")
    parser.add_argument("--device", choices=("gpu", "cpu"), default="gpu")
    parser.add_argument("--minutes", type=float, default=8.0)
    parser.add_argument("--sizes", type=int, nargs="+", default=SIZES, help="of packs, ascending")
    parser.add_argument("--steps", type=int, default=50, help="of each way to train, in turns")
    parser.add_argument("--cases", nargs="+", help="of the equalities; all unless given")
    parser.add_argument("--out", type=Path, default=Path("gpu.json"))
    given = parser.parse_args(arguments)
    if given.device == "cpu":
        os.environ["CUDA_VISIBLE_DEVICES"] = ""
    import torch

    if given.device == "gpu" and not torch.cuda.is_available():
        print("torch sees no GPU here: nothing is measured (--device cpu tries the program itself)")
        return 1
    found = measured(given)
    given.out.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    for line in table(found):
        print(line)
    print(f"written to {given.out}")
    return 1 if found["failed"] else 0


def measured(given: argparse.Namespace) -> dict[str, Any]:
    """Everything, as plain values."""
    import torch

    from regularize.distributed import Ranks
    from tests.benchmarks.images import choose
    from tests.gpu import equalities, speed
    from tests.regularize.technique_cases import TABLE, TOGETHER

    began, cases = time.monotonic(), TABLE | TOGETHER
    chosen = {name: cases[name] for name in given.cases or cases}

    def before(share: float) -> bool:
        return time.monotonic() - began < 60 * given.minutes * share

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        equal = equalities.by_ranks({"l2": cases["l2"]}, folder / "first", 1, 60.0)
        data = choose()
        size = speed.auto(data, given.sizes)  # which is what limits are held at
        sizes = [size, *(other for other in given.sizes if other != size)]
        speeds = list(speed.rows(data, sizes, given.steps, lambda: before(0.5)))
        speeds.sort(key=lambda row: row.get("beside", row["runs"]))
        judged = speed.judged(speeds, size)
        equal += equalities.rows(chosen, folder, lambda: before(0.8))
        left = began + 60 * given.minutes * 0.95 - time.monotonic()
        equal += equalities.by_ranks(chosen, folder, min(2, max(1, torch.cuda.device_count())), left)
    return {
        "device": Ranks.here().name,
        "torch": torch.__version__,
        "seconds": time.monotonic() - began,
        "equalities": equal,
        "speed": speeds,
        "chosen": judged,
        "failed": [*equalities.failed(equal), *judged["missed"]],
    }


def table(found: dict[str, Any]) -> Iterable[str]:
    """Lines for people."""
    yield f"{found['device']}, torch {found['torch']}, {found['seconds']:.0f} s"
    heads = f"{'ms/step':>9} {'run steps/s':>12} {'examples/s':>12} {'MiB':>8}"
    yield f"{'LeNet-5, batches of 128':24} {'R':>5} {heads}"
    for row in found["speed"]:
        if "problem" in row:
            yield f"{row['what']:24} {row['runs']:>5}  {row['problem']}"
            continue
        speeds = f"{row['run_steps_per_second']:12.0f} {row['examples_per_second']:12.0f}"
        numbers = f"{row['milliseconds']:9.2f} {speeds} {row['mebibytes']:8.0f}"
        yield f"{row['what']:24} {row['runs']:>5} {numbers}"
    chosen = found["chosen"]
    yield f"`pack_runs: auto` takes {chosen['auto']}; the fastest here is R = {chosen['fastest']}"
    if chosen["times_the_plain_loop"]:
        parts = [f"{name} {ratio:.2f}" for name, ratio in chosen["of_a_plain_step"].items()]
        best = f"R = {chosen['auto']}: {chosen['times_the_plain_loop']:.1f} times the plain loop"
        yield f"{best}; of a plain step {', '.join(parts)}"
        ways = [f"{name} {ratio:.2f}" for name, ratio in chosen["other_ways"].items()]
        yield f"computed by {chosen['kernels']}; other ways, of such a step: {', '.join(ways)}"
    yield f"{'equalities, float64':40} {'packed − alone':>15} {'graph − eager':>15}  resumed"
    for row in found["equalities"]:
        if "problem" in row:
            yield f"{row['what']:40} {row['problem']}"
        else:
            eager = f"{row['eager']:15.1e}" if "eager" in row else " " * 15
            resumed = ", ".join(row["resumed"]) or "the same bits"
            yield f"{row['what']:40} {row['alone']:15.1e} {eager}  {resumed}"
    yield f"does not hold: {', '.join(found['failed'])}" if found["failed"] else "all of it holds"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

"""A sweep by whole commands, start-up included: `python -m tests.benchmarks.bench_whole [--rounds N]`.

Sixteen LeNet-5 runs of 395 steps (none, L2, dropout, Jacobian, four seeds each) on one core each, two at a
time: ours (`regularize submit`), the tuned loop in two processes, Lightning in two processes, Ray Tune with
two workers. They take turns. Prints seconds, medians over the rounds, and how many times ours each takes;
the exit code is 1 where a target is missed. Tools that are not installed (extra `bench`) are left out, and
named.
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.benchmarks import images
from tests.benchmarks.processes import timed
from tests.benchmarks.rivals import BATCH, DROPOUT, JACOBIAN, L2, MOMENTUM, RATE

STEPS = 395
SWEEP = f"""\
name: whole
dataset: DATA
model: lenet5
training: {{steps: {STEPS}, batch_size: {BATCH}, lr: {RATE}, momentum: {MOMENTUM}}}
regularizers:
  none:
  l2: {{strength: {L2}}}
  dropout: {{p: {DROPOUT}}}
  jacobian: {{strength: {JACOBIAN}}}
seeds: 4
"""
CLUSTER = "kind: local\ntasks: 2\nthreads: 1\n"
# rival → the module that it needs, and how many times as long as ours it has to take
RIVALS = {"loop": ("torch", 2.2), "lightning": ("lightning", 2.5), "ray": ("ray", 2.5)}


def ours(folder: Path, data: str) -> float:
    (folder / "sweep.yaml").write_text(SWEEP.replace("DATA", data), encoding="utf-8")
    (folder / "two.yaml").write_text(CLUSTER, encoding="utf-8")
    return timed(folder, os.environ, "submit", "sweep.yaml", "--cluster", "two.yaml")[0]


def rival(way: str, data: str) -> float:
    began = time.monotonic()
    command = [sys.executable, "-m", "tests.benchmarks.whole_rivals", way, data, str(STEPS)]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return time.monotonic() - began


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=3)
    args = parser.parse_args()
    data = images.choose()
    ways = [way for way, (module, _) in RIVALS.items() if importlib.util.find_spec(module)]
    for way in RIVALS.keys() - {*ways}:
        print(f"left out: {way} is not installed (pip install -e '.[bench]')")
    found: dict[str, list[float]] = {way: [] for way in ("ours", *ways)}
    for _ in range(args.rounds):
        with TemporaryDirectory() as folder:
            found["ours"].append(ours(Path(folder), data))
        for way in ways:
            found[way].append(rival(way, data))
    base, missed = statistics.median(found["ours"]), False
    for way, seconds in found.items():
        ratio = statistics.median(seconds) / base
        late = way in RIVALS and ratio < RIVALS[way][1]
        missed |= late
        spread = f"{min(seconds):5.1f} to {max(seconds):5.1f}"
        print(f"{way:10} {statistics.median(seconds):6.1f} s ({spread})  {ratio:4.2f} x{'  missed' * late}")
    sys.exit(missed)


if __name__ == "__main__":
    main()

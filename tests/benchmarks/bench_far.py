"""A refresh of `regularize watch` over ssh: `python -m tests.benchmarks.bench_far`.

10,000 runs, half of them done and half in the queue of a real Slurm, behind a real sshd on this machine.
Prints seconds from the question to the picture on this side, and calls of ssh; exits with 1 above a limit.
"""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
import time
from argparse import Namespace
from pathlib import Path
from statistics import median

from jobs.cluster.load_config import load_cluster
from jobs.commands.parser import parser
from jobs.remote.remote_source import remote_source
from jobs.store.journal import read_journal
from jobs.sweep.sweep_file import load_sweep
from jobs.watch.source_wire import AskingSource
from regularize.store import Store
from tests.benchmarks.bench_submit import RUNS, SWEEP
from tests.cluster.laptop import FAR, Laptop, end_masters, make_laptop
from tests.cluster.machines import what_lacks
from tests.cluster.slurm import TestCluster
from tests.jobs.stores import write_pack

LOOKS = 9
LOOK_SECONDS = 2.0


def main() -> int:
    if lack := what_lacks():
        print(f"not measured: {lack}")
        return 0
    cluster, folder = TestCluster(), Path(tempfile.mkdtemp())
    laptop = make_laptop(folder, (cluster.folder / "ssh" / "config").read_text())
    try:
        submit(laptop)
        return measure(laptop)
    finally:
        end_masters(laptop, ["test-login"])
        cluster.stop()
        shutil.rmtree(folder)


def submit(laptop: Laptop) -> None:
    """All runs are handed over from the laptop; then every other pack is done."""
    (laptop.folder / "sweep.yaml").write_text(SWEEP, encoding="utf-8")
    laptop.write_cluster(sbatch={"hold": True}, pack_runs=8, time=60)
    began = time.perf_counter()
    laptop.good("submit", "sweep.yaml", *FAR)
    print(f"submit over ssh, the code with it: {time.perf_counter() - began:.1f} s")
    store = Store(laptop.there / "base" / "results" / load_sweep(laptop.folder / "sweep.yaml").name)
    arrays = read_journal(store.journal).arrays
    packs = [pack for array in arrays for element in array.elements for slice_ in element for pack in slice_]
    for pack in packs[::2]:
        write_pack(store, pack, "done")


def measure(laptop: Laptop) -> int:
    source = source_of(laptop)
    before = len(laptop.calls())
    seconds = sorted(look(source) for _ in range(LOOKS))
    calls = (len(laptop.calls()) - before) / LOOKS
    missed = median(seconds) > LOOK_SECONDS or calls != 1
    print(
        f"refresh of {RUNS:,} runs: {median(seconds):.2f} s, from {seconds[0]:.2f} to {seconds[-1]:.2f} "
        f"(limit of the median {LOOK_SECONDS:.0f}), {calls:g} calls of ssh each{'  missed' * missed}"
    )
    return int(missed)


def look(source: AskingSource) -> float:
    began = time.perf_counter()
    picture = source.look()
    seconds = time.perf_counter() - began
    assert {state: count for state, count in picture.total.counts.items() if count} == {
        "done": RUNS // 2,
        "queued": RUNS // 2,
    }
    return seconds


def source_of(laptop: Laptop) -> AskingSource:
    """What the laptop's `watch` asks, in this process."""
    os.chdir(laptop.folder)
    os.environ.update(laptop.environment)
    args = Namespace(target=Path("sweep.yaml"), store=None, cluster="far.yaml")
    return remote_source(args, load_cluster("far.yaml"), parser().parse_args)


if __name__ == "__main__":
    sys.exit(main())

"""From 100 to 10,000 runs, or to 100,000: `python -m tests.benchmarks.bench_growth --runs 100 100000`.

Every command as a process of its own, against a real Slurm on this machine that holds all jobs: processor
and wall seconds, peak memory, round trips to the store (`round_trips`), the calls of Slurm's programs; those
with `5 ms` in their name with as long a wait for each round trip. Prints a table, and exits with 1 if
something is above its limit: of processor seconds, or where it waits of wall seconds. 100,000 runs are 53,000
files and take a quarter of an hour of two cores.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from jobs.store.journal import read_journal
from jobs.store.planned_runs import read_rows
from jobs.store.remembered_packs import QUIET_SECONDS, WORTH
from regularize.store import Store
from tests.benchmarks.bench_submit import calls, counting
from tests.benchmarks.finished_store import files
from tests.benchmarks.growing_store import NAME, SIZES, finish, handed_packs, sweep
from tests.benchmarks.processes import PROGRAM
from tests.benchmarks.round_trips import KINDS, Meter, Used, compiled
from tests.cluster.machines import what_lacks
from tests.cluster.slurm import TestCluster

CLUSTER = """\
kind: slurm
partition: main
time: 60
memory: 1G
pack_runs: 8
sbatch: {hold: true}
"""
SLOW = 0.005  # seconds a round trip
FOLLOW_UP = """\
import sys
from pathlib import Path
from jobs.submission.follow_up_job import go_on
go_on(Path(sys.argv[1]))
"""


class Limit(NamedTuple):
    seconds: float
    megabytes: float


# Of 100,000 runs.
LIMITS = {
    "status, all done": Limit(3, 500),
    "status, all done, 5 ms": Limit(10, 500),
    "status again": Limit(3, 500),
    "status again, 5 ms": Limit(10, 500),
    "collect": Limit(120, 550),
    "collect again": Limit(10, 500),
    "collect one new pack": Limit(10, 500),
    "follow-up": Limit(120, 1500),  # of the 2 GB that its job asks for
    "follow-up, 5 ms": Limit(900, 1500),
    "cancel 30 %": Limit(30, 1000),
    "retry 30 %": Limit(60, 1000),
    "cancel all": Limit(30, 1000),
    "retry all": Limit(60, 1000),
}


class Bench:
    """The commands of one sweep, in order."""

    def __init__(self, folder: Path, cluster: TestCluster, runs: int) -> None:
        self.folder, self.runs, self.cluster = folder, runs, cluster
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "sweep.yaml").write_text(sweep(runs), encoding="utf-8")
        (folder / "held.yaml").write_text(CLUSTER, encoding="utf-8")
        self.store = Store(folder / "results" / NAME)
        environment = counting(folder, cluster.environment)
        self.meter = Meter(compiled(folder), folder, folder / "results", environment)

    def steps(self) -> Iterator[tuple[str, Used]]:
        """Each measure with its name, as soon as it is there."""
        yield "plan", self.regularize("plan", "sweep.yaml", *self.places)
        yield "submit", self.regularize("submit", "sweep.yaml", *self.places)
        yield "status, all queued", self.of_sweep("status")
        ids = [row.run_id for row in read_rows(self.store)]
        for name, some in (("30 %", ids[: 3 * len(ids) // 10]), ("all", ids)):
            for command in ("cancel", "retry"):
                yield f"{command} {name}", self.of_sweep(command, "--run", "-", given="\n".join(some))
        self.train()
        for name, wait in (("status, all done, 5 ms", SLOW), ("status, all done", 0.0)):
            self.store.table("statuses").unlink(missing_ok=True)  # nobody has looked since
            yield name, self.of_sweep("status", wait=wait)
        yield "status again", self.of_sweep("status")
        yield "status again, 5 ms", self.of_sweep("status", wait=SLOW)
        later, aside = min(self.store.packs.iterdir()), self.folder / "later"
        later.rename(aside)
        yield "collect", self.of_sweep("collect")
        yield "collect again", self.of_sweep("collect")
        yield "collect again, 5 ms", self.of_sweep("collect", wait=SLOW)
        aside.rename(later)
        yield "collect one new pack", self.of_sweep("collect")
        yield "follow-up", self.follow_up()
        self.train()
        yield "follow-up, 5 ms", self.follow_up(wait=SLOW)
        yield "compare", self.of_sweep("compare")
        yield "compare again", self.of_sweep("compare")
        yield "watch --once", self.of_sweep("watch", "--once")

    @property
    def places(self) -> Sequence[str]:
        root = ("--store", str(self.folder / "results"), "--data-root", str(self.folder / "data"))
        return *root, "--cluster", "held.yaml"

    def of_sweep(self, command: str, *options: str, given: str = "", wait: float = 0.0) -> Used:
        return self.regularize(command, str(self.store.folder), *options, given=given, wait=wait)

    def regularize(self, *arguments: str, given: str = "", wait: float = 0.0) -> Used:
        return self.meter.measure([sys.executable, "-c", PROGRAM, *arguments], given, wait=wait)

    def follow_up(self, wait: float = 0.0) -> Used:
        """What the job does that follows all others."""
        return self.meter.measure([sys.executable, "-c", FOLLOW_UP, str(self.store.folder)], wait=wait)

    def train(self) -> None:
        """All that is handed over and not done yet, and all jobs leave the queue; a while ago."""
        there = {path.name for path in self.store.packs.iterdir()} if self.store.packs.exists() else set()
        finish(self.store, handed_packs(self.store), there, self.folder / "data")
        jobs = [str(handed.job_id) for handed in read_journal(self.store.journal).open if handed.job_id]
        self.cluster.run("scancel", *jobs)
        if self.runs > 8 * WORTH:
            time.sleep(QUIET_SECONDS + 1)


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--runs", type=int, nargs="*", choices=SIZES, default=[100, 1000, 10_000])
    parser.add_argument("--folder", type=Path, help="where stores stay (default: they are removed)")
    arguments = parser.parse_args()
    if lack := what_lacks():
        print(f"not measured: {lack}")
        return 0
    root = arguments.folder or Path(tempfile.mkdtemp())
    cluster, missed = TestCluster(), 0
    try:
        for runs in arguments.runs:
            folder = root.absolute() / str(runs)
            shutil.rmtree(folder, ignore_errors=True)
            missed += measure(Bench(folder, cluster, runs))
    finally:
        cluster.stop()
        if arguments.folder is None:
            shutil.rmtree(root)
    return int(missed > 0)


def measure(bench: Bench) -> int:
    """Print what each step took; how many are above their limit."""
    print(f"\n{bench.runs:,} runs{'':16}CPU s  wall s     MB   trips  {'  '.join(KINDS)}  calls of Slurm")
    missed, before = 0, calls(bench.folder)
    for name, used in bench.steps():
        limit = LIMITS.get(name)
        seconds = used.seconds if name.endswith("5 ms") else used.processor
        over = limit and (seconds > limit.seconds or used.megabytes > limit.megabytes)
        missed += bool(over)
        after = calls(bench.folder)
        asked = ", ".join(f"{count} {program}" for program, count in sorted((after - before).items()))
        before = after
        kinds = " ".join(f"{used.asked[kind]:6}" for kind in KINDS)
        print(
            f"{name:22} {used.processor:8.1f} {used.seconds:7.1f} {used.megabytes:6.0f} {used.round_trips:7} "
            f"{kinds}  {asked}{'  missed' if over else ''}",
            flush=True,
        )
    print(f"{files(bench.store):,} files")
    return missed


if __name__ == "__main__":
    sys.exit(main())

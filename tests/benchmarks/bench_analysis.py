"""Analysis of 10,000 runs: `python -m tests.benchmarks.bench_analysis [--runs N] [--problems N]`.

A store as `finished_store` makes it. Each measure is taken in a process of its own, with files that were just
written (so from the page cache); prints seconds and peak memory, and exits with 1 if one is above its
limit. Of `report`, and of the forests of a sweep of many problems, it is the processor time a problem that is
limited.
"""

from __future__ import annotations

import argparse
import multiprocessing as mp
import os
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from multiprocessing.connection import Connection
from pathlib import Path
from tempfile import TemporaryDirectory

from regularize.store import Store
from tests.benchmarks.finished_store import build, report_runs, runs
from tests.benchmarks.processes import children, peak_megabytes

MEMORY = 2000  # MB, of all processes together
LOOK_SECONDS = 0.2  # between looks at the children's memory

# Of processors, for a problem: of a report, and of the forests of three scores.
PROBLEM_SECONDS = {"report": 8.0, "forest": 1.0}

# what is measured → the most seconds it may take
LIMITS = {"collect": 60.0, "collect again": 5.0, "collect one new pack": 5.0, "compare": 5.0}


def collect(store: Store) -> None:
    from analysis.tables import collect as module

    module.collect(store)


def compare(store: Store) -> None:
    """What `regularize compare` does once the tables are collected."""
    from analysis.tables.store_tables import Tables
    from analysis.text.conclusions import conclude

    for conclusion in conclude(Tables(store)):
        conclusion.write(store)


def select(store: Store) -> None:
    from analysis.statistics import strength_selection as module

    module.select(store)


def report(store: Store) -> None:
    """What `regularize report --tables-only` does once the tables are collected."""
    from analysis.figures.catalogue import FIGURES
    from analysis.figures.draw_figures import Look, draw_all
    from analysis.report import write_report
    from analysis.tables.store_tables import Tables
    from analysis.text.conclusions import conclude

    concluded = conclude(Tables(store))
    for conclusion in concluded:
        conclusion.write(store)
    names = [name for name, kind in FIGURES.items() if kind.needs == "tables"]
    write_report(store, draw_all(store, names, look=Look(page=True)), concluded=concluded)


def forest(store: Store) -> None:
    """What a report does of its forests once the tables are collected."""
    from analysis.figures.draw_figures import Look, draw_all

    draw_all(store, ["forest"], look=Look(page=True))


def measure(work: Callable[[], None]) -> tuple[float, float, float]:
    """Seconds, processor seconds, imports included in both, and peak memory in MB, of a new process.

    Processor seconds and memory are those of its children too: memory is the sum of each one's peak.
    """
    context = mp.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_run, args=(work, theirs))
    process.start()
    theirs.close()
    peaks: dict[str, float] = {}  # of its children, the last time each was seen
    while not ours.poll(LOOK_SECONDS):
        with suppress(OSError, StopIteration):  # one of them has just ended
            for child in children(process.pid or 0):
                peaks[child] = peak_megabytes(child)
    seconds, processor, own = ours.recv()
    process.join()
    return seconds, processor, own + sum(peaks.values())


def _run(work: Callable[[], None], pipe: Connection) -> None:
    started = time.perf_counter()
    work()
    seconds = time.perf_counter() - started
    pipe.send((seconds, sum(os.times()[:4]), peak_megabytes()))


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--runs", type=int, default=10_000)
    parser.add_argument("--without-report", action="store_true")
    parser.add_argument("--problems", type=int, default=120, help="of the forests; 0: none are drawn")
    arguments = parser.parse_args()
    missed = _of_runs(arguments.runs, report_too=not arguments.without_report) if arguments.runs else 0
    missed += _of_problems(arguments.problems) if arguments.problems else 0
    sys.exit(missed > 0)


def _of_problems(problems: int) -> int:
    """Print what the forests of so many problems took; whether it is above its limit."""
    every = report_runs(problems)
    print(f"{problems} problems, {len(every):,} runs", flush=True)
    with TemporaryDirectory() as folder:
        store = Store(Path(folder) / "bench")
        build(store, every, examples=10)
        measure(partial(collect, store))
        return _line("forest", measure(partial(forest, store)), problems)


def _of_runs(wanted: int, *, report_too: bool) -> int:
    """Print what each step took; how many are above their limit."""
    missed, every = 0, runs(wanted)
    with TemporaryDirectory() as folder:
        store = Store(Path(folder) / "bench")
        build(store, every)
        problems = len({(run["dataset"], run["per_class"]) for run in every})
        later, aside = sorted(store.packs.iterdir())[0], Path(folder) / "later"
        later.rename(aside)
        works = {"collect": collect, "collect again": collect, "collect one new pack": collect}
        works |= {"select": select, "compare": compare}
        works |= {"report": report} if report_too else {}
        print(f"{wanted} runs{'':22}seconds  limit  processor   MB (limit {MEMORY})")
        for name, work in works.items():
            if name == "collect one new pack":
                aside.rename(later)
            missed += _line(name, measure(partial(work, store)), problems)
    return missed


def _line(name: str, took: tuple[float, float, float], problems: int) -> bool:
    """Print what a step took, as `measure` has it; whether it is above a limit."""
    seconds, processor, memory = took
    limit, a_problem = LIMITS.get(name), PROBLEM_SECONDS.get(name)
    over = memory > MEMORY or (limit is not None and seconds > limit)
    over = over or (a_problem is not None and processor > a_problem * problems)
    bound = f"{limit:5.0f}" if limit else "     "
    print(
        f"{name:28} {seconds:8.1f}  {bound} {processor:10.1f}  {memory:4.0f}{'  missed' * over}", flush=True
    )
    if a_problem:
        print(f"{processor / problems:.2f} s of processors a problem (limit {a_problem:.0f})", flush=True)
    return over


if __name__ == "__main__":
    main()

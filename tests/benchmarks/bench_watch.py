"""`regularize watch` of 10,000 runs: `python -m tests.benchmarks.bench_watch [--runs N]`.

A store of packs of eight on this machine, read again without a pause while keys are pressed on the heat map
and in the table of runs; and the same picture as it travels over ssh. Prints how long keys take until the
screen shows what they did, and the peak memory of its processes; exits with 1 if one is above its limit.
"""

from __future__ import annotations

import argparse
import asyncio
import dataclasses
import itertools
import json
import multiprocessing as mp
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

from textual import events

from jobs.watch.app import WatchApp
from jobs.watch.picture import Picture
from jobs.watch.run_blocks import Seen, changed, changes
from jobs.watch.source_process import Apart
from jobs.watch.store_source import LocalSource
from jobs.watch.watch_command import favour_keys
from regularize.store import RUNS, PackStatus, Store, write_table
from tests.benchmarks.processes import children, peak_megabytes
from tests.jobs.watch.synthetic import picture

PACK = 8
KEYS = 40  # of each kind
KEY_MILLISECONDS, MEGABYTES = 100.0, 400.0


def build(store: Store, count: int) -> None:
    """The store of the synthetic sweep; statuses are written without waiting for the disk."""
    runs = picture(count).runs
    shared = {"per_class": None, "model": "lenet5", "strength_value": None, "pack_key": "", "planned": True}
    columns = ("run_id", "phase", "dataset", "regularizer", "strength", "seed")
    rows = [{name: getattr(run, name) for name in columns} | shared | {"config": "{}"} for run in runs]
    write_table(store.runs, rows, RUNS)
    for number, pack in enumerate(runs[i : i + PACK] for i in range(0, len(runs), PACK)):
        state = next((s for s in ("failed", "running", "done") if s in {run.state for run in pack}), None)
        if state:
            folder = store.packs / f"{number:016x}"
            folder.mkdir(parents=True)
            status = PackStatus(
                state=state,
                runs=tuple(run.run_id for run in pack),
                step=50,
                steps=100,
                epoch=5,
                epochs=10,
                seconds=60.0,
                started_at="2026-03-14T15:00:00+00:00",
                updated_at="2026-03-14T15:09:00+00:00",
                host=f"n{number % 12}",
                pid=1,
                job=f"4711_{number}_0",
            )
            (folder / "status.json").write_text(json.dumps(dataclasses.asdict(status)))
            for name in ("metrics.parquet", "results.parquet"):
                (folder / name).touch()


class Busy(Apart):
    """Counts its looks."""

    looks = 0

    def look(self) -> Picture:
        self.looks += 1
        return super().look()


class Times(NamedTuple):
    """Milliseconds until the screen shows what a key did, and of the interface's processor time meanwhile."""

    waited: float
    worked: float


async def press_keys(store: Store) -> dict[str, list[Times]]:
    """The times of each key, while the source is asked without a pause."""
    source = Busy(LocalSource(store, "bench"))
    app = WatchApp(source, every=0.0)
    found: dict[str, list[Times]] = {}
    async with app.run_test(size=(200, 60)):
        while app.picture is None:
            await asyncio.sleep(0.05)
        app.set_interval(0.01, app.action_look)
        for name, keys in (("heat map", "jk"), ("table", "jkGg"), ("sort", "s")):
            if name == "table":
                await app.open_runs("all", "all")
                await asyncio.sleep(2.0)
            pressed = itertools.islice(itertools.cycle(keys), KEYS)
            found[name] = [await answered(app, key) for key in pressed]
    print(f"{source.looks} looks meanwhile")
    return found


async def answered(app: WatchApp, key: str) -> Times:
    """Until a key was handled and drawn; the pilot would wait for idle threads too."""
    drawn = asyncio.Event()
    focused = app.focused
    assert focused is not None
    began, worked = time.perf_counter(), time.process_time()
    app.post_message(events.Key(key, key))
    # Queued behind the key in the app, the screen and the widget, as each hands it on.
    app.call_later(lambda: app.screen.call_later(lambda: focused.call_after_refresh(drawn.set)))
    await drawn.wait()
    times = Times(1000 * (time.perf_counter() - began), 1000 * (time.process_time() - worked))
    await asyncio.sleep(0.02)
    return times


def travel(folder: Path) -> None:
    """What looks are on the wire, in a process of its own."""
    began = time.perf_counter()
    text = changes(LocalSource(Store(folder), "bench").look(), "")
    seconds = time.perf_counter() - began
    picture, seen = changed(text, Seen())
    again = len(changes(picture, seen.digests)) + len(seen.digests)
    print(
        f"first look {seconds:.2f} s, {len(text) / 1e6:.1f} MB of JSON; one at which nothing has changed "
        f"{again / 1e6:.2f} MB, the question with it"
    )


def measure(folder: Path) -> None:
    """In a process of its own, so that its peak memory is that of the interface."""
    favour_keys()
    missed = 0
    for name, times in asyncio.run(press_keys(Store(folder))).items():
        waited, worked = sorted(each.waited for each in times), sorted(each.worked for each in times)
        half, most = len(times) // 2, int(0.95 * (len(times) - 1))
        over = waited[most] > KEY_MILLISECONDS
        missed += over
        print(
            f"{name:10} {waited[half]:6.0f} ms, 95% {waited[most]:6.0f}, worst {waited[-1]:6.0f}"
            f" (limit of 95% {KEY_MILLISECONDS:.0f}), 95% of processor time {worked[most]:.0f}"
            f"{'  missed' * over}"
        )
    peaks = [peak_megabytes(process) for process in ("self", *children())]
    memory, parts = sum(peaks), " + ".join(f"{peak:.0f}" for peak in peaks)
    print(f"peak memory {parts} MB (limit {MEGABYTES:.0f}){'  missed' * (memory > MEGABYTES)}")
    heavy = [name for name in ("torch", "pandas") if name in sys.modules]
    sys.exit(bool(missed or memory > MEGABYTES or heavy))


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--runs", type=int, default=10_000)
    count: int = parser.parse_args().runs
    with TemporaryDirectory() as folder:
        store = Store(Path(folder) / "bench")
        build(store, count)
        codes = []
        for work in (travel, measure):
            process = mp.get_context("spawn").Process(target=work, args=(store.folder,))
            process.start()
            process.join()
            codes.append(process.exitcode)
    sys.exit(any(codes))


if __name__ == "__main__":
    main()

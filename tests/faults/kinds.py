"""What can happen to a sweep: to its processes, to its disk, and to its files while nobody works on them.

A fault takes a trial and a source of chance, and leaves the store for the next `submit` to heal. What is said
meanwhile is kept in the trial.
"""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TypeVar

from jobs.store.pack_status import read_packs
from tests.faults import forked
from tests.faults.trial import Started, Trial

Fault = Callable[[Trial, random.Random], str]
"""Does harm, and says in a few words what it was."""
Found = TypeVar("Found")

TOO_LATE = "a submission ends before it is harmed"


def kill_the_worker(trial: Trial, chance: random.Random) -> str:
    """Its process, while it trains: another goes on with what it leaves."""
    process = trial.start("submit")
    pids = _until(lambda: _workers(trial), process)
    time.sleep(chance.uniform(0, 0.2))
    _kill(pids)
    said = trial.heard(process, "submit")
    assert said.code == 0, said
    return "a worker is killed" if pids else TOO_LATE


def kill_the_submission(trial: Trial, chance: random.Random) -> str:
    """At any time from its start on; its worker ends by itself."""
    process = trial.start("submit")
    _wait(process, chance.uniform(0, 0.8) * trial.seconds[trial.own])
    process.kill()
    return "a submission is killed" if trial.heard(process, "submit").code else TOO_LATE


def kill_all(trial: Trial, chance: random.Random) -> str:
    """As when the machine loses power: the submission and all that it started at once."""
    process = trial.start("submit")
    if chance.random() < 0.5:
        _until(lambda: _workers(trial), process)
        _wait(process, chance.uniform(0, 0.2))
    else:
        _wait(process, chance.uniform(0, 0.8) * trial.seconds[trial.own])
    _kill([process.pid, *_below(process.pid)])
    return "all processes are killed" if trial.heard(process, "submit").code else TOO_LATE


def kill_unreaped(trial: Trial, chance: random.Random) -> str:
    """A submission that holds the lock and for whose end nobody has waited: it is dead all the same."""
    process = trial.start("submit", own=True)
    _until(trial.store.lock.exists, process)
    _wait(process, chance.uniform(0, trial.seconds[True] / 4))
    _kill([process.pid, *_below(process.pid)])
    said = trial.run("submit")
    assert said.code == 0, said
    return "a killed submission stays unreaped" if trial.heard(process, "submit").code else TOO_LATE


def interrupt(trial: Trial, chance: random.Random) -> str:
    """Ctrl-C, or SIGTERM as of a system that goes down."""
    process = trial.start("submit")
    _wait(process, chance.uniform(0.1, 0.8) * trial.seconds[trial.own])
    process.send_signal(chance.choice((signal.SIGINT, signal.SIGTERM)))
    return "a submission is interrupted" if trial.heard(process, "submit").code else TOO_LATE


def submit_twice(trial: Trial, chance: random.Random) -> str:
    """Three at once: one trains, the others are refused or find nothing to do."""
    processes = []
    for _ in range(3):
        processes.append(trial.start("submit"))
        time.sleep(chance.choice((0, 0, 1)))
    codes = [trial.heard(process, "submit").code for process in processes]
    assert 0 in codes, codes
    return "three submissions at once"


def full_disk(trial: Trial, chance: random.Random) -> str:
    with _own_disk(trial, "size=40m") as disk:
        filling = disk / "filling"
        filling.write_bytes(bytes(shutil.disk_usage(disk).free - chance.randrange(0, 60_000)))
        for words in ("submit", "status", "logs", "collect"):
            trial.run(words)
        assert any("no space left" in said.err + said.out for said in trial.said[-4:]), trial.said[-4:]
        filling.unlink()
    return "the disk is full"


def no_inodes(trial: Trial, chance: random.Random) -> str:
    with _own_disk(trial, "size=40m,nr_inodes=400") as disk:
        (disk / "fillings").mkdir()
        with suppress(OSError):
            for number in range(400 - chance.randrange(1, 3)):
                (disk / "fillings" / str(number)).touch()
        for words in ("submit", "status", "logs", "collect"):
            trial.run(words)
        shutil.rmtree(disk / "fillings")
    return "no inodes are left"


def read_only(trial: Trial, chance: random.Random) -> str:
    with _own_disk(trial, "size=40m") as disk:
        subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
        for words in ("submit", "status", "logs", "collect"):
            trial.run(words)
        subprocess.run(["mount", "-o", "remount,rw", str(disk)], check=True)
        assert trial.said[-4].code == 2, trial.said[-4]
    return "the store is read-only"


def flip_a_bit(trial: Trial, chance: random.Random) -> str:
    path = _some_file(trial, chance)
    data = bytearray(path.read_bytes())
    place = chance.randrange(8 * len(data))
    data[place // 8] ^= 1 << place % 8
    path.write_bytes(data)
    return "a bit is flipped"


def cut_a_file(trial: Trial, chance: random.Random) -> str:
    path = _some_file(trial, chance)
    path.write_bytes(path.read_bytes()[: chance.choice((0, chance.randrange(path.stat().st_size)))])
    return "a file is cut"


def remove_a_file(trial: Trial, chance: random.Random) -> str:
    _some_file(trial, chance).unlink()
    return "a file is removed"


def dead_lock(trial: Trial, chance: random.Random) -> str:
    """What a killed submission, or a damaged disk, leaves of a lock."""
    lock = trial.store.lock
    lock.write_bytes(chance.choice((b"", b"\xff\xfe", b'{"pid": 1}', chance.randbytes(200))))
    trial.run("submit")
    long_ago = time.time() - 3600
    os.utime(lock, (long_ago, long_ago))
    return "a damaged lock"


def other_in_its_place(trial: Trial, chance: random.Random) -> str:
    """A file, or a link to itself, where a folder is: said, and mended by a person."""
    place = chance.choice((trial.store.packs, trial.store.tables, trial.store.logs))
    aside = place.with_name("aside")
    place.rename(aside)
    if chance.random() < 0.5:
        place.touch()
    else:
        place.symlink_to(place)
    for words in ("status", "collect", "submit"):
        trial.run(words)
    place.unlink()
    aside.rename(place)
    return "a file or loop in a folder's place"


def not_ours(trial: Trial, chance: random.Random) -> str:
    """A store of another user, which one may read."""
    trial.store.folder.mkdir(parents=True, exist_ok=True)
    paths = [trial.store.folder, *trial.store.folder.rglob("*")]
    for path in paths:
        os.chown(path, 1, 1)
    for words in ("submit", "status", "logs", "collect"):
        trial.run(words, within=forked.powerless)
    assert trial.said[-4].code == 2, trial.said[-4]
    for path in paths:
        os.chown(path, 0, 0)
    return "the store is another user's"


def no_links(trial: Trial, chance: random.Random) -> str:
    said = trial.run("submit", within=forked.no_links)
    assert said.code == 0, said
    return "a file system without hard links"


def other_terminal(trial: Trial, chance: random.Random) -> str:
    for words in (("submit",), ("status",), ("watch", "--once"), ("collect",), ("compare",)):
        said = trial.run(*words, within=chance.choice((forked.latin_terminal, forked.ascii_terminal)))
        assert said.code == 0, said
    return "a terminal that is not of UTF-8"


RUNNING: tuple[Fault, ...] = (
    kill_the_worker, kill_the_submission, kill_all, kill_unreaped, interrupt, submit_twice, full_disk,
    no_inodes, read_only, not_ours, no_links, other_terminal
)  # fmt: skip
"""Befall a store of which something is left to train."""
RESTING: tuple[Fault, ...] = (flip_a_bit, cut_a_file, remove_a_file, dead_lock, other_in_its_place)


def _some_file(trial: Trial, chance: random.Random) -> Path:
    """Each kind of file as often as the others."""
    kinds: dict[str, list[Path]] = {}
    for path in sorted(trial.store.folder.rglob("*")):
        if path.is_file() and path.stat().st_size and path.parent != trial.store.logs:
            kinds.setdefault(path.name, []).append(path)
    return chance.choice(kinds[chance.choice(sorted(kinds))])


def _workers(trial: Trial) -> list[int]:
    statuses = read_packs(trial.store).statuses.values()
    return [status.pid for status in statuses if status.state == "running"]


def _until(look: Callable[[], Found], process: Started) -> Found | None:
    """What `look` finds, None once the process has ended."""
    while process.poll() is None:
        if found := look():
            return found
        time.sleep(0.02)
    return None


def _wait(process: Started, seconds: float) -> None:
    with suppress(subprocess.TimeoutExpired):
        process.wait(seconds)


def _kill(pids: Iterable[int] | None) -> None:
    for pid in pids or ():
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def _below(pid: int) -> list[int]:
    """The processes that a process started, and those that they did."""
    children: dict[int, list[int]] = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            words = stat.read_bytes().rpartition(b")")[2].split()
            children.setdefault(int(words[1]), []).append(int(stat.parent.name))
    found = [pid]
    for each in found:
        found += children.get(each, [])
    return found[1:]


@contextmanager
def _own_disk(trial: Trial, options: str) -> Iterator[Path]:
    """The store on a small disk of its own, in memory; what is on it afterwards is kept. Needs root."""
    store, aside = trial.folder / "results", trial.folder / "before"
    store.mkdir(exist_ok=True)
    store.rename(aside)
    store.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", options, "none", str(store)], check=True)
    try:
        shutil.copytree(aside, store, dirs_exist_ok=True)
        yield store
        shutil.rmtree(aside)
        shutil.copytree(store, aside)
    finally:
        subprocess.run(["umount", str(store)], check=True)
        store.rmdir()
        aside.rename(store)

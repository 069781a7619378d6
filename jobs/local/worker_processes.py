"""Slices → processes of this machine, watched until they have ended; what a dead one leaves, others train."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jobs.cluster.cluster_config import Cluster
from jobs.local.gpus import VISIBLE, for_workers, least_used
from jobs.local.worker_endings import how_it_ended, kernel_kills
from jobs.planning.packing import Pack
from jobs.store.journal import Death, append, read_journal
from jobs.store.pack_status import read_pack
from jobs.store.stopped import still_stopped
from jobs.support.readable_numbers import plural
from jobs.worker.local_task import order
from regularize.memory import TUNABLES, in_huge_pages
from regularize.store import PackStatus, Store

POLL_SECONDS = 0.25
# Time for the workers to write their checkpoints; those that need longer finish alone.
GRACE_SECONDS = 60.0
PROGRAM = ("-m", "jobs.worker.local_task")
# The kernel counts whom it ends before that one has let go of its memory, and with it of its life.
DYING_SECONDS = 10.0
MOST_DEATHS = 3  # while one and the same pack is trained, or between packs
_ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

Say = Callable[[str], None]


def launch(
    store: Store,
    slices: Sequence[Sequence[Pack]],
    cluster: Cluster,
    data_root: Path | None,
    tick: Callable[[], None],
    say: Say = lambda _: None,
) -> None:
    """Run one worker for each slice and call `tick` while they run.

    What one leaves that was ended by a signal goes to a new one: at once, or where memory ran out as
    soon as another has ended. After `MOST_DEATHS` in training it a pack is left out. `say` is told.

    Raises:
        KeyboardInterrupt: on Ctrl-C, SIGTERM or SIGHUP; the workers have been told to checkpoint.
        UserError: more GPUs are asked for than the environment shows.
    """
    crew = _Crew(store, cluster, data_root, say)
    with _interruptible():
        try:
            for slice_ in slices:
                crew.begin(slice_)
            while crew.at_work:
                tick()
                time.sleep(POLL_SECONDS)
                crew.see()
        except KeyboardInterrupt:
            crew.end()
            raise


@dataclass(frozen=True)
class _Worker:
    process: subprocess.Popen[str]
    packs: Sequence[Pack]
    log: Path
    gpu: str


class _Crew:
    """The workers of a submission."""

    def __init__(self, store: Store, cluster: Cluster, data_root: Path | None, say: Say) -> None:
        self._store, self._cluster, self._root, self._say = store, cluster, data_root, say
        self._gpus = for_workers(cluster, os.environ)
        self.at_work: list[_Worker] = []
        self._later: deque[Sequence[Pack]] = deque()  # where memory was short
        self._deaths = Counter[str]()  # by the pack in training, `` between them
        self._kills = kernel_kills()
        self._short_until = time.monotonic()  # the kernel has ended somebody for lack of memory just then

    def begin(self, packs: Sequence[Pack]) -> None:
        """A worker of its own session: the terminal's signals are for this process alone.

        It sees one GPU, the one that the fewest others train on; none where none is asked for.
        """
        keys = ("threads", "checkpoint_minutes", "heartbeat_seconds", "max_failures")
        options = {key: getattr(self._cluster, key) for key in keys}
        gpu = least_used(self._gpus, [worker.gpu for worker in self.at_work])
        options["needs_gpu"] = bool(gpu) and not self._cluster.allow_cpu
        ordered = order(
            self._store.folder, [pack.runs for pack in packs], self._root, submitter=os.getpid(), **options
        )
        log = _new_log(self._store.logs)  # named for the process once there is one
        with log.open("ab") as file:
            process = subprocess.Popen(
                [sys.executable, "-u", *PROGRAM],
                stdin=subprocess.PIPE,
                stdout=file,
                stderr=subprocess.STDOUT,
                text=True,
                env=os.environ | {VISIBLE: gpu, TUNABLES: in_huge_pages(os.environ.get(TUNABLES, ""))},
                start_new_session=True,
            )
        log = log.rename(log.with_stem(f"{log.stem}-{process.pid}"))
        self.at_work.append(_Worker(process, packs, log, gpu))
        assert process.stdin is not None
        with suppress(BrokenPipeError):  # it has died by now, which is seen soon
            process.stdin.write(ordered)
            process.stdin.close()

    def see(self) -> None:
        """Who has ended, and who goes on with what that one leaves."""
        ended = [worker for worker in self.at_work if worker.process.poll() is not None]
        if (kills := kernel_kills()) > self._kills:
            self._kills, self._short_until = kills, time.monotonic() + DYING_SECONDS
        for worker in ended:
            self.at_work.remove(worker)
            if still_stopped(self._store, self._cluster.max_failures):
                self._later.clear()  # it has left them, as others would
            elif left := self._left(worker.packs):
                self._bury(worker, left, out_of_memory=time.monotonic() < self._short_until)
            if self._later:
                self.begin(self._later.popleft())

    def end(self) -> None:
        """Tell them to checkpoint and end, and wait a while. A second interrupt ends the waiting."""
        for worker in self.at_work:
            worker.process.terminate()
        deadline = time.monotonic() + GRACE_SECONDS
        with suppress(KeyboardInterrupt):
            while time.monotonic() < deadline and any(each.process.poll() is None for each in self.at_work):
                time.sleep(POLL_SECONDS)

    def _left(self, packs: Sequence[Pack]) -> list[Pack]:
        """Those that are to be trained still: neither done nor failed nor cancelled."""
        cancelled = read_journal(self._store.journal).cancelled
        return [p for p in packs if not p.ended(self._status(p)) and cancelled.isdisjoint(p.runs)]

    def _status(self, pack: Pack) -> PackStatus | None:
        with suppress(ValueError):
            return read_pack(self._store.pack(pack.pack_id))
        return None

    def _bury(self, worker: _Worker, left: Sequence[Pack], *, out_of_memory: bool) -> None:
        """Say how it died, and let others go on, unless that would be of no use."""
        ending = how_it_ended(worker.process.returncode, worker.log, out_of_memory=out_of_memory)
        trained = next((pack for pack in left if self._was_in(pack, worker.process.pid)), None)
        name = trained.pack_id if trained else ""
        self._deaths[name] += 1
        given_up = ending.hopeless or self._deaths[name] >= MOST_DEATHS
        again = list(left)
        if given_up:  # another would end in the same place, or, where no pack was in training, before it
            again = [p for p in left if p is not trained] if trained and not ending.hopeless else []
        death = Death(
            pid=worker.process.pid,
            how=ending.words,
            pack=name,
            runs=trained.runs if trained else (),
            log=worker.log.name,
            given_up=given_up,
            time="",
        )
        append(self._store.journal, "died", **{k: v for k, v in death._asdict().items() if k != "time"})
        self._say(f"{death.said}; {_what_follows(left, again, worker.log)}")
        if again and out_of_memory and self.at_work:
            self._later.append(again)
        elif again:
            self.begin(again)

    def _was_in(self, pack: Pack, pid: int) -> bool:
        status = self._status(pack)
        return status is not None and status.pid == pid and status.state in ("running", "interrupted")


def _what_follows(left: Sequence[Pack], again: Sequence[Pack], log: Path) -> str:
    given_up = [pack for pack in left if pack not in again]
    parts = [f"left out: {_counted(given_up)}; its log is {log}"] if given_up else []
    return "; ".join([*parts, f"another worker takes over {_counted(again)}"] if again else parts)


def _counted(packs: Sequence[Pack]) -> str:
    return f"{plural(len(packs), 'pack')} ({plural(sum(len(pack.runs) for pack in packs), 'run')})"


def _new_log(logs: Path) -> Path:
    """`worker-1.log`, `worker-2.log` …: of the next number that there is none of."""
    logs.mkdir(parents=True, exist_ok=True)
    numbers = [path.stem.split("-")[1] for path in logs.glob("worker-*.log")]
    log = logs / f"worker-{1 + max((int(n) for n in numbers if n.isdigit()), default=0)}.log"
    log.touch()
    return log


@contextmanager
def _interruptible() -> Iterator[None]:
    """Raise `KeyboardInterrupt` on every signal that asks to end, but for those ignored (nohup)."""

    def interrupt(*_: Any) -> None:
        raise KeyboardInterrupt

    heard = [number for number in _ENDING if signal.getsignal(number) is not signal.SIG_IGN]
    before = {number: signal.signal(number, interrupt) for number in heard}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)

"""What one element of a Slurm array executes, in each of its processes.

An element has a slice of packs for each process (spread), or one slice that all of its processes
train together (ddp). A process that ends before its slice does, because of a signal or because the
time limit is near, exits with `INTERRUPTED`; once all processes of the job have ended, its batch
script requeues it. So none is cut short by another, and a job that was cancelled, whose script is
killed with it, stays cancelled. In ddp the first bad exit ends all, so that none waits for one that cannot
come; what is to go on is left as a file for the script, and the exit code is 0.
"""

from __future__ import annotations

import math
import os
import shlex
import signal
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, nullcontext, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from jobs.store.meeting_place import Place, again_in_shell
from jobs.store.pack_status import read_pack
from jobs.worker.meeting import LAUNCH_FROM, LAUNCH_LOG, ToldToStopError, met, tell_torch, telling
from jobs.worker.one_pack import HEARTBEAT, Train, training
from jobs.worker.progress_log import log_to_stdout
from jobs.worker.stopping import Stop
from jobs.worker.train_packs import train_packs
from regularize.config import RunConfig, pack_id
from regularize.errors import UserError
from regularize.memory import HUGE_PAGES, TUNABLES
from regularize.own_code import EVERYTHING, trust_only
from regularize.store import PackPaths, PackStatus, Store

Pack = Sequence[str]  # run ids
Slice = Sequence[Pack]
Element = Sequence[Slice]

INTERRUPTED = 75
"""Exit code of a process with work left (EX_TEMPFAIL); above it are only those of deaths by a signal."""

SIGNALS = (signal.SIGUSR2, signal.SIGTERM)
LATE_SECONDS = 30  # before the signal: what is begun later hardly gets to train
FRUITLESS = 3  # requeues after which an attempt must have got somewhere

_ID = '"${SLURM_ARRAY_JOB_ID:-$SLURM_JOB_ID}${SLURM_ARRAY_TASK_ID:+_$SLURM_ARRAY_TASK_ID}"'


def teardown(mode: str, folder: Path) -> list[str]:
    """Lines of the batch script after `srun`: they requeue the job if work is left.

    `folder` is where the ranks of a ddp job meet. One that runs out of memory ends the others, who ask for
    the job to go on; as it would run out again, it ends, and more memory is asked for.
    """
    starved = f'tail -c "+$(({LAUNCH_FROM} + 1))" "${LAUNCH_LOG}" 2> /dev/null | grep -q ": Out Of Memory"'
    again = ("ended=$code", *again_in_shell(folder, _ID), f'{starved} && code="$ended"')
    return [
        "code=$?",
        *(again if mode == "ddp" else ()),
        f'if [ "$code" -eq {INTERRUPTED} ]; then',
        f"    for _ in 1 2 3 4 5 6; do scontrol requeue {_ID} && sleep 60; sleep 10; done",
        "fi",
        "exit $code",
    ]


def prologue(mode: str, logs: Path) -> list[str]:
    """Lines of the batch script before `srun`, of whose log in a ddp job rank 0 reads what it says.

    What glibc's malloc is to do has to stand in the environment when a process begins. A shell that the lines
    of `setup:` have told to end at an error would not come to what follows on `srun`.
    """
    forgiving = "set +eu"
    huge_pages = (
        f'case "${{{TUNABLES}-}}" in *glibc.malloc.hugetlb*) ;; '
        f'*) export {TUNABLES}="${{{TUNABLES}:+${TUNABLES}:}}{HUGE_PAGES}" ;; esac'
    )
    if mode != "ddp":
        return [forgiving, huge_pages]
    log = f"{shlex.quote(str(logs))}/{_ID}_0_log.out"
    return [forgiving, huge_pages, f"export {LAUNCH_LOG}={log} {LAUNCH_FROM}=$(wc -c < {log} || echo 0)"]


def srun_args(mode: str) -> list[str]:
    """What `srun` is told beside what to run.

    In spread an error in one process ends no other; in ddp it ends all. What the batch script has set reaches
    the tasks, also at a site where sbatch exports nothing.
    """
    return [f"--kill-on-bad-exit={int(mode == 'ddp')}", "--export=ALL"]


@dataclass(frozen=True, kw_only=True)
class Task:
    """Give it to submitit, with the elements to map it over.

    `minutes` is the time limit, `signal_seconds` how long before it Slurm sends USR2. `scratch` is a
    folder of the node that data are read from, None: they are read where they are. `needs_gpu` is whether
    it is an error that there is none; `max_failures` is as the cluster config has it. `own_code` is what may
    be imported of the sweep's own, whatever else the store names by then.
    """

    folder: Path  # of the store
    data_root: Path | None
    threads: int = 1
    mode: str = "spread"  # or "ddp"
    minutes: int | None = None
    signal_seconds: int = 120
    checkpoint_minutes: int = 5
    heartbeat_seconds: float = HEARTBEAT
    scratch: Path | None = None
    needs_gpu: bool = False
    max_failures: int | None = None
    own_code: tuple[str, ...] | None = None

    def __call__(self, element: Element) -> NoReturn:
        """Train this process's slice, then end the process with an exit code; 0 if nothing is left."""
        for number in SIGNALS:  # instead of submitit's handlers: a signal that is repeated changes nothing
            signal.signal(number, signal.SIG_IGN)
        log_to_stdout()
        stop, late = Stop(None, *SIGNALS), self._clock()
        trust_only([EVERYTHING] if self.own_code is None else self.own_code)
        with _plain_errors():
            left = self._left(element, stop, late)
        _end(left)

    def _left(self, element: Element, stop: Stop, late: Callable[[], bool]) -> int | str:
        """Train; 0, `INTERRUPTED`, or why requeueing would be of no use."""
        from submitit.core.job_environment import JobEnvironment

        from regularize.seen_gpus import ALL_THE_SAME, check_gpu

        here = JobEnvironment()
        tell_torch(here)
        store, slice_ = Store(self.folder), self._slice(element, here.global_rank)
        place = Place(store.jobs, here.job_id) if self.mode == "ddp" else None
        before = _progress(store, slice_)
        with ExitStack() as together, suppress(ToldToStopError):
            whole = False
            with telling(place, here) if place else nullcontext():
                job = f"{here.job_id}_{here.global_rank}"
                train = training(self.threads, self.checkpoint_minutes, job, self.heartbeat_seconds)
                if self.needs_gpu:
                    check_gpu(f"load CUDA in `setup:` and install torch with it; {ALL_THE_SAME}")
                if self.scratch:
                    train = _near(train, self.scratch)
                if place:
                    together.enter_context(met(place, here, stop))
            whole = train_packs(
                store,
                slice_,
                train,
                data_root=self.data_root,
                stop=stop,
                late=late,
                job=job,
                max_failures=self.max_failures,
                heartbeat_seconds=self.heartbeat_seconds,
            )
        requeues = int(os.environ.get("SLURM_RESTART_COUNT", "0"))
        if not whole and requeues >= FRUITLESS and _progress(store, slice_) == before:
            (place or Place(store.jobs, here.job_id)).say_too_short()
            return f"error: nothing was achieved after {requeues} requeues; does it need a longer time limit?"
        if place and not whole:
            place.queue_again()
            return 0
        return 0 if whole else INTERRUPTED

    def _slice(self, element: Element, rank: int) -> Slice:
        """What a process is to train; there may be fewer slices than processes."""
        place = 0 if self.mode == "ddp" else rank
        return element[place] if place < len(element) else ()

    def _clock(self) -> Callable[[], bool]:
        """Whether too little is left of the time limit to begin a pack."""
        end = math.inf if self.minutes is None else time.time() + 60 * self.minutes
        end = float(os.environ.get("SLURM_JOB_END_TIME", end))
        return lambda: time.time() > end - self.signal_seconds - LATE_SECONDS


@contextmanager
def _plain_errors() -> Iterator[None]:
    """End the process with one line on what is no fault of the code."""
    try:
        yield
    except UserError as error:
        _end(f"error: {error}")
    except Exception as error:
        from regularize.distributed import rank_lost

        if rank_lost(error):
            _end(f"error: another rank is gone: {error}")
        raise


def _end(code: int | str) -> NoReturn:
    """End at once, with this exit code, or with 1 and these words.

    Of the processes that wind up after the other ranks of their group, torch aborts about one in ten, and
    the signal's exit code would stand in the place of theirs: nothing would be requeued, and what is done
    would have failed. All files are whole by now; submitit's result, which says nothing, is not written.
    """
    if isinstance(code, str):
        print(code, file=sys.stderr)
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code if isinstance(code, int) else 1)


def _near(train: Train, scratch: Path) -> Train:
    """Let it read its data from a folder of the node; where that cannot be, from where they are."""
    from regularize.data import staged

    def train_near(
        runs: Sequence[RunConfig], paths: PackPaths, *, data_root: Path | None, stop: Callable[[], bool]
    ) -> PackStatus:
        try:
            data_root = staged(runs[0].data.name, data_root, scratch, runs[0].data.form)
        except UserError as error:
            print(f"warning: {error}; data are read from where they are", file=sys.stderr)
        return train(runs, paths, data_root=data_root, stop=stop)

    return train_near


def _progress(store: Store, slice_: Slice) -> tuple[int, int, list[str]]:
    """How many packs of a slice are over, the steps of those begun, and how they were measured.

    One that failed is over: those behind it come next.
    """
    found = []
    for runs in slice_:
        with suppress(ValueError):
            found.append(read_pack(store.pack(pack_id(runs))))
    statuses = [status for status in found if status]
    over = sum(s.state in ("done", "failed") for s in statuses)
    return over, sum(s.step for s in statuses), [s.evaluation for s in statuses]

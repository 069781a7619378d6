"""What one element of a Slurm array executes, in each of its processes.

An element has a slice of packs for each process (spread), or one slice that all of its processes
train together (ddp). A process that is told to end writes a checkpoint and exits with
`INTERRUPTED`; once all processes of the job have ended its batch script requeues it. So nobody is cut short,
and a job that was cancelled, whose script is killed with it, stays cancelled.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from jobs.worker import Stop, train_packs

Pack = Sequence[str]  # run ids
Slice = Sequence[Pack]
Element = Sequence[Slice]

INTERRUPTED = 75
"""Exit code of a process with work left (EX_TEMPFAIL); above it are only those of deaths by a signal."""

SIGNALS = (signal.SIGUSR2, signal.SIGTERM)

_ID = '"${SLURM_ARRAY_JOB_ID:-$SLURM_JOB_ID}${SLURM_ARRAY_TASK_ID:+_$SLURM_ARRAY_TASK_ID}"'
TEARDOWN = (
    "code=$?",
    f'if [ "$code" -eq {INTERRUPTED} ]; then',
    f"    for _ in 1 2 3 4 5 6; do scontrol requeue {_ID} && sleep 60; sleep 10; done",
    "fi",
    "exit $code",
)
"""Lines of the batch script after `srun`: they requeue the job if work is left."""


def srun_args(mode: str) -> list[str]:
    """Whether the death of one process ends the others: only where they cannot go on without it."""
    return [f"--kill-on-bad-exit={int(mode == 'ddp')}"]


@dataclass(frozen=True, kw_only=True)
class Task:
    """Give it to submitit, with the elements to map it over.

    `minutes` is the time limit, `signal_seconds` how long before it Slurm sends USR2.
    """

    folder: Path  # of the store
    data_root: Path | None
    threads: int = 1
    mode: str = "spread"  # or "ddp"
    minutes: int | None = None
    signal_seconds: int = 120

    def __call__(self, element: Element) -> None:
        for number in SIGNALS:  # instead of submitit's handlers: a signal that is repeated changes nothing
            signal.signal(number, signal.SIG_IGN)
        stop = Stop(None, *SIGNALS)
        slice_ = element[0 if self.mode == "ddp" else int(os.environ.get("SLURM_PROCID", "0"))]
        whole = train_packs(self.folder, slice_, data_root=self.data_root, threads=self.threads, stop=stop)
        if not whole:
            sys.exit(INTERRUPTED)

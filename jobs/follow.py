"""The follow-up: a small job after the arrays that submits what comes next, until nothing is left."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

from jobs.task import INTERRUPTED


@dataclass(frozen=True)
class FollowUp:
    """Give it to submitit; `folder` is the store's. Where it finds no place to submit, it is requeued."""

    folder: Path

    def __call__(self) -> None:
        from jobs.run_slurm import go_on

        if not go_on(self.folder):
            sys.exit(INTERRUPTED)

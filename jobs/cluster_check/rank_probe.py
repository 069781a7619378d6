"""Whether the ranks of a job find each other, tried once by all of them, and how long they take to add up.

What they add up is what they do at each step: the gradients of a pack of LeNets.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path
from statistics import median
from typing import Any

from jobs.store.meeting_place import Place
from jobs.worker import meeting
from regularize.errors import UserError, in_a_line

PATIENCE = 90.0  # seconds for all ranks of a check to start
LENET_WEIGHTS = 61_706
TIMES = 10


def meet(folder: Path, networks: int) -> dict[str, Any]:
    """What this rank has found, as plain values: `problem`, empty if there is none, and times in seconds."""
    from submitit.core.job_environment import JobEnvironment

    here = JobEnvironment()
    meeting.tell_torch(here)
    meeting.START_SECONDS = PATIENCE
    found: dict[str, Any] = {"ranks": here.num_tasks, "nodes": here.num_nodes, "networks": networks}
    try:
        place = Place(folder, here.job_id)
        with meeting.telling(place, here), meeting.met(place, here, lambda: False):
            return found | {"problem": "", "seconds": _reduction(networks * LENET_WEIGHTS)}
    except (UserError, RuntimeError) as error:
        print(f"error: {error}", file=sys.stderr)
        return found | {"problem": in_a_line(error)}


def _reduction(numbers: int) -> float:
    """Seconds that a sum of so many numbers takes over all ranks, the median of a few."""
    import torch

    from regularize.distributed import Ranks

    ranks, took = Ranks.here(), []
    gradients = torch.ones(numbers, device=ranks.device)
    for _ in range(TIMES):
        ranks.wait()
        began = time.perf_counter()
        ranks.sum(gradients).sum().item()
        took.append(time.perf_counter() - began)
    return median(took[2:])

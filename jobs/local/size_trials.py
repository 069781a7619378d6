"""Tries of `pack_runs: auto` on this machine, in a process of their own, before a sweep is planned for it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from jobs.cluster.cluster_config import Cluster
from jobs.local.gpus import VISIBLE, for_workers
from jobs.planning.pack_sizes import TRY_SECONDS, asked, distinct, keep, kinds_of, recalled
from jobs.planning.plan import Plan
from jobs.support.readable_numbers import plural
from regularize.config import RunConfig
from regularize.data.source import Facts

PATIENCE = 60.0  # seconds, for imports and the last of the tries
SHARE = 0.1  # of the time that a plan takes: no try is worth more
LEAST = 5.0  # seconds; in less a process has hardly begun to try
COMMAND = (sys.executable, "-P", "-W", "ignore", "-m", "regularize.pack_rates")


def tried_more(
    plan: Plan,
    cluster: Cluster,
    facts: Mapping[str, Facts],
    data_root: Path | None,
    say: Callable[[str], object],
) -> bool:
    """Try what is not known yet of a plan for this machine whose packs are of `auto` size, and remember it.

    Of a short plan nothing: that would take longer than it could save.

    Returns:
        Whether something is known now that was not, so that the plan would be another.
    """
    left = (run for run in (*plan.runs, *plan.ahead) if run.run_id not in plan.done)
    kinds = kinds_of(left, cluster).values() if cluster.kind == "local" else ()
    new = distinct((config for config in kinds if recalled(config, cluster) is None), cluster)
    if not new:
        return False
    seconds = min(TRY_SECONDS, SHARE * (plan.seconds + plan.ahead_seconds))
    if seconds < LEAST:
        say("packs have the usual size: of so short a sweep `pack_runs: auto` tries no others")
        return False
    say(f"trying how many runs train best side by side, {plural(len(new), 'kind')} of them")
    answers = answered(new, cluster, facts, data_root, seconds)
    keep(new, cluster, answers, anew=False)
    problems = {answer["problem"]: None for answer in answers if "problem" in answer}
    for problem in problems:
        say(f"some packs have the usual size, as a try of `pack_runs: auto` failed: {problem}")
    return any("problem" not in answer for answer in answers)


def answered(
    configs: Sequence[RunConfig],
    cluster: Cluster,
    facts: Mapping[str, Facts],
    data_root: Path | None,
    seconds: float = TRY_SECONDS,
) -> list[dict[str, Any]]:
    """Of each, within so many `seconds` for all: see `regularize.pack_rates.tried`.

    Raises:
        UserError: more GPUs are asked for than the environment shows.
    """
    if not configs:
        return []
    gpus = for_workers(cluster, os.environ)
    path = os.pathsep.join(filter(None, sys.path))
    try:
        done = subprocess.run(
            COMMAND,
            input=json.dumps(asked(configs, cluster, facts, data_root, seconds)).encode(),
            capture_output=True,
            env=os.environ | {"PYTHONPATH": path, VISIBLE: ",".join(gpus)},  # it tries on the first
            timeout=seconds + PATIENCE,
            check=False,
        )
        printed = done.stdout
        problem = done.stderr.decode(errors="replace").strip().rpartition("\n")[2]
        problem = problem or f"its process ended with {done.returncode}"
    except subprocess.TimeoutExpired as late:
        printed, problem = late.stdout or b"", f"it took more than {seconds + PATIENCE:.0f} s"
    answers = [json.loads(line) for line in printed.splitlines() if line.endswith(b"}")]
    return answers + [{"problem": problem}] * (len(configs) - len(answers))

"""A submission of the small sweep, as commands and follow-ups have it."""

from __future__ import annotations

from pathlib import Path

from rich.console import Console

from jobs.cluster.cluster_config import Cluster
from jobs.planning.prepare_submission import Submission
from jobs.sweep.sweep_file import load_sweep
from regularize.store import Store
from tests.jobs.sweeps import BASE


def small_submission(folder: Path, console: Console, cluster: Cluster | None = None) -> Submission:
    """Of BASE to a store that is `folder`, where its `sweep.yaml` is written; to Slurm unless said."""
    path = folder / "sweep.yaml"
    path.write_text(BASE, encoding="utf-8")
    return Submission(
        sweep=load_sweep(path),
        store=Store(folder),
        cluster=cluster or Cluster(kind="slurm"),
        data_root=None,
        overrides=(),
        console=console,
    )

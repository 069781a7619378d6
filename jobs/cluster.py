"""Where runs are trained: one YAML file of `cluster_configs/`, or one of the user's own."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from jobs.yaml_text import parse_file, read_text
from jobs.yaml_tree import Node
from regularize.errors import UserError, one_of

CONFIGS = Path(__file__).parent.parent / "cluster_configs"
KINDS = ("local",)
NUMBERS = {"threads": 1, "gpus": 0, "pack_runs": 1}  # and the least that they may be


@dataclass(frozen=True, kw_only=True)
class Cluster:
    """How much is trained at a time: `tasks` processes of `threads` threads, packs of `pack_runs` runs.

    `gpus` is how many of the machine's GPUs the processes see; they share them.
    """

    kind: str
    tasks: int
    threads: int = 1
    gpus: int = 0
    pack_runs: int = 8


def cores() -> int:
    """The cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def load_cluster(name: str, max_tasks: int | None = None) -> Cluster:
    """The cluster of a name in `cluster_configs/` or of a YAML file, at most `max_tasks` tasks at a time.

    Raises:
        UserError: there is no such cluster, or its file is wrong.
    """
    path = _find(name)
    cluster = read_cluster(parse_file(read_text(path), str(path)))
    if max_tasks is None:
        return cluster
    return Cluster(**vars(cluster) | {"tasks": min(cluster.tasks, max_tasks)})


def read_cluster(node: Node) -> Cluster:
    """The cluster that a YAML tree describes."""
    fields = node.mapping(("kind", "tasks", *NUMBERS), required=("kind",))
    numbers = {key: _count(fields[key], least) for key, least in NUMBERS.items() if key in fields}
    tasks = fields.get("tasks")
    if tasks is None or tasks.value == "auto":
        count = max(1, cores() // numbers.get("threads", 1))
    else:
        count = _count(tasks, 1, ", or auto")
    return Cluster(kind=fields["kind"].choice("kind", KINDS), tasks=count, **numbers)


def _find(name: str) -> Path:
    if name.endswith((".yaml", ".yml")):
        return Path(name)
    path = CONFIGS / f"{name}.yaml"
    known = sorted(file.stem for file in CONFIGS.glob("*.yaml"))
    if name not in known:
        raise UserError(f"unknown cluster {name!r}; {one_of(name, known)}, or the path of a .yaml file")
    return path


def _count(node: Node, least: int, otherwise: str = "") -> int:
    if isinstance(node.value, bool) or not isinstance(node.value, int) or node.value < least:
        raise node.refused(f"an integer from {least}{otherwise}")
    return node.value

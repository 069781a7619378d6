"""A cluster by its name or file: one YAML file of `cluster_configs/`, or one of the user's own."""

from __future__ import annotations

import os
import re
from dataclasses import replace
from pathlib import Path

from jobs.cluster.cluster_config import Cluster
from jobs.cluster.config_keys import read_cluster
from jobs.cluster.shell_wishes import with_wishes
from jobs.sweep.yaml_text import parse_file, read_text
from regularize.errors import UserError, unknown

CONFIGS = Path(__file__).parents[2] / "cluster_configs"


def load_cluster(name: str, max_tasks: int | None = None) -> Cluster:
    """The cluster of a name in `cluster_configs/` or of a YAML file, at most `max_tasks` tasks at a time.

    Raises:
        UserError: there is no such cluster, or its file is wrong.
    """
    path = config_path(name)
    cluster = replace(read_cluster(parse_file(read_text(path), str(path))), name=path.stem)
    if max_tasks is not None:
        cluster = _limited(cluster, max_tasks)
    return cluster if cluster.host else _expanded(with_wishes(cluster))


def config_path(name: str) -> Path:
    """The file of a cluster config: one's own by its path, or one of `cluster_configs/` by its name.

    Raises:
        UserError: there is none of that name.
    """
    if name.endswith((".yaml", ".yml")):
        return Path(name)
    path = CONFIGS / f"{name}.yaml"
    known = sorted(file.stem for file in CONFIGS.glob("*.yaml"))
    if name not in known:
        raise UserError(unknown("cluster", name, known) + ", or the path of a .yaml file")
    return path


def _limited(cluster: Cluster, tasks: int) -> Cluster:
    if cluster.kind == "local":
        return replace(cluster, tasks=min(cluster.tasks, tasks))
    if tasks < cluster.ranks:
        raise UserError(f"at most {tasks} tasks at a time, but a job of {cluster.name} has {cluster.ranks}")
    most = tasks // cluster.ranks
    return replace(cluster, array_parallelism=min(cluster.array_parallelism or most, most))


def _expanded(cluster: Cluster) -> Cluster:
    """The cluster with `~` and variables in its folders replaced, as on this host; scratch is the nodes'."""
    store, data_root = (_expand(key, getattr(cluster, key)) for key in ("store", "data_root"))
    return replace(cluster, store=store, data_root=data_root)


def _expand(key: str, path: Path | None) -> Path | None:
    if path is None:
        return None
    try:
        text = os.path.expandvars(path.expanduser())
    except RuntimeError:
        raise UserError(f"{key} is {str(path)!r}, but this user has no home folder; write the path") from None
    if missing := re.search(r"\$\{?(\w+)", text):
        raise UserError(f"{key} is {str(path)!r}, but the variable {missing[1]} is not set here")
    return Path(text)

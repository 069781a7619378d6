"""The YAML of a cluster config: which keys a kind of cluster has, and what each may be."""

from __future__ import annotations

import math
import re
import shlex
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from jobs.cluster.cluster_config import MODES, MOST_HEARTBEAT, Cluster, FollowUp
from jobs.sweep.yaml_checks import Node
from regularize.cores import cores

_TIME = re.compile(
    r"(?:(?P<d>\d+)-(?P<dh>\d+)(?::(?P<dm>\d+)(?::(?P<ds>\d+))?)?"
    r"|(?:(?P<h>\d+):)?(?P<m>\d+):(?P<s>\d+))",
    re.ASCII,
)
_MEMORY = re.compile(r"(\d+)([KMGT])", re.ASCII)
_MEBIBYTES = {"K": 1 / 1024, "M": 1, "G": 1024, "T": 1024**2}
_HOST = re.compile(r"(?:\w[\w.-]*@)?\w[\w.-]*", re.ASCII)
_OPTION = re.compile(r"[a-z][a-z0-9-]*")
# Options that have a key of their own, and those that the toolkit sets itself.
KEYED = {
    "partition": "partition", "account": "account", "qos": "qos", "constraint": "constraint", "gres": "gres",
    "time": "time", "mem": "memory", "cpus-per-task": "cpus_per_task", "gpus-per-task": "gpus_per_task",
    "nodes": "nodes", "ntasks-per-node": "tasks_per_node", "signal": "signal_seconds",
}  # fmt: skip
# Of the follow-up, which is one task on one node; its other options are the toolkit's.
KEYED_OF_FOLLOW_UP = {
    "partition": "partition", "account": "account", "qos": "qos", "constraint": "constraint", "gres": "gres",
    "time": "time", "mem": "memory", "cpus-per-task": "cpus", "gpus-per-task": "gpus",
}  # fmt: skip
ELSEWHERE = {
    name: f"{name} is not for a config, as jobs there would not be found again: set SLURM_CLUSTERS=NAME in "
    "the shell that regularize is run in"
    for name in ("cluster", "clusters")
}
OURS = (
    "array",
    "dependency",
    "error",
    "job-name",
    "ntasks",
    "open-mode",
    "output",
    "requeue",
    "no-requeue",
    "wrap",
    # With these sbatch waits for the job's end, hands over no job, or says nothing that could be read.
    "wait",
    "test-only",
    "parsable",
    "quiet",
    "verbose",
    "help",
    "usage",
    "version",
)


def minutes(node: Node) -> int:
    """A time limit: minutes, or text as Slurm writes it (`04:00:00`, `1-12`, `1-12:00:00`)."""
    if isinstance(node.value, str) and (parts := _TIME.fullmatch(node.value)):
        day, hour, minute, second = (
            int(parts[a] or parts[b] or 0) for a, b in (("d", "d"), ("dh", "h"), ("dm", "m"), ("ds", "s"))
        )
        total = math.ceil(day * 1440 + hour * 60 + minute + second / 60)
        if total > 0:
            return total
    if isinstance(node.value, bool) or not isinstance(node.value, int) or node.value < 1:
        raise node.refused("minutes, or text such as '04:00:00' or '1-12:00:00'")
    return node.value


def mebibytes(node: Node) -> int:
    """Memory as Slurm writes it, in MiB."""
    parts = _MEMORY.fullmatch(node.value) if isinstance(node.value, str) else None
    amount = int(int(parts[1]) * _MEBIBYTES[parts[2]]) if parts else 0
    if amount < 1:
        raise node.refused("memory of a node with its unit, such as 4G or 500M")
    return amount


def _mebibytes_or_none(node: Node) -> int:
    if node.value == "none":
        return 0
    if not isinstance(node.value, str) or not _MEMORY.fullmatch(node.value):
        raise node.refused("memory of a node with its unit, such as 4G or 500M, or none")
    return mebibytes(node)


def read_cluster(node: Node) -> Cluster:
    """The cluster that a YAML tree describes.

    Raises:
        UserError: an unknown or missing key, or a value that cannot be meant.
    """
    kind = node.mapping(required=("kind",))["kind"].choice("kind", KINDS)
    readers = KINDS[kind]
    given = node.mapping(("kind", *readers))
    values = {FIELDS.get(key, key): readers[key](child) for key, child in given.items() if key != "kind"}
    if kind == "local" and values.get("tasks") is None:
        values["tasks"] = max(1, cores() // values.get("threads", 1))
    cluster = Cluster(kind=kind, **values)
    _check_together(cluster, given)
    return cluster


def _check_together(cluster: Cluster, given: dict[str, Node]) -> None:
    if cluster.max_memory is not None and cluster.max_memory < (cluster.memory or 0):
        raise given["max_memory"].refused("at least memory")
    if cluster.max_memory is not None and cluster.memory is None:
        raise given["max_memory"].error("max_memory needs memory: what the first attempt asks for")
    if cluster.max_time is not None and cluster.max_time < cluster.time:
        raise given["max_time"].refused("at least time")
    if cluster.signal_seconds >= cluster.time * 60:
        raise given.get("signal_seconds", given.get("time", next(iter(given.values())))).error(
            f"signal_seconds is {cluster.signal_seconds}, but the time limit is {cluster.time * 60} seconds"
        )


def _at_least(least: int, otherwise: str = "", most: float = math.inf) -> Callable[[Node], int]:
    def read(node: Node) -> int:
        if isinstance(node.value, bool) or not isinstance(node.value, int) or not least <= node.value <= most:
            raise node.refused(f"an integer from {least}{otherwise}")
        return node.value

    return read


def _tasks(node: Node) -> int | None:
    return None if node.value in (None, "auto") else _at_least(1, ", or auto")(node)


def _pack_runs(node: Node) -> int | None:
    return None if node.value == "auto" else _at_least(1, ", or auto")(node)


def _optional(read: Callable[[Node], Any]) -> Callable[[Node], Any]:
    return lambda node: None if node.value is None else read(node)


def _word(node: Node) -> str:
    word = node.value
    if not isinstance(word, str) or not word or " " in word or not literal(word):
        raise node.refused("one word, without backslashes")
    return word


def _words(node: Node) -> str:
    """Words as Slurm takes several: with commas between them; or a YAML list of them."""
    items = node.items() if isinstance(node.value, list | tuple) else [node]
    words = ",".join(_word(item) for item in items)
    if "" in words.split(","):
        raise node.refused("one word or several, with commas between them")
    return words


def literal(text: str) -> bool:
    """Whether sbatch takes it as it is: it drops backslashes, and what is not printed may end a value."""
    return text.isprintable() and "\\" not in text


def _host(node: Node) -> str:
    if not _HOST.fullmatch(_word(node)):  # ssh could take it for an option
        raise node.refused("the name of a host, as ssh knows it")
    return _word(node)


def _folder(node: Node) -> Path:
    text = node.text()
    if not text.startswith(("/", "~", "$")):
        raise node.refused("a full path (or one that begins with ~ or a $VARIABLE)")
    if not text.isprintable():  # it would end a line of the job's script
        raise node.refused("a path without line breaks")
    return Path(text)


def _base(node: Node) -> Path:
    if ":" in node.text():  # a list of folders of modules could not name it
        raise node.refused("a path without ':'")
    return _folder(node)


def _mode(node: Node) -> str:
    return node.choice("mode", MODES)


def _lines(node: Node) -> tuple[str, ...]:
    return () if node.value in (None, ()) else tuple(item.text() for item in node.items())


def _sbatch(node: Node, keyed: Mapping[str, str] = KEYED) -> dict[str, str | int | bool]:
    """Options of sbatch but for those `keyed`, which keys beside them set."""
    options: dict[str, str | int | bool] = {}
    for key, child in node.mapping().items():
        if key in keyed:
            raise child.error(f"{key} has a key of its own: {keyed[key]}")
        if key in ELSEWHERE:
            raise child.error(ELSEWHERE[key])
        if key in OURS or key in KEYED:
            raise child.error(f"{key} is set by regularize itself")
        if not _OPTION.fullmatch(key):
            raise child.error(
                f"{key!r} is not an option of sbatch; write it without its dashes, such as mail-user"
            )
        if not isinstance(child.value, str | int) or child.value is False or not literal(str(child.value)):
            raise child.refused(
                "printable text without backslashes, an integer, or true for an option without a value"
            )
        options[key] = child.value
    return options


def _yes_or_no(node: Node) -> bool:
    if not isinstance(node.value, bool):
        raise node.refused("true or false")
    return node.value


def _yes_or_no_or_auto(node: Node) -> bool | None:
    if node.value == "auto":
        return None
    if not isinstance(node.value, bool):
        raise node.refused("true, false or auto")
    return node.value


def _command(node: Node) -> tuple[str, ...]:
    """Words as in a shell, or a list of them."""
    if isinstance(node.value, list | tuple):
        words = [item.text() for item in node.items()]
    else:
        try:
            words = shlex.split(node.text())
        except ValueError as error:
            raise node.error(f"{node.key} is {node.value!r}: {error}") from None
    if not words or not all(word.isprintable() for word in words):
        raise node.refused("a command: words as in a shell, or a list of them")
    return tuple(words)


def _python(node: Node) -> tuple[str, ...]:
    """A path, or a list of words: neither is split at its spaces."""
    if node.value is None:
        return ()
    words = tuple(item.text() for item in node.items())
    if not all(word and word.isprintable() for word in words):
        raise node.refused("a path or name, or a list: a command and its arguments")
    return words


def _image(node: Node) -> str:
    if not re.match(r"[a-z]+://.", node.text()):
        return str(_folder(node))
    return _word(node)


def _follow_up(node: Node) -> FollowUp | None:
    if node.value is False:
        return None
    given = node.mapping(tuple(OF_FOLLOW_UP))
    found = FollowUp(**{key: OF_FOLLOW_UP[key](child) for key, child in given.items()})
    if found.gpus and replace(found, gpus=0).gpus_asked:
        raise given["gpus"].error("gpus asks for GPUs, and so do gres or sbatch: one of them is enough")
    return found


OF_FOLLOW_UP: dict[str, Callable[[Node], Any]] = {
    "partition": _optional(_words),
    "account": _optional(_word),
    "qos": _optional(_words),
    "constraint": _optional(_word),
    "gres": _optional(_word),
    "memory": _optional(_mebibytes_or_none),
    "cpus": _at_least(1),
    "gpus": _at_least(0),
    "time": minutes,
    "python": _python,
    "sbatch": _optional(lambda node: _sbatch(node, KEYED_OF_FOLLOW_UP)),
}
# A task's CPUs are its threads.
FIELDS = {"cpus_per_task": "threads"}
_BOTH: dict[str, Callable[[Node], Any]] = {
    "pack_runs": _pack_runs,
    "pack_own_models": _yes_or_no_or_auto,
    "checkpoint_minutes": _at_least(1),
    "heartbeat_seconds": _optional(_at_least(1, f" to {MOST_HEARTBEAT}", MOST_HEARTBEAT)),
    "max_failures": _optional(_at_least(1)),
    "allow_cpu": _yes_or_no,
    "store": _optional(_folder),
    "data_root": _optional(_folder),
}
KINDS: dict[str, dict[str, Callable[[Node], Any]]] = {
    "local": {"tasks": _tasks, "threads": _at_least(1), "gpus": _at_least(0), **_BOTH},
    "slurm": {
        "partition": _optional(_words),
        "account": _optional(_words),
        "qos": _optional(_words),
        "constraint": _optional(_word),
        "gres": _optional(_word),
        "time": minutes,
        "memory": _optional(mebibytes),
        "max_memory": _optional(mebibytes),
        "max_time": _optional(minutes),
        "cpus_per_task": _at_least(1),
        "gpus_per_task": _at_least(0),
        "nodes": _at_least(1),
        "tasks_per_node": _at_least(1),
        "mode": _mode,
        "setup": _lines,
        "array_parallelism": _optional(_at_least(1)),
        "max_jobs": _optional(_at_least(1)),
        "sbatch": _optional(_sbatch),
        "follow_up": _follow_up,
        "notify": _optional(_command),
        "python": _python,
        "container": _optional(_image),
        "signal_seconds": _at_least(10),
        "scratch": _optional(_folder),
        "host": _optional(_host),
        "base": _optional(_base),
        **_BOTH,
    },
}

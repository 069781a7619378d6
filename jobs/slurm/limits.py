"""What a Slurm lets one submit: from `scontrol show config` and `show partition`, and from sacctmgr."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from jobs.cluster.cluster_config import Cluster

ASSOCIATION = ("Account", "Partition", "QOS", "DefaultQOS", "MaxSubmitJobs", "GrpSubmitJobs", "MaxWall")
QOS = ("Name", "MaxSubmitPU", "MaxSubmitPA", "GrpSubmit", "MaxWall", "Flags")
_PAIR = re.compile(r"(\S+?)=(.*?)(?=\s+\S+?=|\s*$)", re.DOTALL)


@dataclass(frozen=True, kw_only=True)
class Limits:
    """The largest array has `max_array_size` elements, its largest index one less.

    `max_submit_jobs` is how many jobs (an array's elements count each) one may have in the queue, None
    without such a limit; `queued_now` how many one has there. `max_time` is in minutes, None if unlimited.
    """

    max_array_size: int
    max_submit_jobs: int | None
    max_time: int | None
    queued_now: int

    @property
    def room(self) -> int | None:
        """Jobs that one may still submit; None without a limit."""
        return None if self.max_submit_jobs is None else max(0, self.max_submit_jobs - self.queued_now)


def parse_config(text: str) -> dict[str, str]:
    """`scontrol show config`: one `Key = value` a line."""
    pairs = (line.split("=", maxsplit=1) for line in text.splitlines() if "=" in line)
    return {key.strip(): value.strip() for key, value in pairs}


def parse_partition(text: str) -> dict[str, str]:
    """`scontrol --oneliner show partition NAME`: `Key=value` pairs."""
    return dict(_PAIR.findall(text.strip()))


def parse_table(text: str, names: Sequence[str]) -> tuple[dict[str, str], ...]:
    """The rows of sacctmgr's parsable output without its header."""
    rows = (line.split("|") for line in text.splitlines())
    return tuple(dict(zip(names, row, strict=True)) for row in rows if len(row) == len(names))


def tightest(values: Iterable[str]) -> int | None:
    """The smallest of Slurm's numbers, where an empty one is no limit."""
    numbers = [int(value) for value in values if value.isdigit()]
    return min(numbers, default=None)


def minutes(text: str) -> int | None:
    """`1-12:00:00` or `04:00:00` in minutes; None for `UNLIMITED`, `INFINITE` and an empty text.

    >>> minutes("1-12:00:00"), minutes("00:30:00"), minutes("UNLIMITED")
    (2160, 30, None)
    """
    parts = re.fullmatch(r"(?:(\d+)-)?(\d+):(\d+):(\d+)", text, re.ASCII)
    if not parts:
        return None
    days, hours, minute = (int(part or 0) for part in parts.groups()[:3])
    return days * 1440 + hours * 60 + minute


def submit_limit(
    associations: Sequence[Mapping[str, str]], qualities: Mapping[str, Mapping[str, str]], used: Iterable[str]
) -> int | None:
    """The tightest limit on submitted jobs of the associations and of the qualities of service `used`."""
    values = [row[key] for row in associations for key in ("MaxSubmitJobs", "GrpSubmitJobs")]
    for name in used:
        values += [
            qualities.get(name, {}).get(key, "") for key in ("MaxSubmitPU", "MaxSubmitPA", "GrpSubmit")
        ]
    return tightest(values)


def limits_of(
    cluster: Cluster,
    config: Mapping[str, str],
    partitions: Mapping[str, Mapping[str, str]],
    *,
    associations: Sequence[Mapping[str, str]],
    qualities: Mapping[str, Mapping[str, str]],
    queued: int,
) -> Limits:
    """The tightest of what controller, partition, association and qualities of service say."""
    partition = partitions.get(cluster.partition or default_partition(partitions), {})
    mine = [row for row in associations if _applies(row, cluster)]
    own_qos = [cluster.qos] if cluster.qos else [row["DefaultQOS"] for row in mine]
    used = {name for name in (*own_qos, partition.get("QoS", "")) if name}
    walls = [
        minutes(row["MaxWall"]) for row in (*mine, *(qualities[name] for name in used & qualities.keys()))
    ]
    times = [time for time in (minutes(partition.get("MaxTime", "")), *walls) if time is not None]
    return Limits(
        max_array_size=int(config.get("MaxArraySize", "1001")),
        max_submit_jobs=submit_limit(mine, qualities, used),
        max_time=min(times, default=None),
        queued_now=queued,
    )


def default_partition(partitions: Mapping[str, Mapping[str, str]]) -> str:
    """The partition of jobs that name none; empty if there is none."""
    return next((name for name, row in partitions.items() if row.get("Default") == "YES"), "")


def _applies(association: Mapping[str, str], cluster: Cluster) -> bool:
    """Whether an association is one that the cluster config's jobs would have."""
    account = cluster.account in (None, association["Account"])
    return account and association["Partition"] in ("", cluster.partition)

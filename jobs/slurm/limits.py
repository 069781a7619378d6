"""What a Slurm lets one submit: from `scontrol show config` and `show partition`, and from sacctmgr.

Slurm's own order holds: what the partition's quality of service sets stands before the job's (the other way
round with the flag OverPartQOS), that before what the association sets.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import product
from typing import NamedTuple

from jobs.cluster.cluster_config import Cluster

ASSOCIATION = ("Account", "Partition", "QOS", "DefaultQOS", "MaxSubmitJobs", "GrpSubmitJobs", "MaxWall")
ACCOUNT = ("Account", "ParentName", "GrpSubmitJobs")
QOS = ("Name", "MaxSubmitPU", "MaxSubmitPA", "GrpSubmit", "MaxWall", "Flags", "MinTRES")
_PAIR = re.compile(r"(\S+?)=(.*?)(?=\s+\S+?=|\s*$)", re.DOTALL)


@dataclass(frozen=True, kw_only=True)
class Limits:
    """The largest array has `max_array_size` elements, its largest index one less.

    `max_submit_jobs` is how many jobs (an array's elements count each) one may have in the queue, None
    without such a limit; `queued_now` how many one has there that count to it: of several limits that of
    which least is left. `max_time` is in minutes, None if unlimited;
    `time_of` is what sets it, `sure` whether that is a partition, the same for whoever submits. `partition`
    is the one that is meant. `least` is what a job's quality of service wants it to ask for at least, by
    resource.
    """

    max_array_size: int
    max_submit_jobs: int | None
    max_time: int | None
    queued_now: int
    sure: bool = True
    time_of: str = ""
    partition: str = ""
    least: Mapping[str, int] = field(default_factory=dict)

    @property
    def room(self) -> int | None:
        """Jobs that one may still submit; None without a limit."""
        return None if self.max_submit_jobs is None else max(0, self.max_submit_jobs - self.queued_now)

    def beyond(self, minutes: int, key: str = "time") -> str:
        """Why a time limit of so many minutes is too long; empty where it is not."""
        if self.max_time is None or minutes <= self.max_time:
            return ""
        return f"{key} is {minutes} minutes, but {self.time_of or 'this Slurm'} allows {self.max_time}"


class Charged(NamedTuple):
    """A job of one's own in the queue: to which limits it counts."""

    account: str
    qualities: Sequence[str]
    partitions: Sequence[str]


Counts = Callable[[Charged], bool]
"""Whether a job counts to a limit."""

CHARGED = "%a|%q|%P"
"""The format in which `squeue --array` says that."""


def parse_charged(text: str) -> list[Charged]:
    """Of each job or element of an array; lines of another form (a greeting) are passed over."""
    rows = (line.strip().split("|") for line in text.splitlines())
    return [
        Charged(row[0].lower(), row[1].lower().split(","), row[2].split(",")) for row in rows if len(row) == 3
    ]


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


def limits_of(
    cluster: Cluster,
    config: Mapping[str, str],
    partitions: Mapping[str, Mapping[str, str]],
    *,
    associations: Sequence[Mapping[str, str]],
    qualities: Mapping[str, Mapping[str, str]],
    queued: Sequence[Charged],
    default_account: str = "",
    accounts: Sequence[Mapping[str, str]] = (),
) -> Limits:
    """What holds for the cluster config's jobs: the strictest of several partitions, and of qualities.

    `queued` are the jobs that one has in the queue already.
    """
    names = (cluster.partition or default_partition(partitions)).split(",")
    account = (cluster.account or default_account).lower()
    found = [
        _Effective.of(name, partitions.get(name, {}), account, qos, associations, qualities)
        for name, qos in product(names, (cluster.qos or "").split(","))
    ]
    parents = {row["Account"].lower(): row["ParentName"].lower() for row in accounts}
    above = [(row["GrpSubmitJobs"], _below(name, parents)) for name, row in _above(account, accounts)]
    times = [(minutes_, not own, of, each.name) for each in found for minutes_, own, of in each.times()]
    longest, sure, of, name = min(times, default=(None, True, "", ",".join(names)))
    size = config.get("MaxArraySize", "")
    submits = [
        (int(most), sum(map(counts, queued)))
        for each in found
        for most, counts in each.submits(above, partitions)
        if most.isdecimal()
    ]
    most, now = min(submits, key=lambda pair: (pair[0] - pair[1], pair), default=(None, len(queued)))
    return Limits(
        max_array_size=int(size) if size.isdecimal() else 1001,
        max_submit_jobs=most,
        max_time=longest,
        queued_now=now,
        sure=sure,
        time_of=of,
        partition=name,
        least=_everywhere([least(each.qualities) for each in found]),
    )


@dataclass(frozen=True, kw_only=True)
class _Effective:
    """Partition, association and qualities of service of a job, these in the order in which they hold."""

    name: str
    partition: Mapping[str, str]
    association: Mapping[str, str]
    qualities: Sequence[Mapping[str, str]]

    @classmethod
    def of(
        cls,
        name: str,
        partition: Mapping[str, str],
        account: str,
        qos: str,
        associations: Sequence[Mapping[str, str]],
        qualities: Mapping[str, Mapping[str, str]],
    ) -> _Effective:
        mine = [row for row in associations if account in ("", row["Account"].lower())]
        fitting = [row for row in mine if row["Partition"] == name] or [
            row for row in mine if not row["Partition"]
        ]
        association = fitting[0] if fitting else {}
        own = qualities.get((qos or _usual(association)).lower(), {})
        other = qualities.get(partition.get("QoS", "").lower(), {})
        order = (own, other) if "OverPartQOS" in own.get("Flags", "") else (other, own)
        return cls(
            name=name, partition=partition, association=association, qualities=[row for row in order if row]
        )

    def times(self) -> Iterator[tuple[int, bool, str]]:
        """Limits in minutes, each with whether it depends on who submits, and with what sets it."""
        rows = [(row, f"qos {row['Name']}") for row in self.qualities]
        rows.append((self.association, f"account {self.association.get('Account', '')}"))
        walls = ((minutes(row.get("MaxWall", "")), of) for row, of in rows)
        if wall := next(((found, of) for found, of in walls if found), None):
            yield wall[0], True, wall[1]
        flags = ",".join(row.get("Flags", "") for row in self.qualities)
        ours = minutes(self.partition.get("MaxTime", ""))
        if ours is not None and "PartitionTimeLimit" not in flags:
            yield ours, False, f"partition {self.name}"

    def submits(
        self, above: Iterable[tuple[str, Counts]], partitions: Mapping[str, Mapping[str, str]]
    ) -> Iterator[tuple[str, Counts]]:
        """Limits on submitted jobs, of a user and of groups of users, each with what counts to it."""
        own = _charged(self.association, self.name)

        def first(key: str) -> tuple[str, Counts] | None:
            row = next((row for row in self.qualities if row.get(key)), None)
            return (row[key], _having(row["Name"], partitions)) if row else None

        yield first("MaxSubmitPU") or (self.association.get("MaxSubmitJobs", ""), own)
        if found := first("MaxSubmitPA"):
            most, having = found
            account = self.association.get("Account", "").lower()
            yield most, lambda job: job.account == account and having(job)
        if found := first("GrpSubmit"):
            yield found
        else:
            yield self.association.get("GrpSubmitJobs", ""), own
            yield from above


def _charged(association: Mapping[str, str], partition: str) -> Counts:
    """What counts to an association: jobs of its account, and of its partition where it has one."""
    account, of_partition = association.get("Account", "").lower(), bool(association.get("Partition"))
    return lambda job: job.account == account and (not of_partition or partition in job.partitions)


def _having(quality: str, partitions: Mapping[str, Mapping[str, str]]) -> Counts:
    """What counts to a quality of service: jobs that have it, and those of partitions that have it."""
    name = quality.lower()
    places = {place for place, about in partitions.items() if about.get("QoS", "").lower() == name}
    return lambda job: name in job.qualities or not places.isdisjoint(job.partitions)


def _below(account: str, parents: Mapping[str, str]) -> Counts:
    """What counts to an account: jobs of it, and of those below it."""

    def counts(job: Charged) -> bool:
        name, seen = job.account, set[str]()
        while name and name != account and name not in seen:
            seen.add(name)
            name = parents.get(name, "")
        return name == account

    return counts


def _usual(association: Mapping[str, str]) -> str:
    """The quality of service of jobs that name none."""
    names = association.get("QOS", "").split(",")
    return association.get("DefaultQOS") or (names[0] if len(names) == 1 else "normal")


def _above(account: str, accounts: Sequence[Mapping[str, str]]) -> Iterator[tuple[str, Mapping[str, str]]]:
    """An account, and those above it, by their names."""
    rows = {row["Account"].lower(): row for row in accounts}
    while row := rows.pop(account, None):
        yield account, row
        account = row["ParentName"].lower()


def least(qualities: Iterable[Mapping[str, str]]) -> dict[str, int]:
    """What a job must ask for at least, as `{"cpu": 2, "gres/gpu": 1}`: of each kind, what comes first."""
    found: dict[str, int] = {}
    for row in qualities:
        for each in row.get("MinTRES", "").split(","):
            name, _, number = each.partition("=")
            if number.isdecimal():
                found.setdefault(name, int(number))
    return found


def _everywhere(each: Sequence[Mapping[str, int]]) -> dict[str, int]:
    """What all of several places want, of which a job may start in any."""
    first, *others = each
    names = [name for name in first if all(name in other for other in others)]
    return {name: min(one[name] for one in each) for name in names}


def default_partition(partitions: Mapping[str, Mapping[str, str]]) -> str:
    """The partition of jobs that name none; empty if there is none."""
    return next((name for name, row in partitions.items() if row.get("Default") == "YES"), "")

"""What a cluster config asks for against what Slurm says there is. No I/O."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from jobs.cluster.cluster_config import Cluster
from jobs.cluster_check.finding import Finding, failed, passed, warned
from jobs.slurm.least import follow_up_below, training_below
from jobs.slurm.limits import Limits, default_partition
from jobs.slurm.refusals import hint
from jobs.slurm.sbatch_request import small_minutes
from jobs.slurm.taking_nodes import AWAY
from jobs.support.readable_numbers import plural
from regularize.errors import one_of


def partition(
    cluster: Cluster,
    partitions: Mapping[str, Mapping[str, str]],
    nodes: Mapping[str, Mapping[str, int]] | None = None,
) -> Finding:
    """Whether the partitions are there, up and large enough; `nodes` are theirs, by state."""
    names = cluster.partition or default_partition(partitions)
    if not names:
        return failed(
            "partition", "this Slurm has no default partition", f"add `partition:`, {one_of('', partitions)}"
        )
    found = [_partition(cluster, name, partitions, nodes or {}) for name in names.split(",")]
    bad = [finding for finding in found if finding.state == "fail"]
    return bad[0] if bad else passed("partition", "; ".join(finding.found for finding in found))


def _partition(
    cluster: Cluster,
    name: str,
    partitions: Mapping[str, Mapping[str, str]],
    states: Mapping[str, Mapping[str, int]],
) -> Finding:
    if name not in partitions:
        return failed(
            "partition", f"there is no partition {name!r}", f"set `partition:` to {one_of(name, partitions)}"
        )
    row = partitions[name]
    state, nodes = row.get("State", "UP"), int(row.get("TotalNodes", "0"))
    if state != "UP":
        others = [other for other, about in partitions.items() if about.get("State") == "UP"]
        return failed("partition", f"{name} is {state.lower()}", f"wait for it, or use {one_of('', others)}")
    if cluster.nodes > nodes:
        return failed(
            "partition", f"{name} has {plural(nodes, 'node')}, nodes is {cluster.nodes}", "lower `nodes:`"
        )
    mine = states.get(name, {})
    if mine and not mine.keys() - AWAY:
        words = ", ".join(f"{number} {state}" for state, number in mine.items())
        others = [other for other, about in states.items() if about.keys() - AWAY]
        return failed(
            "partition",
            f"no node of {name} takes jobs now: {words}",
            "`sinfo -R` says why; wait for them" + (f", or use {one_of('', others)}" if others else ""),
        )
    return passed("partition", f"{name}: up, {plural(nodes, 'node')}")


def time_limit(cluster: Cluster, limits: Limits, *, taken: bool) -> Finding:
    """`taken` is whether Slurm would take the job: of a user's own limit it may, and never start it."""
    if limits.max_time is None or cluster.time <= limits.max_time:
        sets = f"{limits.time_of} allows {limits.max_time} min" if limits.max_time else "Slurm sets no limit"
        return passed("time", f"{cluster.time} min a job; {sets}")
    waits = taken and not limits.sure
    return (warned if waits else failed)(
        "time",
        f"{cluster.time} min a job, but at most {limits.max_time} min are allowed ({limits.time_of}): "
        + ("Slurm takes such jobs, and may never start them" if waits else "it would never start"),
        f"`time: {limits.max_time}` or less (work that is cut short goes on), or another partition or qos",
    )


def array_size(limits: Limits) -> Finding:
    most = limits.max_array_size
    if most < 1:
        return passed("arrays", "this Slurm allows no job arrays: each element is a job of its own")
    return passed("arrays", f"of up to {plural(most, 'element')}; longer ones are cut")


def submitted_jobs(limits: Limits) -> Finding:
    most, queued = limits.max_submit_jobs, limits.queued_now
    if most is None:
        return passed("jobs", f"no limit on submitted jobs; {queued:,} queued now")
    if most < 2:
        return failed(
            "jobs",
            f"at most {plural(most, 'job')} at a time",
            "two are needed: for runs, and to go on after them",
        )
    if limits.room is not None and limits.room < 2:
        return warned("jobs", f"{queued:,} of at most {most:,} are queued", "wait until some have ended")
    return passed("jobs", f"at most {most:,} submitted at a time; {queued:,} queued now")


def account(
    cluster: Cluster, enforced: Sequence[str], associations: Sequence[Mapping[str, str]] | None
) -> Finding:
    """Whether account and qos are ones of the user; `enforced` is `AccountingStorageEnforce`."""
    if associations is None:
        return passed("account", "this Slurm keeps no accounts of users")
    complain = failed if "associations" in enforced else warned
    if not associations:
        return complain("account", "you have no account on this cluster", "ask its administrators for one")
    accounts = sorted({row["Account"] for row in associations})
    wanted = [name for name in (cluster.account or "").split(",") if name]
    for name in wanted:
        if name.lower() not in {other.lower() for other in accounts}:  # as Slurm keeps them
            return complain(
                "account",
                f"{name!r} is none of your accounts",
                f"set `account:` to {one_of(name, accounts)}",
            )
    lower = {name.lower() for name in wanted}
    mine = [row for row in associations if not lower or row["Account"].lower() in lower]
    qualities = sorted({name for row in mine for name in row["QOS"].split(",") if name})
    for name in (cluster.qos or "").split(","):
        if name and name.lower() not in {other.lower() for other in qualities}:
            return complain(
                "account",
                f"qos {name!r} is not open to you",
                f"set `qos:` to {one_of(name, qualities)}",
            )
    return passed(
        "account", f"{cluster.account or ', '.join(accounts)}; qos {', '.join(qualities) or 'default'}"
    )


def request(code: int, said: str, name: str = "request") -> Finding:
    """What `sbatch --test-only` said of a job."""
    if code == 0:
        own = [line for line in said.split("; ") if line.startswith("sbatch: ")]  # not a site's greeting
        return passed(name, "; ".join(line.removeprefix("sbatch: ") for line in own) or said)
    return failed(name, said, hint(said) or "mend what it names")


def least(cluster: Cluster, limits: Limits) -> Finding | None:
    """What the quality of service wants of a training job that Slurm would take, and never start."""
    why = training_below(cluster, limits.least)
    return failed("request", why, "ask for more, or set another `qos:`") if why else None


def follow_up(cluster: Cluster, limits: Limits, code: int, said: str, refused: str = "") -> Finding:
    """What `sbatch --test-only` said of the job that goes on after the arrays; `refused` is why it could
    submit none.
    """
    found = request(code, said, "follow-up")
    if code:
        asked = "`follow_up: {partition: …, qos: …, constraint: …, memory: …, …}` asks otherwise"
        return failed("follow-up", said, f"{found.todo}; {asked}, `follow_up: false` does without it")
    if why := limits.beyond(small_minutes(cluster, limits.max_time), "its time"):
        never = "it would never start" if limits.sure else "Slurm takes such jobs, and may never start them"
        todo = f"`follow_up: {{time: {limits.max_time}}}` or less"
        return (failed if limits.sure else warned)("follow-up", f"{why}: {never}", todo)
    why, todo = follow_up_below(cluster, limits.least)
    if why:
        return failed("follow-up", why, todo)
    if refused:
        return warned(
            "follow-up",
            f"{refused}: it is left out",
            "`submit --wait` on a login node goes on by itself; else `submit` again after each phase",
        )
    return found


def history(available: bool) -> Finding:
    if available:
        return passed("accounting", "sacct answers")
    return warned(
        "accounting",
        "sacct does not answer: what became of jobs that ended early stays unknown",
        "nothing to do if the cluster has no slurmdbd; else try again later",
    )

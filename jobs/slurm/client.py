"""The only place that runs Slurm's programs. Text goes to the parsers of the neighbouring files."""

from __future__ import annotations

import errno
import os
import pwd
import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from jobs.cluster.cluster_config import Cluster
from jobs.slurm import limits as text
from jobs.slurm.alloc_nodes import refused_to_follow_up
from jobs.slurm.environment import reading
from jobs.slurm.job_ids import answered
from jobs.slurm.limits import Charged, Limits
from jobs.slurm.node_names import expanded
from jobs.slurm.sacct import FIELDS, PastTask, parse_accounting
from jobs.slurm.squeue import FORMAT, QueuedTask, parse_queue, parse_shown
from jobs.slurm.taking_nodes import plain_state, taking_nodes
from regularize.errors import UserError

TIMEOUT, LEAST_TIMEOUT = 120.0, 10.0  # seconds that one program may take
FIRST_WAIT, LONGEST_WAIT = 5.0, 60.0
# What the programs say when the controller or the network has failed for the moment.
_PASSING = (
    "unable to contact slurm controller", "socket timed out", "connection refused", "connection timed out",
    "zero bytes were transmitted", "temporarily unable", "timed out", "unexpected message received",
    "connection reset", "slurmctld is not responding", "in standby mode",
)  # fmt: skip
_UNKNOWN_JOB = ("invalid job id", "job/step already completing or completed")


@dataclass(frozen=True, kw_only=True)
class Done:
    """A program that has ended."""

    code: int
    out: str
    err: str

    @property
    def said(self) -> str:
        """What it said of its failure, on one line."""
        lines = (self.err or self.out).strip().splitlines()
        return "; ".join(line.strip() for line in lines) or f"exit code {self.code}"


Run = Callable[[Sequence[str], str | None], Done]


def run_program(command: Sequence[str], given: str | None = None, timeout: float = TIMEOUT) -> Done:
    """Run one of Slurm's programs, `given` being its standard input, for `timeout` seconds at most.

    Where this host has no process or memory left for it, it has failed for the moment.

    Raises:
        UserError: this host does not have it, or cannot start it.
    """
    try:
        done = subprocess.run(
            command,
            input=given,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=timeout,
            env=reading(os.environ),
            check=False,
        )
    except OSError as error:
        why = f"{command[0]} cannot be started: {error.strerror}"
        if error.errno in (errno.EAGAIN, errno.ENOMEM):
            return Done(code=1, out="", err=f"temporarily unable: {why}")
        if not isinstance(error, FileNotFoundError | PermissionError | NotADirectoryError):
            raise UserError(why) from None
        raise UserError(
            f"there is no {command[0]} on this host: Slurm is not installed here, or not in PATH "
            f"(try `module load slurm`, or a login node of the cluster)"
        ) from None
    except subprocess.TimeoutExpired:
        return Done(code=1, out="", err=f"{command[0]} timed out after {timeout:.0f} s")
    return Done(code=done.returncode, out=done.stdout, err=done.stderr)


def passing(said: str) -> bool:
    """Whether what a program said means that the controller or the network has failed for the moment."""
    return any(message in said.lower() for message in _PASSING)


def _silent(_: str) -> None:
    """Say nothing."""


def _user() -> str:
    """The user's name; its number where the system knows no name."""
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        return str(os.getuid())


@dataclass(frozen=True, kw_only=True)
class Slurm:
    """Slurm as its programs show it.

    While the controller cannot be reached, they are tried again for `patience` seconds, those that they
    take to fail included, and `say` is told so each time. One that hangs is given up after as long, but
    after `TIMEOUT` at the latest.
    """

    run: Run | None = None  # `run_program`, unless given
    say: Callable[[str], None] = _silent
    patience: float = 300.0
    sleep: Callable[[float], None] = time.sleep
    clock: Callable[[], float] = time.monotonic

    def queue(self, job_ids: Sequence[str]) -> tuple[QueuedTask, ...]:
        """These jobs, those that ended lately, too; what Slurm no longer knows is absent. One squeue."""
        return self._queue("--states=all", f"--jobs={','.join(job_ids)}") if job_ids else ()

    def queue_by_name(self, names: Sequence[str]) -> tuple[QueuedTask, ...]:
        """One's own jobs of these names, those that ended lately, too. One squeue."""
        options = ("--states=all", f"--user={os.getuid()}", f"--name={','.join(names)}")
        return self._queue(*options) if names else ()

    def shown(self, job_id: str) -> tuple[QueuedTask, ...] | None:
        """What the controller shows of a job, nothing if it says that it has none such. One scontrol.

        None stands for an answer that says neither: of squeue and sacct silence cannot be told from no.
        """
        done = self._ask(["scontrol", "--oneliner", "show", "job", job_id], _UNKNOWN_JOB)
        return () if done.code else parse_shown(done.out) or None

    def shown_by_name(self, names: Sequence[str]) -> tuple[QueuedTask, ...] | None:
        """The jobs of these names among all that the controller shows, None as for `shown`. One scontrol."""
        lines = self._ask(["scontrol", "--oneliner", "show", "job"]).out.splitlines()
        if not any(line.startswith(("JobId=", "No jobs in the system")) for line in lines):
            return None
        wanted = "\n".join(line for line in lines if any(f"JobName={name} " in line for name in names))
        return parse_shown(wanted)

    @property
    def accounts(self) -> bool:
        """Whether this Slurm keeps accounts of jobs, whether or not they can be had now."""
        kind = self.config().get("AccountingStorageType", "slurmdbd")
        return kind.removeprefix("accounting_storage/") not in ("none", "(null)", "")

    def queued(self) -> tuple[QueuedTask, ...]:
        """All that one has in the queue oneself. One squeue."""
        return self._queue(f"--user={os.getuid()}")

    def charged(self) -> list[Charged]:
        """To which limits that counts, each element of an array by itself. One squeue."""
        command = ["squeue", "--noheader", "--array", f"--user={os.getuid()}", f"--format={text.CHARGED}"]
        return text.parse_charged(self._ask(command).out)

    def accounting(self, job_ids: Sequence[str]) -> tuple[PastTask, ...] | None:
        """Every attempt at these jobs, None where Slurm keeps no account of them. One sacct."""
        return self._accounting(f"--jobs={','.join(job_ids)}") if job_ids else ()

    def accounting_by_name(self, names: Sequence[str], since: datetime) -> tuple[PastTask, ...] | None:
        """Every attempt at one's own jobs of these names since a time. One sacct."""
        if not names:
            return ()
        start = since.astimezone().strftime("%Y-%m-%dT%H:%M:%S")
        return self._accounting(f"--user={os.getuid()}", f"--name={','.join(names)}", f"--starttime={start}")

    def state_of(self, job_id: str) -> str:
        """The state of one job, or of one element as `13_4`; empty if Slurm does not know it."""
        done = self._ask(
            ["squeue", "--noheader", "--states=all", f"--jobs={job_id}", "--format=%T"], _UNKNOWN_JOB
        )
        return (done.out.split() or [""])[0]

    def cancel(self, job_ids: Sequence[str]) -> None:
        """End jobs, or elements as `13_4`; those that have ended already do not matter."""
        if job_ids:
            self._ask(["scancel", "--quiet", *job_ids], _UNKNOWN_JOB)

    def requeue(self, job_id: str) -> None:
        """Put a running job, or an element as `13_4`, back into the queue: it ends and starts again later."""
        self._ask(["scontrol", "requeue", job_id])

    def config(self) -> dict[str, str]:
        """The cluster's configuration."""
        return text.parse_config(self._ask(["scontrol", "show", "config"]).out)

    def partitions(self) -> dict[str, dict[str, str]]:
        """The partitions that one may see, by name."""
        lines = self._ask(["scontrol", "--oneliner", "show", "partition"]).out.splitlines()
        rows = (text.parse_partition(line) for line in lines)
        return {row["PartitionName"]: row for row in rows if "PartitionName" in row}

    def associations(self, cluster: str = "") -> tuple[dict[str, str], ...] | None:
        """One's own associations with a cluster of that name, None where Slurm keeps no account of users."""
        where = [f"cluster={cluster}"] if cluster else []
        return self._table("association", text.ASSOCIATION, f"user={_user()}", *where)

    def default_account(self) -> str:
        """The account of jobs that name none; empty where that is not known."""
        rows = self._table("user", ("DefaultAccount",), f"name={_user()}") or ({"DefaultAccount": ""},)
        return rows[0]["DefaultAccount"]

    def accounts_above(self, cluster: str) -> tuple[dict[str, str], ...]:
        """All accounts of a cluster, each with the one above it; none where Slurm keeps none."""
        return self._table("association", text.ACCOUNT, "user=", f"cluster={cluster}") or ()

    def node_states(self) -> dict[str, dict[str, int]]:
        """How many nodes of each partition are in which state (`idle`, `drained`, …)."""
        found: dict[str, dict[str, int]] = {}
        for line in self._ask(["sinfo", "--noheader", "--format=%R|%T|%D"]).out.splitlines():
            name, _, rest = line.partition("|")
            state, _, number = rest.partition("|")
            if number.strip().isdecimal():
                states = found.setdefault(name, {})
                states[plain_state(state)] = states.get(state, 0) + int(number)
        return found

    def taking_nodes(self, cluster: Cluster) -> set[str]:
        """The nodes that take its training jobs now. One sinfo, and one scontrol."""
        lines = self._ask(["sinfo", "--noheader", "--Node", "--format=%R|%N|%T"]).out.splitlines()
        return taking_nodes(cluster, self.partitions(), lines)

    def node_names(self) -> tuple[str, ...]:
        """The nodes of all partitions that one may see. One scontrol."""
        named = (name for row in self.partitions().values() for name in expanded(row.get("Nodes", "")))
        return tuple(dict.fromkeys(named))

    def qualities(self) -> dict[str, dict[str, str]]:
        """The qualities of service by name, none where Slurm keeps no account of users."""
        return {row["Name"]: row for row in self._table("qos", text.QOS) or ()}

    def limits(self, cluster: Cluster) -> Limits:
        """What the cluster lets one submit as its config asks."""
        config, partitions = self.config(), self.partitions()
        enforced = "limits" in config.get("AccountingStorageEnforce", "").split(",")
        name = config.get("ClusterName", "")
        return text.limits_of(
            cluster,
            config,
            partitions,
            associations=(self.associations(name) or ()) if enforced else (),
            qualities=self.qualities() if enforced else {},
            queued=self.charged(),
            default_account=self.default_account() if enforced else "",
            accounts=self.accounts_above(name) if enforced else (),
        )

    def hosts(self, names: str) -> tuple[str, ...]:
        """The names of nodes that Slurm's shorthand stands for, such as `n[1-2],login`. One scontrol."""
        return tuple(self._ask(["scontrol", "show", "hostnames", names]).out.split())

    def refused_to_follow_up(self, cluster: Cluster) -> str:
        """Why the follow-up could submit no jobs, as far as partitions say; empty where it can."""
        return refused_to_follow_up(cluster, self.partitions(), self.hosts)

    def test_only(self, script: str) -> Done:
        """What Slurm says of a job's script without starting it."""
        return self._patiently(["sbatch", "--test-only"], script)

    def submit(self, script: str) -> str:
        """Submit a job's script; its id.

        Raises:
            UserError: Slurm refuses, or its answer has no id.
        """
        try:
            return answered(self._ask(["sbatch", "--parsable"], given=script).out)
        except ValueError as error:
            raise UserError(f"sbatch's answer is not understood: {error}") from None

    def _queue(self, *options: str) -> tuple[QueuedTask, ...]:
        command = ["squeue", "--noheader", f"--format={FORMAT}", *options]
        return parse_queue(self._ask(command, _UNKNOWN_JOB).out)

    def _accounting(self, *options: str) -> tuple[PastTask, ...] | None:
        command = [
            "sacct",
            "--noheader",
            "--parsable2",
            "--duplicates",
            f"--format={','.join(FIELDS)}",
            *options,
        ]
        done = self._run(command, None)
        return parse_accounting(done.out) if done.code == 0 else None

    def _table(self, what: str, fields: Sequence[str], *where: str) -> tuple[dict[str, str], ...] | None:
        conditions = ["where", *where] if where else []
        command = [
            "sacctmgr",
            "--noheader",
            "--parsable2",
            "show",
            what,
            *conditions,
            f"format={','.join(fields)}",
        ]
        done = self._run(command, None)
        return text.parse_table(done.out, fields) if done.code == 0 else None

    def _ask(self, command: Sequence[str], harmless: Sequence[str] = (), given: str | None = None) -> Done:
        """The program's answer; a failure is an error unless its message is among the `harmless`."""
        done = self._patiently(command, given)
        if done.code and not any(message in done.said.lower() for message in harmless):
            raise UserError(f"{command[0]} failed: {done.said}")
        return done

    def _run(self, command: Sequence[str], given: str | None) -> Done:
        if self.run:
            return self.run(command, given)
        return run_program(command, given, min(TIMEOUT, max(self.patience, LEAST_TIMEOUT)))

    def _patiently(self, command: Sequence[str], given: str | None = None) -> Done:
        waited, wait = 0.0, FIRST_WAIT
        while True:
            began = self.clock()
            done = self._run(command, given)
            waited += self.clock() - began
            if not (done.code and passing(done.said)):
                return done
            if waited >= self.patience:
                raise UserError(f"Slurm has not answered for {waited:.0f} s: {done.said}")
            wait = min(wait, self.patience - waited)
            self.say(f"Slurm does not answer ({done.said}); trying again in {wait:.0f} s")
            self.sleep(wait)
            waited, wait = waited + wait, min(2 * wait, LONGEST_WAIT)

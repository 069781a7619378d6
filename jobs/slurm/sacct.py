"""sacct: what became of jobs, one value for each attempt of each element of an array."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime

from jobs.slurm.job_ids import indices, instant

# The name last, as it may hold a delimiter.
FIELDS = (
    "JobID", "State", "ExitCode", "ElapsedRaw", "NodeList", "Reason", "Start", "End", "MaxRSS", "TotalCPU",
    "ReqMem", "AllocCPUS", "AllocNodes", "TimelimitRaw", "TRESUsageInAve", "TRESUsageInTot", "NTasks",
    "JobName",
)  # fmt: skip
_SIZE = re.compile(r"(\d{1,18}(?:\.\d+)?)([KMGTP]?)([nc]?)", re.ASCII)
_CLOCK = re.compile(r"(?:(?:(\d+)-)?(\d+):)?(\d+):(\d+(?:\.\d+)?)", re.ASCII)
_BYTES = {unit: 1024**power for power, unit in enumerate(("", "K", "M", "G", "T", "P"))}
_MEMORY = re.compile(r"(?:^|,)mem=([\d.]+[KMGTP]?)(?=,|$)", re.ASCII)
_KILLED = (9, 128 + 9)  # as a signal, and as a shell's exit code
_GPU = re.compile(r"gres/gpuutil=(\d+(?:\.\d+)?)(?=,|$)", re.ASCII)


@dataclass(frozen=True, kw_only=True)
class PastTask:
    """One attempt at a job, or at one element of an array; the last attempt is the one that counts.

    `attempt` counts from 0 in the order of time: Slurm requeues under the same id. `state` is one word
    (`CANCELLED`, `OUT_OF_MEMORY`, …; also `PENDING` and `RUNNING`; where a job is only `FAILED`
    and a step of it `OUT_OF_MEMORY`, that), `memory` and `used_memory` are in
    bytes a node, `memory` as asked for and `used_memory` what the tasks of a node took at most, pages that
    they share counted for each; `cpu_seconds` are those used and `elapsed` is in seconds. None stands for
    what was not recorded: without an accounting of steps, `used_memory`; before a step has ended,
    `cpu_seconds`.
    """

    job_id: str
    index: int | None
    attempt: int
    name: str
    state: str
    exit_code: int
    signal: int
    elapsed: int
    nodes: str
    reason: str
    start: datetime | None
    end: datetime | None
    used_memory: int | None
    cpu_seconds: float | None
    memory: int | None
    cpus: int
    node_count: int
    time_limit: int | None
    gpu_percent: float | None

    @property
    def out_of_memory(self) -> bool:
        """Whether it was ended for taking more memory than it had asked for.

        Where a cluster does not confine jobs in cgroups, Slurm notices and kills, but calls it a failure.
        """
        killed = self.state in ("FAILED", "CANCELLED") and (
            self.exit_code in _KILLED or self.signal in _KILLED
        )
        over = self.memory is not None and (self.used_memory or 0) > self.memory
        return self.state == "OUT_OF_MEMORY" or (killed and over)


def parse_accounting(text: str) -> tuple[PastTask, ...]:
    """The attempts in sacct's parsable output of `FIELDS`: jobs, each followed by its steps.

    A federation's copies of a job that another cluster has started are left out, and so is what has another
    form: of a job's row, the job with its steps, of a step's, the step.
    """
    attempts: list[PastTask] = []
    job = ""  # whose steps follow
    for line in text.splitlines():
        values = line.split("|", maxsplit=len(FIELDS) - 1)
        if len(values) < len(FIELDS):
            continue
        row = dict(zip(FIELDS, values, strict=True))
        with suppress(ValueError):
            if "." not in row["JobID"]:
                job = ""
                attempts += list(_job(row))
                job = row["JobID"]
            elif job and row["JobID"].startswith(f"{job}."):
                attempts[-1] = _with_step(attempts[-1], row)
    return _numbered([task for task in attempts if task.state != "REVOKED"])


def _job(row: Mapping[str, str]) -> Iterator[PastTask]:
    job_id, elements = indices(row["JobID"])
    code, _, signal = row["ExitCode"].partition(":")
    for index in elements:
        yield PastTask(
            job_id=job_id,
            index=index,
            attempt=0,
            name=row["JobName"],
            state=(row["State"].split() or ["UNKNOWN"])[0],
            exit_code=int(code or 0),
            signal=int(signal or 0),
            elapsed=int(row["ElapsedRaw"] or 0),
            nodes="" if row["NodeList"].startswith("None") else row["NodeList"],
            reason=row["Reason"],
            start=instant(row["Start"]),
            end=instant(row["End"]),
            used_memory=None,
            cpu_seconds=seconds(row["TotalCPU"]) or None,
            memory=_asked_of_a_node(row),
            cpus=int(row["AllocCPUS"] or 0),
            node_count=int(row["AllocNodes"] or 0),
            time_limit=int(row["TimelimitRaw"]) if row["TimelimitRaw"].isdecimal() else None,
            gpu_percent=None,
        )


def _with_step(task: PastTask, row: Mapping[str, str]) -> PastTask:
    """The attempt, as a further step of it shows what it used.

    Raises:
        ValueError: a number is none.
    """
    if task.state == "FAILED" and row["State"] == "OUT_OF_MEMORY":
        task = replace(task, state="OUT_OF_MEMORY")
    used, gpu = _used_on_a_node(row), _GPU.search(row["TRESUsageInAve"])
    if used is not None:
        task = replace(task, used_memory=max(used, task.used_memory or 0))
    if gpu:
        task = replace(task, gpu_percent=max(float(gpu[1]), task.gpu_percent or 0.0))
    return task


def _asked_of_a_node(row: Mapping[str, str]) -> int | None:
    """Bytes of `ReqMem`: of a node (`4Gn`) or of a CPU (`1Gc`) before Slurm 21.08, of the whole job since.

    None where it is 0: by `--mem=0` a job has all that its nodes have.
    """
    asked = size(row["ReqMem"]) or None
    nodes = max(1, int(row["AllocNodes"] or 0))
    if asked is None or row["ReqMem"].endswith("n"):
        return asked
    if row["ReqMem"].endswith("c"):
        return asked * int(row["AllocCPUS"] or 0) // nodes or None
    return asked // nodes


def _used_on_a_node(row: Mapping[str, str]) -> int | None:
    """Bytes that a step's tasks on one node took at most.

    All of them as much as the largest, but no more than those of all nodes together.
    """
    largest, total = size(row["MaxRSS"]), _MEMORY.search(row["TRESUsageInTot"])
    tasks, nodes = max(1, int(row["NTasks"] or 0)), max(1, int(row["AllocNodes"] or 0))
    if largest is None:
        return None
    bound = largest * -(-tasks // nodes)
    together = size(total[1]) if total else None
    return bound if together is None else max(largest, min(bound, together))


def _numbered(attempts: Sequence[PastTask]) -> tuple[PastTask, ...]:
    counts: Counter[tuple[str, int | None]] = Counter()
    numbered = []
    for task in attempts:
        key = (task.job_id, task.index)
        numbered.append(replace(task, attempt=counts[key]))
        counts[key] += 1
    return tuple(numbered)


def size(text: str) -> int | None:
    """Bytes of `1234K`, `4G` or `4Gn`; None where nothing is recorded.

    >>> size("1.5M"), size("")
    (1572864, None)
    """
    parts = _SIZE.fullmatch(text)
    return int(float(parts[1]) * _BYTES[parts[2]]) if parts else None


def seconds(text: str) -> float:
    """
    >>> [seconds(text) for text in ("00:01.500", "01:02:03", "1-00:00:00", "")]
    [1.5, 3723.0, 86400.0, 0.0]
    """
    parts = _CLOCK.fullmatch(text)
    if not parts:
        return 0.0
    days, hours, minutes = (int(part or 0) for part in parts.groups()[:3])
    return days * 86400 + hours * 3600 + minutes * 60 + float(parts[4])

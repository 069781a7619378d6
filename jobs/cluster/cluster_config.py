"""Where runs are trained, as plain values: what `load_config` makes of a cluster config."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from regularize.typed import checked

MODES = ("spread", "ddp")
PATHS = ("store", "scratch", "data_root", "base")
# How many elements of an array are thought to run at once where nothing limits them.
UNLIMITED = 256
MOST_HEARTBEAT = 60  # seconds; a pack that is silent for twice that is taken for dead
USUAL_RUNS = 8  # side by side, where nothing else is said or known
_GPU = re.compile(r"(?:gres[/:])?gpu(?:[:=].*)?")
_SHARE_OF_GPU = re.compile(r"(?:gres[/:])?(?:shard|mps)(?:[:=].*)?")
_GPU_OPTIONS = ("gpus", "gpus-per-node", "gpus-per-socket")


@dataclass(frozen=True, kw_only=True)
class FollowUp:
    """What the job after the arrays asks for otherwise than they do; `time` in minutes.

    `memory` is in MiB; 0: it asks for none, whatever they do.
    """

    partition: str | None = None
    account: str | None = None
    qos: str | None = None
    constraint: str | None = None
    gres: str | None = None
    memory: int | None = None
    cpus: int = 1
    gpus: int = 0
    time: int | None = None
    python: tuple[str, ...] = ()
    sbatch: Mapping[str, str | int | bool] | None = None

    @property
    def gpus_asked(self) -> int:
        """GPUs of its one node, however they are asked for."""
        return self.gpus or _gpus(self.gres, self.sbatch)


@dataclass(frozen=True, kw_only=True)
class Cluster:
    """How much is trained at a time, and what has to be asked for it.

    A `local` one is this machine: `tasks` processes of `threads` threads, which share `gpus` of its GPUs.
    A `slurm` one is asked for arrays of jobs of `nodes` × `tasks_per_node` tasks.
    """

    kind: str
    """Where it trains: on the machine that the command runs on, or through Slurm. Example: `kind: local`."""
    name: str = ""
    wished: tuple[str, ...] = ()  # what of it is from the user's shell, in words
    tasks: int = 1
    """Processes at a time; `auto` is as many as there are cores for their threads.
    Example: `tasks: 4`."""
    threads: int = 1
    """CPUs of a task, which are its threads; several tasks with one each beat one with several.
    Example: `cpus_per_task: 1`."""
    gpus: int = 0
    """GPUs of this machine, of those that `CUDA_VISIBLE_DEVICES` shows where it is set (numbers or UUIDs, of
    slices, too): each task trains on one of them, several tasks on the same where there are fewer.
    Example: `gpus: 1`."""
    pack_runs: int | None = USUAL_RUNS
    """Runs that train side by side in one task, at most. `auto`: as many as train faster so and fit into
    memory, by a try of some steps on this machine or, on a cluster, by what `cluster check` tried on a node.
    Example: `pack_runs: 32`."""
    pack_own_models: bool | None = False
    """Whether runs of a module of one's own train side by side, too, where `torch.func.vmap` can take it and
    tasks train packs of their own. Small batches train faster so; in float32 a run then equals itself alone
    but for rounding. `auto`: where a try of some steps on the CPU that plans or submits finds it faster.
    Example: `pack_own_models: auto`."""
    checkpoint_minutes: int = 5
    """A checkpoint is written so often at the latest: what a lost node costs at most.
    Example: `checkpoint_minutes: 10`."""
    heartbeat_seconds: int | None = None
    """How often a pack in training says how far it is; unless given, every two seconds, and of more than a
    hundred workers less often, so that all together write some fifty files a second; a minute at most. As
    much less often a worker touches the lease of its pack and, at ends of epochs, writes a checkpoint.
    Example: `heartbeat_seconds: 30`."""
    store: Path | None = None
    """The folder of all sweeps' folders, seen by login and compute nodes; `~` and `$VARIABLES` are replaced.
    Example: `store: $HOME/regularize/results`."""
    scratch: Path | None = None
    """A folder of each node's own, which decoded data are copied to once and read from.
    Example: `scratch: $TMPDIR`."""
    data_root: Path | None = None
    """The folder of data sets. Example: `data_root: $HOME/regularize/data`."""
    partition: str | None = None
    """As `sinfo -s` shows it; of several, Slurm takes the one in which a job begins first.
    Example: `partition: [cpu, long]`."""
    account: str | None = None
    """Whom the time is charged to; of several, the first that lets one submit, anew each time.
    Example: `account: [my-project, spare]`."""
    qos: str | None = None
    """A quality of service, where the cluster has some; several where its Slurm takes a list of them.
    Example: `qos: normal`."""
    constraint: str | None = None
    """Features of nodes, as `sinfo -o '%P %f'` shows them. Example: `constraint: a100`."""
    gres: str | None = None
    """Generic resources, on clusters that know no --gpus-per-task. Example: `gres: "gpu:a100:1"`."""
    time: int = 60
    """Of a job, in minutes or as Slurm writes it; what is cut short goes on in the next job.
    Example: `time: "04:00:00"`."""
    memory: int | None = None
    """Of a node; a worker takes about 1 GB, with the Jacobian determinant 1.7 GB. Example: `memory: 2G`."""
    max_memory: int | None = None
    """What was killed for lack of memory is tried again with twice as much, up to this.
    Example: `memory: 2G, max_memory: 16G`."""
    max_time: int | None = None
    """What reached its time limit without a checkpoint is tried again with twice as much, up to this.
    Example: `time: "01:00:00", max_time: "04:00:00"`."""
    gpus_per_task: int = 0
    """GPUs of each task, which trains on one. Example: `gpus_per_task: 1`."""
    nodes: int = 1
    """Nodes of a job. Example: `nodes: 2`."""
    tasks_per_node: int = 1
    """Tasks on each of them. Example: `tasks_per_node: 48`."""
    mode: str = "spread"
    """What the tasks of a job do: train packs of their own, or all of them one pack together (DDP).
    Example: `mode: ddp`."""
    setup: tuple[str, ...] = ()
    """Lines of the job's shell script before Python is started.
    Example: `setup: [module load python/3.11]`."""
    array_parallelism: int | None = None
    """Elements of an array that may run at once; as many as fit unless given.
    Example: `array_parallelism: 200`."""
    max_jobs: int | None = None
    """Elements of all arrays together in the queue, at most; each then has more to do.
    Example: `max_jobs: 500`."""
    max_failures: int | None = None
    """When so many runs on end have failed with the same Python error, no further one is begun until
    `regularize retry`, or on this machine `submit`. Example: `max_failures: 20`."""
    sbatch: Mapping[str, str | int | bool] | None = None
    """Further options of sbatch, by name without dashes. Example: `sbatch: {mail-type: FAIL}`."""
    follow_up: FollowUp | None = FollowUp()
    """The small job after the arrays that submits what comes next. Its request follows the config's, without
    GPUs, constraint, whole nodes and the like; `partition`, `account`, `qos`, `constraint`, `gres`, `memory`
    (`none`: it asks for none), `cpus`, `gpus`, `time`, `python` and `sbatch` are its own. `false`: there is
    none, `submit --wait` on the login node does its work.
    Example: `follow_up: {partition: serial, memory: 4G}`."""
    notify: tuple[str, ...] = ()
    """A command that the follow-up, or without one `submit --wait`, runs at the end of the sweep, when runs
    have failed, when it has no place to submit and when it cannot go on, with one line of text as its last
    argument. Words as in a shell, but without one: nothing else of the text is interpreted.
    Example: `notify: "curl -sS https://ntfy.example/my-sweeps -d"`."""
    allow_cpu: bool = False
    """Whether workers that asked for a GPU and see none train on the CPU instead of ending with an error.
    Example: `allow_cpu: true`."""
    python: tuple[str, ...] = ()
    """Path or name of Python after the lines of `setup`, or a list: a command and its arguments. The one that
    submits unless given; in a container its `python3`. Example: `python: [conda, run, -n, torch, python]`."""
    container: str | None = None
    """An image that tasks are run in, by `apptainer exec` with store, data and scratch bound and `--nv` for
    GPUs. The follow-up runs outside, by the Python that submits or that of `follow_up: {python: …}`.
    Example: `container: $HOME/images/torch.sif`."""
    signal_seconds: int = 120
    """How long before the time limit tasks are told to write their checkpoints.
    Example: `signal_seconds: 300`."""
    host: str | None = None
    """The login node, as ssh knows it: every command then runs there.
    Example: `host: login.cluster.example`."""
    base: Path | None = None
    """The folder there for code, environment and results, ~/regularize unless given.
    Example: `base: ~/regularize`."""

    @property
    def gpus_asked(self) -> int:
        """GPUs that a task of a job sees: its own, or, asked for otherwise, those of its node."""
        if self.kind == "local" or self.gpus_per_task:
            return self.gpus or self.gpus_per_task
        return _gpus(self.gres, self.sbatch)

    @property
    def tasks_per_gpu(self) -> float | None:
        """How many tasks share a GPU, by what the config says; None where the site alone knows (`shard`)."""
        if self.kind == "local":
            return math.ceil(self.tasks / max(1, self.gpus))
        if self.gpus_per_task:
            return 1
        parts, of_task = _generic(self.gres, self.sbatch)
        if any(_GPU.fullmatch(part) for part in of_task):
            return 1
        shares = [part for part in (*parts, *of_task) if _SHARE_OF_GPU.fullmatch(part)]
        if shares and not any(_GPU.fullmatch(part) for part in parts):
            # Slurm counts a GPU as 100 of mps.
            tasks = 1 if shares[0] in of_task else self.tasks_per_node
            return None if "shard" in shares[0] else max(1.0, tasks * 100 / _number(shares[0]))
        a_node = self.gpus_asked / (self.nodes if "gpus" in (self.sbatch or {}) else 1)
        return math.ceil(self.tasks_per_node / max(1, a_node))

    @property
    def usual_runs(self) -> int:
        """Runs of a pack at most, as far as the config alone says."""
        return self.pack_runs or USUAL_RUNS

    @property
    def ranks(self) -> int:
        """Tasks of one element of an array."""
        return self.nodes * self.tasks_per_node

    @property
    def ranks_together(self) -> int:
        """Tasks that train one pack together."""
        return self.ranks if self.kind == "slurm" and self.mode == "ddp" else 1

    @property
    def slices(self) -> int:
        """Slices of one element: lists of packs that are worked through at the same time."""
        return 1 if self.mode == "ddp" else self.ranks

    @property
    def slots(self) -> int:
        """Slices that may be worked through at once."""
        if self.kind == "local":
            return self.tasks
        return self.slices * (self.array_parallelism or self.max_jobs or UNLIMITED)

    def to_json(self) -> dict[str, Any]:
        """Plain values, from which `from_json` makes an equal cluster; defaults are left out."""
        values = asdict(self)
        given = {
            field.name: values[field.name]
            for field in fields(self)
            if getattr(self, field.name) != field.default
        }
        return {key: str(value) if isinstance(value, Path) else value for key, value in given.items()}


def from_json(values: Mapping[str, Any]) -> Cluster:
    """The cluster of `Cluster.to_json`."""
    paths: dict[str, Any] = {key: Path(values[key]) for key in PATHS if values.get(key)}
    if own := values.get("follow_up"):
        paths["follow_up"] = FollowUp(**{**own, "python": tuple(own.get("python", ()))})
    lists = {key: tuple(values.get(key, ())) for key in ("setup", "notify", "wished")}
    python = values.get("python") or ()
    lists["python"] = (python,) if isinstance(python, str) else tuple(python)  # of earlier versions
    return checked(Cluster(**{**values, **paths, **lists}))


def _gpus(gres: str | None, sbatch: Mapping[str, str | int | bool] | None) -> int:
    """GPUs that a request asks for by generic resources, or by options of sbatch; of one shared, 1."""
    texts = [str(value) for key, value in (sbatch or {}).items() if key in _GPU_OPTIONS]
    parts = [part for each in _generic(gres, sbatch) for part in each]
    named = [part for part in parts if _GPU.fullmatch(part)]
    shared = any(_SHARE_OF_GPU.fullmatch(part) for part in parts)
    return max((_number(text) for text in (*texts, *named)), default=int(shared))


def _generic(
    gres: str | None, sbatch: Mapping[str, str | int | bool] | None
) -> tuple[Sequence[str], Sequence[str]]:
    """The generic resources of a node that are asked for, and of a task."""
    return (gres or "").split(","), str((sbatch or {}).get("tres-per-task", "")).split(",")


def _number(text: str) -> int:
    """Of GPUs in `gpu:a100:2`, `a100:2`, `2` or `gpu`."""
    last = text.rpartition(":")[2]
    return int(last) if last.isdigit() else 1

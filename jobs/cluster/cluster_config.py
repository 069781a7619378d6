"""Where runs are trained, as plain values: what `load_config` makes of a cluster config."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

MODES = ("spread", "ddp")
PATHS = ("store", "scratch", "data_root", "base")
# How many elements of an array are thought to run at once where nothing limits them.
UNLIMITED = 256


@dataclass(frozen=True, kw_only=True)
class Cluster:
    """How much is trained at a time, and what has to be asked for it; packs of `pack_runs` runs.

    While a pack trains, a checkpoint is written every `checkpoint_minutes` at the latest.

    A `local` one is this machine: `tasks` processes of `threads` threads, which share `gpus` of its GPUs.

    A `slurm` one is asked for arrays of jobs of `nodes` × `tasks_per_node` tasks, each of `threads`
    CPUs and `gpus_per_task` GPUs, at most `array_parallelism` of them at once. `time` is in minutes,
    `memory` and `max_memory` (what a retry may ask for) in MiB a node. In mode `spread` each task
    trains packs of its own, in mode `ddp` all tasks of a job train one pack together. `setup` are lines of
    the job's shell script; `sbatch` are further options, by name without dashes. `store` and `data_root`
    are folders there, None where the command line says; `scratch` is one of each node's own, which data
    are copied to and read from. Slurm announces the end of the time
    `signal_seconds` before. At most `max_jobs` elements of arrays are in the queue at a time. `host` is the
    name that ssh knows, `base` the folder there for code and environment.
    """

    kind: str
    name: str = ""
    tasks: int = 1
    threads: int = 1
    gpus: int = 0
    pack_runs: int = 8
    checkpoint_minutes: int = 5
    store: Path | None = None
    scratch: Path | None = None
    data_root: Path | None = None
    partition: str | None = None
    account: str | None = None
    qos: str | None = None
    constraint: str | None = None
    gres: str | None = None
    time: int = 60
    memory: int | None = None
    max_memory: int | None = None
    gpus_per_task: int = 0
    nodes: int = 1
    tasks_per_node: int = 1
    mode: str = "spread"
    setup: tuple[str, ...] = ()
    array_parallelism: int | None = None
    max_jobs: int | None = None
    sbatch: Mapping[str, str | int | bool] | None = None
    python: str | None = None
    signal_seconds: int = 120
    host: str | None = None
    base: Path | None = None

    @property
    def ranks(self) -> int:
        """Tasks of one element of an array."""
        return self.nodes * self.tasks_per_node

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
            field.name: values[field.name] for field in fields(self) if values[field.name] != field.default
        }
        return {key: str(value) if isinstance(value, Path) else value for key, value in given.items()}


def from_json(values: Mapping[str, Any]) -> Cluster:
    """The cluster of `Cluster.to_json`."""
    paths = {key: Path(values[key]) for key in PATHS if values.get(key)}
    return Cluster(**{**values, **paths, "setup": tuple(values.get("setup", ()))})

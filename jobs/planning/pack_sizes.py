"""`pack_runs: auto`: how many runs of each kind train side by side.

As many as train faster than fewer, as a try of some steps on such a machine has shown, and fit into a task's
memory. A pack is scheduling and nothing else, so no result hangs on it. What was tried is remembered; where
nothing was, packs are of the usual size.
"""

from __future__ import annotations

import json
import os
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from jobs.cluster.cluster_config import USUAL_RUNS, Cluster
from jobs.planning.cost import UNKNOWN, Run
from jobs.planning.pack_memory import task_bytes
from jobs.support.readable_numbers import size
from regularize import models, remembered
from regularize.config import RunConfig
from regularize.cores import gpu_types, processor
from regularize.data.source import Facts
from regularize.pack_rates import SIZES, best_size

KIND = "pack-rates"
TRY_SECONDS = 100.0  # for all kinds together: what is not tried by then has packs of the usual size
USED = 0.8  # of a task's memory: the model of it is not exact, and a machine has other work
_CGROUPS = ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes")


@dataclass(frozen=True, kw_only=True)
class Sizes:
    """How many runs train side by side at most: by pack key, and all others; `said` explains it."""

    otherwise: int = USUAL_RUNS
    by_key: Mapping[str, int] = field(default_factory=dict)
    said: Sequence[str] = ()


def kinds_of(runs: Iterable[Run], cluster: Cluster) -> dict[str, RunConfig]:
    """A run of each kind whose size is to be found, by pack key: modules of one's own have the usual one."""
    if cluster.pack_runs is not None:
        return {}
    return {run.key: run.config for run in runs if models.packable(run.config.model)}


def sizes(runs: Iterable[Run], cluster: Cluster, facts: Mapping[str, Facts]) -> Sizes:
    """Those of a plan, by what is remembered."""
    runs = list(runs)
    kinds = kinds_of(runs, cluster)
    answers = {key: recalled(config, cluster) for key, config in kinds.items()}
    found = chosen(kinds, answers, cluster, facts)
    return replace(found, said=[*found.said, *_said_of_own(runs, cluster)])


def _said_of_own(runs: Iterable[Run], cluster: Cluster) -> list[str]:
    """Of modules of one's own that train side by side: how many do, and why no other number is tried."""
    entries: dict[str, list[str]] = defaultdict(list)
    own = {run.key: run.config for run in runs if not models.packable(run.config.model)}
    for key, config in own.items() if cluster.pack_runs is None else ():
        if key == config.shared_key:  # else each trains alone
            entries[f"{config.model} on {config.data.name}"].append(config.regularizer)
    why = "as what a module of one's own takes of memory is not known before"
    return [
        f"{cluster.usual_runs} {kind} side by side, the usual number, {why}: {', '.join(dict.fromkeys(each))}"
        for kind, each in entries.items()
    ]


def chosen(
    kinds: Mapping[str, RunConfig],
    answers: Mapping[str, Mapping[str, Any] | None],
    cluster: Cluster,
    facts: Mapping[str, Facts],
    machine: float | None = None,
) -> Sizes:
    """By what was tried of each kind; `machine` are the bytes of this one unless it is asked."""
    by_key: dict[str, int] = {}
    said: dict[str, list[str]] = defaultdict(list)
    for key, config in kinds.items():
        one = _Kind(config, facts.get(config.data.name, UNKNOWN), cluster, answers.get(key) or {}, machine)
        by_key[key] = one.runs
        said[one.words].append(config.regularizer)
    lines = [f"{words}: {', '.join(dict.fromkeys(entries))}" for words, entries in said.items()]
    return Sizes(otherwise=cluster.usual_runs, by_key=by_key, said=lines)


@dataclass(frozen=True)
class _Kind:
    config: RunConfig
    facts: Facts
    cluster: Cluster
    answer: Mapping[str, Any]
    machine: float | None

    @property
    def rates(self) -> dict[int, float]:
        return {int(runs): rate for runs, rate in self.answer.get("rates", {}).items()}

    @property
    def best(self) -> int:
        return best_size(self.rates) if self.rates else USUAL_RUNS

    @property
    def runs(self) -> int:
        fitting = most(self.config, self.facts, self.memory, gpu=self.gpu)
        return min(self.best, fitting, USUAL_RUNS if self.shared_by_others else fitting)

    @property
    def gpu(self) -> bool:
        return bool(self.answer.get("memory"))

    @property
    def shared_by_others(self) -> bool:
        """Whether its GPU is of so many tasks that nobody here knows how many."""
        return self.gpu and self.cluster.tasks_per_gpu is None

    @property
    def memory(self) -> float | None:
        """Bytes that a task may take, of a GPU that is `shared_by_others` all; None where nobody knows."""
        if self.gpu:
            return float(self.answer["memory"]) / (self.cluster.tasks_per_gpu or 1)
        return of_task(self.cluster, self.machine)

    @property
    def words(self) -> str:
        """`8 lenet5 on mnist side by side, 1.9 times as fast as one by one, in 0.7 GB of 3.9 GB a task`."""
        text = f"{self.runs} {self.config.model} on {self.config.data.name} side by side"
        if rates := self.rates:
            tried = max(number for number in rates if number <= max(self.runs, min(rates)))
            text += f", {rates[tried] / rates[min(rates)]:.1f} times as fast as one by one"
        else:
            check = f" by `regularize cluster check {self.cluster.name} --sweep FILE`"
            text += f", as it was not tried{'' if self.cluster.kind == 'local' else check}"
        text += f", in {size(task_bytes(self.config, self.facts, self.runs, gpu=self.gpu))}"
        if self.shared_by_others:
            why = f"a GPU's {size(self.memory or 0)}, of which nobody knows here how many tasks share them"
            return f"{text} of {why}: the usual number at most"
        text += f" of {size(self.memory)} a task" if self.memory else " a task"
        return text + (f" ({self.best} do not fit)" if self.best > self.runs else "")


def most(config: RunConfig, facts: Facts, memory: float | None, *, gpu: bool) -> int:
    """The largest size that fits into so many bytes; one run always is tried."""
    fitting = [n for n in SIZES if memory is None or task_bytes(config, facts, n, gpu=gpu) <= USED * memory]
    return max(fitting, default=1)


def of_task(cluster: Cluster, machine: float | None = None) -> float | None:
    """Bytes of main memory that a task may take: of this machine, or of what is asked for."""
    if cluster.kind == "local":
        return (machine or _of_this_machine()) / cluster.tasks
    return None if cluster.memory is None else cluster.memory * 2**20 / cluster.tasks_per_node


def _of_this_machine() -> float:
    """Or of the control group that this runs in."""
    found = [float(os.sysconf("SC_PAGE_SIZE")) * os.sysconf("SC_PHYS_PAGES")]
    for path in _CGROUPS:
        with suppress(OSError, ValueError):  # `max`, too
            found.append(float(Path(path).read_text(encoding="utf-8")))
    return min(found)


def asked(
    configs: Sequence[RunConfig],
    cluster: Cluster,
    facts: Mapping[str, Facts],
    data_root: Path | None,
    seconds: float = TRY_SECONDS,
) -> dict[str, Any]:
    """What `regularize.pack_rates` is to try, as plain values: sizes that fit, on a GPU all of them."""
    root = None if data_root is None else str(data_root)
    memory = None if cluster.gpus_asked else of_task(cluster)
    tries = []
    for config in configs:
        largest = most(config, facts.get(config.data.name, UNKNOWN), memory, gpu=False)
        numbers = [number for number in SIZES if number <= largest]
        tries.append({"run": config.to_json(), "sizes": numbers, "data_root": root})
    needs_gpu = bool(cluster.gpus_asked) and not cluster.allow_cpu
    return {"threads": cluster.threads, "seconds": seconds, "needs_gpu": needs_gpu, "asked": tries}


def distinct(configs: Iterable[RunConfig], cluster: Cluster) -> list[RunConfig]:
    """One of those that are tried by the same steps, however they are measured."""
    return list({json.dumps(_question(config, cluster)): config for config in configs}.values())


def recalled(config: RunConfig, cluster: Cluster) -> dict[str, Any] | None:
    """What was found for this kind of run on such a machine: see `regularize.pack_rates.tried`."""
    found = remembered.recall(KIND, _question(config, cluster))
    return found if isinstance(found, dict) and isinstance(found.get("rates"), dict) else None


def keep(
    configs: Sequence[RunConfig], cluster: Cluster, answers: Sequence[Mapping[str, Any]], *, anew: bool
) -> None:
    """Remember what was found, `anew` in the place of what was before; failures are not, as they may pass."""
    for config, answer in zip(configs, answers, strict=False):
        if "problem" not in answer:
            if anew:
                remembered.forget(KIND, _question(config, cluster))
            remembered.remember(KIND, _question(config, cluster), dict(answer))


def _question(config: RunConfig, cluster: Cluster) -> dict[str, Any]:
    """Steps of this kind of run, strengths and seeds apart, on such a machine."""
    terms = [[term.technique, [[name, str(value)] for name, value in term.options]] for term in config.terms]
    training = config.training
    return {
        "machine": _machine(cluster),
        "data": [config.data.name, str(config.data.form)],
        "model": config.model,
        "terms": terms,
        "training": [training.batch_size, training.optimizer, training.precision],
    }


def _machine(cluster: Cluster) -> dict[str, Any]:
    """This one, or what a cluster is asked for: nodes of one kind."""
    if cluster.kind == "local":
        gpus = _gpus_of_this_machine() if cluster.gpus else False
        return {"processor": processor(), "threads": cluster.threads, "gpus": gpus}
    names = ("host", "partition", "constraint", "gres", "gpus_per_task", "threads")
    return {name: getattr(cluster, name) for name in names} | {"sbatch": dict(cluster.sbatch or {})}


def _gpus_of_this_machine() -> list[str] | bool:
    """Their types; and those that are shown, where it matters which: slices have sizes."""
    types, shown = gpu_types(), os.environ.get("CUDA_VISIBLE_DEVICES", "")
    apart = len(types) > 1 or "MIG-" in shown
    return [*types, *([shown] if apart else [])] or True

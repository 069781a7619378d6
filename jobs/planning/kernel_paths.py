"""Which kernels will compute the stages of a sweep's LeNets on the CPUs of this machine."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Mapping

from jobs.cluster.cluster_config import Cluster
from jobs.planning.cost import UNKNOWN, Run
from jobs.support.readable_numbers import plural
from regularize import kernel_path
from regularize.data.source import Facts


def kernel_paths(runs: Collection[Run], facts: Mapping[str, Facts]) -> str | None:
    """As results will have them, with the runs of each where there are several; None without a LeNet.

    Raises:
        UserError: a setting of the environment is none.
    """
    numbers = Counter(run.key for run in runs if kernel_path.is_lenet(run.config.model))
    found = Counter[str]()
    # A pack key's runs have the same kernels.
    for key, config in {run.key: run.config for run in runs if run.key in numbers}.items():
        found[kernel_path.expected(config, facts.get(config.data.name, UNKNOWN).channels)] += numbers[key]
    if len(found) <= 1:
        return next(iter(found), None)
    return "; ".join(f"{name} ({plural(number, 'run')})" for name, number in found.most_common())


def idle_threads(runs: Collection[Run], facts: Mapping[str, Facts], cluster: Cluster) -> Iterator[str]:
    """A sentence where tasks have several CPUs for runs that use one, as fused stages have no threads.

    Raises:
        UserError: a setting of the environment is none.
    """
    if cluster.threads == 1 or cluster.gpus_asked:
        return
    local = cluster.kind == "local"
    for config in {run.key: run.config for run in runs}.values():
        channels = facts.get(config.data.name, UNKNOWN).channels
        fits = not kernel_path.why_torch(config, channels)
        if fits and (not local or kernel_path.expected(config, channels).startswith("fused")):
            key = "threads" if local else "cpus_per_task"
            yield (
                f"`{key}: {cluster.threads}`, but LeNets with fused stages train with one thread: `{key}: 1` "
                "and as many more tasks train more of them"
            )
            return

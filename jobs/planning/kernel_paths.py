"""Which kernels will compute the runs of a sweep, and what is wrong with how it is asked for."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping

from jobs.cluster.cluster_config import Cluster
from jobs.planning.cost import UNKNOWN, Run
from jobs.planning.packing import Pack
from jobs.support.readable_numbers import plural
from jobs.sweep.sweep_file import Sweep
from regularize import fused, kernel_path
from regularize.data.source import Facts


def check_ways(sweep: Sweep, cluster: Cluster) -> None:
    """Check what the environment and the sweep say of how to compute, before anything is trained.

    Raises:
        UserError: a setting is none, or those that train have no such precision.
    """
    kernel_path.check_environment()
    if not cluster.gpus_asked:
        for precision in {shared.training.precision for grid in sweep.datasets for shared in grid.shared}:
            kernel_path.check_precision(precision, "cpu")
    if (not cluster.gpus_asked or cluster.allow_cpu) and any(map(kernel_path.may_be_fused, sweep.models)):
        fused.check_compiler()


def kernel_paths(
    runs: Collection[Run], packs: Iterable[Pack], facts: Mapping[str, Facts], say: Callable[[str], None]
) -> str | None:
    """As results will have them on the CPUs of this machine, with the runs of each where there are several.

    `packs` are those that are to be trained. `say` is told before something is compiled.

    Raises:
        UserError: a setting of the environment is none.
    """
    beside = {run_id: len(pack.runs) for pack in packs if not pack.measures for run_id in pack.runs}
    # Of others it is known whether they train side by side.
    configs = {run.key: run.config for run in runs}
    several = {key: 1 + (key != config.pack_key) for key, config in configs.items()}
    ways = [(run.key, beside.get(run.run_id, several[run.key]) > 1) for run in runs]
    numbers, found = Counter(ways), Counter[str]()
    # A pack key's runs have the same kernels.
    for (key, together), config in dict(zip(ways, (run.config for run in runs), strict=True)).items():
        channels = facts.get(config.data.name, UNKNOWN).channels
        found[kernel_path.expected(config, channels, 1 + together, say)] += numbers[key, together]
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

"""Which kernels will compute the stages of a sweep's LeNets on the CPUs of this machine."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping

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

"""Models that several ranks do not train as one does: there the number of ranks is part of a run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from jobs.cluster.cluster_config import Cluster
from jobs.sweep.sweep_file import Sweep
from regularize import models
from regularize.data.source import Facts


def with_ranks(sweep: Sweep, cluster: Cluster, facts: Mapping[str, Facts]) -> tuple[Sweep, list[str]]:
    """The sweep, of which some runs are those of so many ranks, and a sentence for each such model.

    Modules of somebody's own are tried here, where several ranks would train them. Of one that cannot be, as
    where it needs a GPU, nothing is known: it counts as one that they train otherwise.
    """
    world, found, said = cluster.ranks_together, dict[str, int](), list[str]()
    own = [name for name in sweep.models if not models.packable(name)] if world > 1 else []
    for name in own:
        for shape, classes in {(each.shape, each.classes) for each in facts.values()}:
            try:
                reason = models.build(name, [0], shape=shape, classes=classes).bound_to_ranks(shape)
            except Exception as error:  # whatever someone else's code raises
                reason = f"nobody knows, as it cannot be tried here ({' '.join(str(error).split())})"
            if reason and name not in found:
                found[name] = world
                said.append(
                    f"{world} ranks may not train model {name} as one does: {reason}; so their number is "
                    "part of its runs: another number trains others"
                )
    return replace(sweep, ranks=found), said

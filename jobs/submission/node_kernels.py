"""Kernels for nodes that have no compiler: compiled where a sweep is submitted, before a job can begin."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from jobs.cluster.cluster_config import Cluster
from jobs.planning.widening import reach
from jobs.support.readable_numbers import plural
from jobs.sweep.sweep_file import Sweep
from jobs.sweep.tuned_settings import WIDTH, Shared
from regularize import fused, kernel_path
from regularize.errors import UserError
from regularize.fused import build
from regularize.fused.reach import USUAL, Filters

MOST = 8
"""Widths of LeNets: each takes two seconds of two cores, once, and a sweep that draws widths has many."""
OTHERWISE = f"on nodes without a compiler LeNets take {fused.SLOWER}, by torch"


def compile_for_nodes(sweep: Sweep, cluster: Cluster, say: Callable[[str], None]) -> None:
    """Compile what the cache lacks; where that cannot be, nodes see to it themselves, as ever.

    Before jobs are handed over, as one that began earlier would train by another path. What the cache has is
    not compiled again: of the usual LeNets that is a look at four files. One width after the other, as others
    work on a login node, too. It is said before, and what is not compiled after all.
    """
    try:
        if not build.compilers():
            return
    except UserError:  # CXX is no command, which on GPUs nobody has asked for before
        return
    wanted = _wanted(sweep, cluster)
    lacking = [filters for filters in wanted[:MOST] if build.lacking(filters)]
    if lacking:
        widths = plural(len(lacking), "width")
        say(
            f"{fused.COMPILING} of {widths} for nodes without a compiler, once for each version of them: "
            "some seconds a width"
        )
    for filters in lacking:
        if problem := build.prepare(filters):
            say(f"they are not compiled here ({problem}): {OTHERWISE}")
            return
    if rest := sum(bool(build.lacking(filters)) for filters in wanted[MOST:]):
        say(f"LeNets of {plural(rest, 'width')} more are not compiled here: {OTHERWISE}")


def _wanted(sweep: Sweep, cluster: Cluster) -> list[Filters]:
    """Of those LeNets of a sweep that nodes may train by fused stages; last of what only widening may add."""
    if (cluster.gpus_asked and not cluster.allow_cpu) or fused.switched_off():
        return []
    listed = [shared for grid in sweep.datasets for shared in grid.shared]
    first = sorted(_filters(sweep, listed), key=lambda filters: (filters != USUAL, filters))
    return list(dict.fromkeys([*first, *_filters(sweep, _later(sweep))]))


def _filters(sweep: Sweep, trainings: Iterable[Shared]) -> list[Filters]:
    """Of the LeNets that have fused stages on some images."""
    single = [shared for shared in trainings if shared.training.precision == "float32"]
    models = {shared.model(name): None for shared in single for name in sweep.models}
    return list(dict.fromkeys(kernel_path.filters(each) for each in models if kernel_path.may_be_fused(each)))


def _later(sweep: Sweep) -> Iterator[Shared]:
    """What `widen` may come to."""
    for grid in sweep.datasets:
        if WIDTH in grid.tuned:
            for width in reach(WIDTH, {shared.width for shared in grid.shared}, sweep.widen):
                yield grid.shared[0]._replace(width=width)

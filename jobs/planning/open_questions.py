"""What a sweep would leave open, as far as that is known before anything is trained."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from analysis.statistics.seeds_needed import pairs_needed
from jobs.cluster.cluster_config import Cluster
from jobs.planning.own_models import said_of
from jobs.support.readable_numbers import plural
from jobs.sweep.sweep_file import DatasetGrid, Sweep
from regularize.data.source import Facts


def open_questions(sweep: Sweep, facts: Mapping[str, Facts], cluster: Cluster | None = None) -> Iterator[str]:
    """In sentences; a module of one's own is tried, where the facts of its data are known."""
    if sweep.baseline is None:
        yield (
            "nothing will be compared, as there is no entry of the technique none; add `none:` to "
            "regularizers, or name another with `baseline:`"
        )
    else:
        yield from too_few_seeds(sweep)
    yield from dict.fromkeys(_own_rates(sweep))
    yield from dict.fromkeys(said_of(sweep, facts, cluster))


def _own_rates(sweep: Sweep) -> Iterator[str]:
    for entry in (entry for grid in sweep.datasets for entry in grid.entries):
        if (rate := dict(entry.own).get("lr")) is not None:
            yield (
                f"{entry.name} trains at a learning rate of its own, {rate:g}: whether the technique or the "
                "rate makes a difference is not told (`tune: {lr: […]}` chooses one for each)"
            )


def too_few_seeds(sweep: Sweep) -> Iterator[str]:
    """Where no p-value could reach the level, however the runs turn out: once for each number of rivals."""
    if sweep.baseline is None:
        return
    rivals = {_contenders(sweep, grid) - 1 for grid in sweep.datasets}
    for number in sorted(number for number in rivals if number):
        needed, there = pairs_needed(number), len(sweep.report_seeds)
        if there < needed:
            pairs = "repetition" if sweep.seeds.repetitions > 1 else "report seed"
            yield (
                f"no conclusion can be drawn from {plural(there, pairs)}: with "
                f"{plural(number, 'comparison')} {needed} are needed"
            )


def _contenders(sweep: Sweep, grid: DatasetGrid) -> int:
    return sum(1 if sweep.two_phase else len(entry.candidates) for entry in grid.entries)

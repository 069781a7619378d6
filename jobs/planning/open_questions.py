"""What a sweep would leave open, as far as that is known before anything is trained."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from itertools import product

from analysis.statistics.seeds_needed import pairs_needed
from jobs.cluster.cluster_config import Cluster
from jobs.planning.own_models import said_of
from jobs.support.readable_numbers import plural
from jobs.sweep.sweep_file import DatasetGrid, Sweep
from jobs.sweep.tuned_settings import Shared
from regularize.data.data_config import MATCHED, DataConfig
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
    yield from dict.fromkeys(_fewer_tries(sweep))
    yield from dict.fromkeys(_much_validation(sweep, facts))
    yield from dict.fromkeys(_same_batches(sweep, facts))
    yield from dict.fromkeys(said_of(sweep, facts, cluster))


def _own_rates(sweep: Sweep) -> Iterator[str]:
    for entry in (entry for grid in sweep.datasets for entry in grid.entries):
        if (rate := dict(entry.own).get("lr")) is not None:
            yield (
                f"{entry.name} trains at a learning rate of its own, {rate:g}: whether the technique or the "
                "rate makes a difference is not told (`tune: {lr: […]}` chooses one for each)"
            )


def _fewer_tries(sweep: Sweep) -> Iterator[str]:
    """Where a budget is not the same for all: lists may give an entry fewer settings than others have."""
    for grid in sweep.datasets if sweep.budget else ():
        tries = {entry.name: len(entry.drawn) for entry in grid.entries}
        most = max(tries.values())
        if fewer := [f"{name} has {count}" for name, count in tries.items() if count < most]:
            yield (
                f"not all get as many tries: of a budget's {sweep.budget} {', '.join(fewer)}, others {most}, "
                "as their lists give no more; a range of `lr` under `tune`, such as "
                "`lr: {loguniform: [0.01, 0.1]}`, gives all as many"
            )


def _much_validation(sweep: Sweep, facts: Mapping[str, Facts]) -> Iterator[str]:
    """Where strengths are chosen on more examples than are trained on: nobody has these beside so few."""
    for data in (size for grid in sweep.datasets for size in grid.sizes):
        found, chosen = facts.get(data.name), data.validation not in (None, MATCHED)
        if not chosen or not sweep.two_phase or data.per_class is None or found is None or found.validation:
            continue
        trained, (_, held) = data.per_class * found.classes, found.parts(data)
        if held > trained:
            yield (
                f"{data.name} ({data.per_class} per class): strengths are chosen on {held:,} examples, where "
                f"{trained:,} are trained on; who has so few to train on has fewer to choose on, such as "
                f"`validation: {max(2, trained // 3)}`"
            )


def _same_batches(sweep: Sweep, facts: Mapping[str, Facts]) -> Iterator[str]:
    """Where several batch sizes are of all examples, and so one training, which is tried under each name."""
    asked: dict[tuple[DataConfig, Shared], set[int]] = {}  # what is alike but for the batches
    for grid in sweep.datasets:
        for data, each in product(grid.sizes, grid.shared):
            other = each._replace(training=replace(each.training, batch_size=1))
            asked.setdefault((data, other), set()).add(each.training.batch_size)
    for (data, _), sizes in asked.items():
        if (found := facts.get(data.name)) is None:
            continue
        trained = found.trained_on(data)
        if len(whole := sorted(size for size in sizes if size >= trained)) > 1:
            few = f" ({data.per_class} per class)" if data.per_class is not None else ""
            yield (
                f"{data.name}{few}: batch sizes {', '.join(map(str, whole))} are one training under "
                f"{len(whole)} names, as {trained:,} examples are trained on; keep one of them"
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

"""What a sweep would leave open, as far as that is known before anything is trained."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from analysis.statistics.seeds_needed import pairs_needed
from jobs.support.readable_numbers import plural
from jobs.sweep.sweep_file import DatasetGrid, Sweep
from regularize import models
from regularize.data.source import Facts
from regularize.errors import UserError


def open_questions(sweep: Sweep, facts: Mapping[str, Facts]) -> Iterator[str]:
    """In sentences; a module of one's own is built once, where the facts of its data are known."""
    if sweep.baseline is None:
        yield (
            "nothing will be compared, as there is no entry of the technique none; add `none:` to "
            "regularizers, or name another with `baseline:`"
        )
    else:
        yield from too_few_seeds(sweep)
    yield from dict.fromkeys(_not_built(sweep, facts))


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


def _not_built(sweep: Sweep, facts: Mapping[str, Facts]) -> Iterator[str]:
    """Why a module of one's own, or a technique on it, would fail; here, where it may not be installed."""
    for name in sweep.models:
        for grid in sweep.datasets if not models.packable(name) else ():
            known = facts.get(grid.sizes[0].name)
            if known is not None and (reason := _failure(name, grid, known)):
                yield f"{reason} (tried here, where it may not be as it is where it trains)"


def _failure(name: str, grid: DatasetGrid, known: Facts) -> str:
    try:
        network = models.build(name, [0], shape=known.shape, classes=known.classes)
        outline = network.outline(known.shape, known.classes)
        for entry in grid.entries:
            for term in entry.candidates[0]:
                term.check_fit(outline)
    except UserError as error:
        return str(error)
    except Exception as error:  # whatever someone else's code raises
        return f"model {name} cannot be built: {type(error).__name__}: {error}"
    return ""

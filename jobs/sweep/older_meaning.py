"""What is to be said of a sweep that goes on with a store of before, where it means what it did then."""

from __future__ import annotations

from jobs.sweep.dialects import NOW
from jobs.sweep.sweep_file import Sweep, read
from jobs.sweep.yaml_text import parse_file
from regularize.errors import UserError


def older_meaning(sweep: Sweep) -> str | None:
    """A sentence where its file alone would mean other runs, or nothing valid; else None."""
    today = None if sweep.dialect == NOW else _today(sweep)
    if today is None or today == sweep:
        return None
    meant = []
    if any(size.per_class and size.validation is None for grid in sweep.datasets for size in grid.sizes):
        meant.append("a tenth validates beside `per_class`, too, unless something is asked for")
    if isinstance(today, UserError):
        meant.append(f"what its file alone is refused for now stands ({today})")
    else:
        pairs = [
            (before, now)
            for grids in zip(sweep.datasets, today.datasets, strict=True)
            for before, now in zip(*(grid.entries for grid in grids), strict=True)
        ]
        if any((before.candidates, before.drawn) != (now.candidates, now.drawn) for before, now in pairs):
            meant.append("a budget draws from ranges as it did")
        if any(before.own != now.own for before, now in pairs):
            meant.append(
                "an entry that says how its weights start is a run of its own, even if they start so anyway"
            )
        if today.baseline != sweep.baseline:
            meant.append(f"{sweep.baseline} is the baseline, as the first entry of technique none")
    return (
        f"{sweep.name} was first submitted by an earlier version and goes on as it was meant then: "
        f"{'; '.join(meant)} (under another name it means what it does now)"
    )


def _today(sweep: Sweep) -> Sweep | UserError:
    try:
        return read(parse_file(sweep.text, sweep.name), sweep.text)
    except UserError as error:  # such as a range that ends where no setting is valid, or a listed fraction
        return error

"""What is to be said of a sweep that goes on with a store of before, where it means what it did then."""

from __future__ import annotations

from jobs.sweep.dialects import NOW
from jobs.sweep.sweep_file import Sweep, read
from jobs.sweep.yaml_text import parse_file
from regularize.errors import UserError


def older_meaning(sweep: Sweep) -> str | None:
    """A sentence where its file alone would mean other runs, or nothing valid; else None."""
    today = None if sweep.dialect == NOW else _today(sweep)
    if sweep.dialect == NOW or today == sweep:
        return None
    meant = []
    if any(size.per_class and size.validation is None for grid in sweep.datasets for size in grid.sizes):
        meant.append("a tenth validates beside `per_class`, too, unless something is asked for")
    if today is None or [grid.entries for grid in today.datasets] != [g.entries for g in sweep.datasets]:
        drawn, listed = "a budget draws from ranges as it did", "fractions stand where whole numbers count"
        meant.append(drawn if sweep.budget else listed)
    if today is not None and today.baseline != sweep.baseline:
        meant.append(f"{sweep.baseline} is the baseline, as the first entry of technique none")
    return (
        f"{sweep.name} was first submitted by an earlier version and goes on as it was meant then: "
        f"{'; '.join(meant)} (under another name it means what it does now)"
    )


def _today(sweep: Sweep) -> Sweep | None:
    try:
        return read(parse_file(sweep.text, sweep.name), sweep.text)
    except UserError:  # such as a range that ends where no setting is valid, or a listed fraction
        return None

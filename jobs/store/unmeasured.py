"""Which runs are done, but measured otherwise than the sweep that was submitted last asks for."""

from __future__ import annotations

from collections.abc import Iterable

from jobs.store.pack_status import Packs
from jobs.store.planned_runs import Row
from regularize.evaluation.measurement import meets


def unmeasured(rows: Iterable[Row], packs: Packs) -> set[str]:
    """Their ids, of planned runs `rows`."""
    measured = packs.measured
    return {
        row.run_id
        for row in rows
        if row.run_id in measured and not meets(measured[row.run_id], row.evaluation)
    }


def settled(rows: Iterable[Row], packs: Packs) -> set[str]:
    """The finished runs of which nothing is left to do."""
    return packs.done().keys() - unmeasured(rows, packs)

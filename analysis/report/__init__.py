"""`regularize report`: a sweep as one HTML page that needs nothing but itself."""

from __future__ import annotations

from pathlib import Path

from analysis.figures.catalogue import Drawn
from analysis.tables.region import Region
from regularize.store import Store, write_text


def write_report(store: Store, drawn: Drawn, region: Region | None = None) -> Path:
    """Write the page of a collected store with the figures `drawn`; its path.

    `region` is that of practical equivalence, None for what is usual.

    Raises:
        UserError: there is no finished report run.
    """
    from analysis.report.page import page

    write_text(store.report, page(store, drawn, region))
    return store.report

"""`regularize report`: a sweep as one HTML page that needs nothing but itself."""

from __future__ import annotations

from pathlib import Path

from analysis.figures.catalogue import Drawn
from regularize.store import Store, write_text


def write_report(store: Store, drawn: Drawn) -> Path:
    """Write the page of a collected store with the figures `drawn`; its path.

    Raises:
        UserError: there is no finished report run.
    """
    from analysis.report.page import page

    write_text(store.report, page(store, drawn))
    return store.report

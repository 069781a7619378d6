"""`regularize report`: a sweep as one HTML page that needs nothing but itself."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from analysis.figures.catalogue import Drawn
from analysis.tables.region import Region
from regularize.store import Store, write_text

if TYPE_CHECKING:
    from analysis.text.conclusions import Conclusion


def write_report(
    store: Store,
    drawn: Drawn,
    region: Region | None = None,
    concluded: Sequence[Conclusion] | None = None,
) -> Path:
    """Write the page of a collected store with the figures `drawn`; its path.

    `region` is that of practical equivalence, None for what is usual. What was `concluded` by it already need
    not be worked out again.

    Raises:
        UserError: there is no finished report run.
    """
    from analysis.report.page import page

    write_text(store.report, page(store, drawn, region, concluded))
    return store.report

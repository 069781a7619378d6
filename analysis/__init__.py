"""From a sweep's tables to conclusions: collecting, choosing strengths, figures, tables; all offline.

It reads what training wrote and knows nothing of clusters. `analysis.open("results/my-sweep")` is the way in
from Python, a notebook for example.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from analysis.opened_sweep import OpenedSweep

__all__ = ["open"]


def open(
    folder: str | Path,
    *,
    region: str | None = None,
    data_root: str | Path | None = None,
    trust_model: bool = False,
) -> OpenedSweep:
    """The results of a sweep, as data frames and figures.

    Args:
        folder: The sweep's folder in the store, such as `results/my-sweep`.
        region: Differences within ± this do not matter: `0.1` in the unit of differences, such as
            percentage points, or `5%` of the baseline's error. Unless given, that of `regularize compare`.
        data_root: Where data sets are, for figures that run networks on images; the usual place unless given.
        trust_model: Import models, techniques and data sets of their author's own that a sweep names
            (`module:name`), to draw its networks: that runs their code. Those of sweeps that you have
            submitted yourself are imported anyway.

    Tables are brought up to date first, as every command does that reads results; what is open does not
    change while a sweep trains on: open it again. That report results were looked at is noted in the
    sweep's `looks.json`, so that what is added afterwards is said to be.

    Raises:
        UserError: there is no such sweep, nothing was submitted to it, or links lead out of its folder.
    """
    from analysis.opened_sweep import open_sweep

    root = Path(data_root) if data_root is not None else None
    return open_sweep(Path(folder), region, root, trust_model=trust_model)

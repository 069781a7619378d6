"""What training cost, and between which runs that can be compared."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

import pandas as pd

WORK, TIME = "core_seconds", "seconds"
_CIRCUMSTANCES = ["device", "processor", "kernels", "threads", "world_size"]


def cost_column(runs: Iterable[pd.DataFrame]) -> str:
    """The column of results that all these are compared by: work where every run has it, time else."""
    return WORK if all(each[WORK].notna().all() for each in runs) else TIME


def circumstances(runs: pd.DataFrame) -> dict[tuple[str, ...], float]:
    """Where and how runs were trained, as far as cost depends on it, and which share of them was.

    Unlike ones are not to be compared, nor unlike shares: the slower of two may have trained most of one.
    """
    kinds = Counter(runs[_CIRCUMSTANCES].astype(str).itertuples(index=False, name=None))
    return {kind: count / len(runs) for kind, count in kinds.items()}

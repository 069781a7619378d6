"""What training cost, and between which runs that can be compared."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

import pandas as pd

WORK, TIME = "core_seconds", "seconds"
_CIRCUMSTANCES = ["device", "processor", "kernels"]


def cost_column(runs: Iterable[pd.DataFrame]) -> str:
    """The column of results that all these are compared by: work where every run has it, time else."""
    return WORK if all(each[WORK].notna().all() for each in runs) else TIME


def circumstances(runs: pd.DataFrame) -> dict[tuple[str, ...], float]:
    """Where and how runs were trained, as far as cost depends on it, and which share of them was.

    Unlike ones are not to be compared, nor unlike shares: the slower of two may have trained most of one.
    """
    # Results of earlier versions know of the last attempt alone.
    world, threads = (runs[name].astype("Int64").astype(str) for name in ("world_size", "threads"))
    last = world + "x" + threads
    kept = runs[_CIRCUMSTANCES].assign(ranks=runs["ranks"].where(runs["ranks"].notna(), last))
    kinds = Counter(kept.astype(str).itertuples(index=False, name=None))
    return {kind: count / len(runs) for kind, count in kinds.items()}

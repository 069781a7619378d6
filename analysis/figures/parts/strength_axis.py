"""Where strengths are on an axis: along each of their numbers, a line for each combination of the others."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from analysis.notation.methods import method, power_of_ten
from analysis.statistics.sensitivity import is_best
from regularize.training_config import TUNABLE

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_LOG_FROM = 8  # the ratio of largest to smallest strength
_CHARACTERS = 18  # of the labels of four ticks


def place(rows: pd.DataFrame) -> pd.DataFrame:
    """The rows with `x`, `axis` (the name of what is along it) and `line` (the others, for people).

    Once for each number that takes several values. `at` is whether the others are as in the setting chosen,
    or best: these are what tells of the number along the axis alone.
    """
    placed = [each for _, mine in rows.groupby("regularizer", sort=False) for each in _place(mine)]
    return pd.concat(placed, ignore_index=True)


def _place(mine: pd.DataFrame) -> Iterator[pd.DataFrame]:
    names = [parameters(strength) for strength in mine["strength"]]
    counts = {name: len({each[name] for each in names}) for name in names[0]}
    if not counts:
        yield mine.assign(x=float("nan"), axis="", line="", at=True)
        return
    best = names[int(is_best(mine).to_numpy().argmax())]
    own = [name for name in counts if name not in TUNABLE]
    symbol = method(mine["regularizer"].iloc[0]).symbol
    called = {name: symbol if symbol and [name] == own else name for name in counts}
    for along in [name for name in counts if counts[name] > 1] or [next(iter(counts))]:
        others = [name for name in counts if name != along and counts[name] > 1]
        lines = [", ".join(f"{called[name]} = {_number(each[name])}" for name in others) for each in names]
        placed = mine.assign(
            x=[each[along] for each in names],
            axis=called[along],
            line=lines,
            at=[all(each[name] == best[name] for name in others) for each in names],
        )
        yield placed.sort_values(["line", "x"], kind="stable")


def parameters(strength: str) -> dict[str, float]:
    """`l1=0.1 l2=1e-05` by name; the name of a single strength is empty; nothing for no strength."""
    split = (part.rpartition("=") for part in strength.split())
    return {name.removesuffix(".strength"): float(value) for name, _, value in split}


def set_axis(axes: Axes, mine: pd.DataFrame) -> None:
    """A logarithmic axis where strengths span much, ticks at strengths that were tried."""
    values = sorted(set(mine["x"]))
    log = values[0] > 0 and values[-1] >= _LOG_FROM * values[0]
    axes.set_xscale("log" if log else "linear")
    labels = [_number(value) for value in values]
    if len(values) > 4 or (len(values) > 2 and len("".join(labels)) > _CHARACTERS):  # they would overlap
        places = np.log(values) if log else np.array(values)
        middle = int(np.abs(places[1:-1] - places[[0, -1]].mean()).argmin()) + 1
        kept = [0, middle, -1]
        values, labels = [values[i] for i in kept], [labels[i] for i in kept]
    axes.set_xticks(values, labels)
    axes.minorticks_off()
    axes.margins(x=0.12)


def _number(value: float) -> str:
    return power_of_ten(f"{value:g}")

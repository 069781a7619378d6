"""Every figure, and every score that comparisons can be made by."""

from __future__ import annotations

from analysis.figures.catalogue import FIGURES
from analysis.statistics.scores import SCORES
from docs.generated import table

_NEEDS = {"tables": "tables", "weights": "weights", "networks": "weights and data"}
_SCOPES = {"problem": "each problem", "sweep": "the sweep"}


def figures() -> str:
    rows: list[tuple[object, ...]] = [
        (f"`{name}`", kind.shows, _NEEDS[kind.needs], _SCOPES[kind.scope], "yes" if kind.one_run else "")
        for name, kind in FIGURES.items()
    ]
    return table(("name", "what it shows", "is drawn from", "one for", "of one run"), rows)


def scores() -> str:
    rows: list[tuple[object, ...]] = []
    for name, score in SCORES.items():
        region = f"±{score.region.size:g}{score.unit or ''}" if score.region else ""
        side = "higher" if score.higher_is_better else "lower"
        unit = "ratio" if score.is_ratio else score.difference_unit
        rows.append((f"`{name}`", score.what, side, unit, region))
    return table(("name", "what it is", "is better", "differences in", "region unless given"), rows)

"""`regularize compare`: all tables of conclusions, computed, written and shown."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import pandas as pd
import pyarrow as pa

from analysis.notation.text_table import Rows, TextTable, noted
from analysis.statistics import comparison_table
from analysis.statistics.across_datasets import ACROSS, across
from analysis.statistics.scores import DEFAULT, score
from analysis.statistics.sensitivity import SENSITIVITY, sensitivity
from analysis.statistics.unfinished import unfinished
from analysis.tables.pooled_inputs import pooled
from analysis.tables.store_tables import Tables, write_csv, write_frame
from analysis.text import across_problems_text, comparison_text
from regularize.store import Store, write_text

if TYPE_CHECKING:
    from rich.console import Group


@dataclass(frozen=True, kw_only=True)
class Conclusion:
    """A table under its name, and how it is shown."""

    name: str
    frame: pd.DataFrame
    schema: pa.Schema
    text: TextTable
    groups: list[Rows]

    def write(self, store: Store) -> None:
        """Write `tables/<name>.parquet`, `.csv` with all digits, and `.tex`."""
        write_frame(store.table(self.name), self.frame, self.schema)
        path = store.tables / self.name
        write_csv(path.with_suffix(".csv"), self.frame)
        write_text(path.with_suffix(".tex"), self.text.to_latex(self.groups))

    def shown(self) -> Group:
        """For `rich.print`."""
        return self.text.to_terminal(self.groups)


def conclude(tables: Tables, metric: str = DEFAULT) -> list[Conclusion]:
    """The comparison, what is across problems, and the sensitivity to strength.

    Raises:
        UserError: unknown metric, or there is no finished report run.
    """
    compared = comparison_table.compare(tables, metric)
    together, strengths = across(tables, compared), sensitivity(tables)
    found = [
        Conclusion(
            name=comparison_table.name(metric),
            frame=compared,
            schema=comparison_table.COMPARISON,
            text=comparison_text.table(score(metric, tables.region), compared),
            groups=comparison_text.groups(compared, unfinished(tables, strengths, compared)),
        ),
        Conclusion(
            name=comparison_table.name(metric).replace("comparison", "across", 1),
            frame=together,
            schema=ACROSS,
            text=across_problems_text.across_table(score(metric), with_strengths=tables.selection is None),
            groups=across_problems_text.across_groups(together),
        ),
        Conclusion(
            name="sensitivity",
            frame=strengths,
            schema=SENSITIVITY,
            text=across_problems_text.PLATEAUS,
            groups=across_problems_text.plateau_groups(strengths),
        ),
    ]
    note = pooled(tables)
    return [replace(each, groups=noted(each.groups, note)) for each in found] if note else found

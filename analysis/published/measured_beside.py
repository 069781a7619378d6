"""Published numbers beside measured ones, both with 95% intervals over seeds."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from analysis.notation.intervals import Interval, interval
from analysis.notation.methods import method, model_label, problem_label, strength_label
from analysis.notation.number_text import plus_minus
from analysis.published.references import WORTH, Column, Reference
from analysis.statistics.contenders import Comparison, Contender, comparisons
from analysis.tables.measured_alike import attacks_alike
from analysis.tables.store_tables import Tables, write_csv
from regularize.store import Store, write_text

if TYPE_CHECKING:
    from rich.console import Group

_SIZE_ATOL = 1e-9


def compare(tables: Tables, reference: Reference) -> pd.DataFrame:
    """One row a column of the reference and contender, for the columns that have results.

    Columns: column, dataset, per_class, measure, regularizer, strength; n, the seeds that did not diverge,
    and n_diverged; steps, of training; measured and published with their `_half` widths of 95% intervals;
    published_is: one of `WORTH`; places, decimals of what was published; difference, measured − published.

    Raises:
        UserError: there is no finished report run.
    """
    found: dict[tuple[str, int | None], list[Comparison]] = {}
    for each in comparisons(tables):
        found.setdefault((each.problem.dataset, each.problem.per_class), []).append(each)
    rows = [
        {
            **row,
            "column": f"{column.title}, {model_label(each.problem.model)}" if len(mine) > 1 else column.title,
        }
        for column in reference.columns
        for mine in [found.get((column.dataset, column.per_class), [])]
        for each in mine
        for row in _rows(column, each)
    ]
    return pd.DataFrame(rows).astype({"per_class": "Int64"})


def _rows(column: Column, comparison: Comparison) -> Iterator[dict[str, Any]]:
    for contender in comparison.contenders:
        done = comparison.done(contender)
        measured = interval(_values(column, comparison, done))
        published = column.published.get(contender.regularizer, (np.nan, np.nan))
        yield {
            "column": column.title,
            "dataset": column.dataset,
            "per_class": column.per_class,
            "measure": "{} {:.4g}".format(*column.attack) if column.attack else column.measure,
            **vars(contender),
            "n": measured.n,
            "n_diverged": comparison.n_diverged(contender),
            "steps": done["steps"].max(),
            "measured": measured.mean,
            "measured_half": measured.half,
            "published": published[0],
            "published_half": published[1],
            "places": column.places,
            "published_is": column.status if np.isfinite(published[0]) else "",
            "difference": measured.mean - published[0],
        }


def _values(column: Column, comparison: Comparison, done: pd.DataFrame) -> pd.Series:
    """The measure of each of the runs `done`; accuracies in percent."""
    if column.measure == "test_error" and column.attack is None:
        return 100 * (1 - done["test_accuracy"])
    if column.attack is None:
        return done[column.measure] * (100 if column.measure.endswith("accuracy") else 1)
    attack, size = column.attack
    rows = comparison.tables.read("robustness", comparison.problem, attack=attack)
    rows = attacks_alike(rows, comparison.results, comparison.tables.runs)
    rows = rows[rows["run_id"].isin(done["run_id"]) & np.isclose(rows["size"], size, rtol=0, atol=_SIZE_ATOL)]
    return 100 * rows["accuracy"]


def notes(frame: pd.DataFrame, reference: Reference, tables: Tables) -> list[str]:
    """What the numbers are, what the published ones are worth, and what of the sweep has none."""
    found = frame["published_is"].unique()
    worth = [f"{status}: {meaning}" for status, meaning in WORTH.items() if status in found]
    columns = {(column.dataset, column.per_class) for column in reference.columns}
    without = [p for p in tables.problems if (p.dataset, p.per_class) not in columns]
    lines = [
        "Measured: means over seeds with 95% t-intervals; accuracies in %.",
        f"Published: {'; '.join([reference.source, *worth])}.",
    ]
    if without:
        names = "; ".join(problem_label(problem.dataset, problem.per_class) for problem in without)
        lines.append(f"Without published numbers, and so not here: {names} (see `regularize compare`).")
    return lines


def order_line(frame: pd.DataFrame, reference: Reference) -> str:
    """Whether the column that has a published order has it here; `` if it was not measured."""
    rows = frame[frame["column"] == reference.ordered]
    found = {
        row["regularizer"]: Interval(row["n"], row["measured"], row["measured_half"])
        for row in rows.to_dict("records")
    }
    if not reference.ascending or not found.keys() >= {*reference.ascending}:
        return ""
    ranked = sorted(reference.ascending, key=lambda name: found[name].mean)
    line = " < ".join(f"{method(name).label} {found[name].mean:.3g}" for name in ranked)
    if tuple(ranked) != reference.ascending:
        published = " < ".join(method(name).label for name in reference.ascending)
        return f"{reference.ordered}: {line}; not the published order, {published}"
    if any(np.isnan(found[name].half) for name in ranked):
        return f"{reference.ordered}: {line}; the published order, one seed and so no intervals"
    near = [
        f"{method(a).label} and {method(b).label}"
        for a, b in pairwise(ranked)
        if not found[a].mean + found[a].half < found[b].mean - found[b].half
    ]
    apart = f"intervals not apart: {', '.join(near)}" if near else "all intervals apart"
    return f"{reference.ordered}: {line}; the published order, {apart}"


def to_terminal(frame: pd.DataFrame) -> Group:
    """A table of measured numbers, the published ones below them and dim; what the latter are worth last."""
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

    titles = list(frame["column"].drop_duplicates())
    table = Table(box=None, pad_edge=False, padding=(0, 1, 0, 0), header_style="bold")
    # Where the terminal is too narrow words are broken, but nothing is left out.
    table.add_column("", overflow="fold")
    for title in titles:
        table.add_column(Text(title), justify="right", overflow="fold")
    for label, measured, published in _lines(frame, titles):
        table.add_row(Text(label), *map(Text, measured))
        if any(published):
            table.add_row(Text("  published", "dim"), *(Text(cell, "dim") for cell in published))
    if any(status := _status(frame, titles)):
        table.add_row(Text("published are", "dim"), *(Text(word, "dim italic") for word in status))
    return Group(table)


def to_markdown(frame: pd.DataFrame) -> str:
    """The same as a Markdown table."""
    titles = list(frame["column"].drop_duplicates())
    lines = [["", *titles], ["---", *("---:" for _ in titles)]]
    for label, measured, published in _lines(frame, titles):
        lines.append([f"**{label}**", *measured])
        lines += [["published", *published]] if any(published) else []
    if any(status := _status(frame, titles)):
        lines.append(["*published are*", *(f"*{word}*" if word else "" for word in status)])
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def write(frame: pd.DataFrame, notes: Sequence[str], store: Store) -> None:
    """Write `tables/reproduction.csv`, with all digits, and `.md`, the table under its notes."""
    write_csv(store.tables / "reproduction.csv", frame)
    text = "".join(f"{note}\n\n" for note in notes) + to_markdown(frame)
    write_text(store.tables / "reproduction.md", text)


def _lines(frame: pd.DataFrame, titles: Sequence[str]) -> Iterator[tuple[str, list[str], list[str]]]:
    """Of each contender: label, measured and published numbers by column, `` where there are none."""
    several = frame.groupby(["column", "regularizer"]).size().gt(1).any()
    for (regularizer, strength), rows in frame.groupby(["regularizer", "strength"], sort=False):
        by_title = {row.column: row for row in rows.itertuples(index=False)}
        shown = [by_title.get(title) for title in titles]
        yield (
            _label(Contender(str(regularizer), str(strength)), with_strength=bool(several)),
            [_measured(row) if row else "" for row in shown],
            [_published(row) if row else "" for row in shown],
        )


def _label(contender: Contender, with_strength: bool) -> str:
    label = method(contender.regularizer).label
    strength = strength_label(contender.regularizer, contender.strength)
    return f"{label} ({strength})" if with_strength and strength else label


def _measured(row: Any) -> str:
    text = plus_minus(Interval(row.n, row.measured, row.measured_half))
    return f"{text} ({row.n_diverged} diverged)" if row.n_diverged else text


def _published(row: Any) -> str:
    if np.isnan(row.published):
        return ""
    return plus_minus(Interval(0, row.published, row.published_half), row.places)


def _status(frame: pd.DataFrame, titles: Sequence[str]) -> list[str]:
    """What the published numbers of each column are worth."""
    worth = frame[frame["published_is"] != ""].groupby("column")["published_is"].first()
    return [str(worth.get(title, "")) for title in titles]

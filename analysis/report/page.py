"""The page: what the tables and figures say, put into the template."""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from hashlib import sha256
from importlib import resources
from typing import Any

import jinja2
import pandas as pd
from markupsafe import Markup, escape

from analysis.figures.catalogue import Drawn
from analysis.notation.methods import telling_apart
from analysis.notation.published_text import published
from analysis.notation.text_table import Rows, TextTable, by_problem, own, shared
from analysis.report import facts
from analysis.report.failures import failures
from analysis.report.pictures import first, groups, missing
from analysis.report.sentences import Conclusions, conclusions, overall
from analysis.statistics.scores import DEFAULT, score
from analysis.statistics.unfinished import unfinished
from analysis.tables.region import Region
from analysis.tables.store_tables import Tables, problem_of, records
from analysis.text.conclusions import Conclusion, conclude
from analysis.text.results_table import results_table
from analysis.text.results_text import TABLE
from analysis.text.results_text import groups as result_groups
from regularize import __version__
from regularize.opened import read_whole
from regularize.store import Store

_OWN = resources.files("analysis.report") / "templates"
_INLINE = {"style": "page.css", "script": "page.js"}
MOST_OF_SWEEP = 1_000_000  # bytes
_COMPARED = ("Against the baseline", "Problems together", "How much the strength matters")


@dataclass(frozen=True, kw_only=True)
class Table:
    """A table of the page: cells are texts, each with whether it is the best of its column."""

    title: str
    headers: list[str]
    words: list[bool]
    rows: list[list[tuple[str, bool]]]
    notes: list[str]
    shared: list[str]  # what is said of all tables of its kind


def page(
    store: Store,
    drawn: Drawn,
    region: Region | None = None,
    concluded: Sequence[Conclusion] | None = None,
) -> str:
    """The HTML of a collected store.

    Raises:
        UserError: there is no finished report run.
    """
    tables = Tables(store, region)
    with telling_apart(tables.entries, tables.words, tables.baseline):
        context = _context(tables, drawn, concluded or conclude(tables))
    inline = {name: Markup((_OWN / file).read_text(encoding="utf-8")) for name, file in _INLINE.items()}
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("analysis.report"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["code"] = _code
    return environment.get_template("page.html").render(context, **inline, policy=_policy(inline))


def _code(text: str) -> Markup:
    """A text in which what stands between backticks is code."""
    return Markup(re.sub(r"`([^`]+)`", r"<code>\1</code>", str(escape(text))))


def _policy(inline: Mapping[str, str]) -> str:
    """Whatever comes to stand on the page, only our own script and style act, and nothing is fetched."""
    hashes = {name: b64encode(sha256(text.encode()).digest()).decode() for name, text in inline.items()}
    allowed = [f"{name}-src 'sha256-{digest}'" for name, digest in hashes.items()]
    return "; ".join(
        ["default-src 'none'", "img-src data:", *allowed, "base-uri 'none'", "form-action 'none'"]
    )


def _context(tables: Tables, drawn: Drawn, concluded: Sequence[Conclusion]) -> dict[str, Any]:
    store = tables.store
    results = results_table(tables)
    submissions = facts.submissions(store)
    finished = set(tables.results["run_id"])
    figures = groups(drawn, tables.problems)
    return {
        "name": store.folder.name,
        "version": __version__,
        "made": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "counts": _counts(tables),
        "overall": overall(records(concluded[0].frame)),
        "first": first(figures, "forest"),
        "run": [*facts.what_was_run(tables.runs, tables.place), *facts.measured(tables.results)],
        "sweep": _text(store),
        "conclusions": _conclusions(tables, concluded[0], concluded[2]),
        "comparison": [
            (title, _tables(each.text, each.groups))
            for title, each in zip(_COMPARED, concluded, strict=True)
            if each.groups
        ],
        "result_tables": _tables(TABLE, result_groups(results)),
        "figures": figures,
        "missing": missing(drawn),
        "failures": failures(store, finished),
        "diverged": _diverged(tables.results),
        "submissions": [(each.get("time", ""), facts.provenance(each)) for each in submissions],
        "again": facts.again(store),
    }


def _counts(tables: Tables) -> str:
    planned, results = len(tables.runs), tables.results
    diverged = int((results["state"] == "diverged").sum())
    left = f", {planned - len(results):,} without a result" if planned > len(results) else ""
    return f"{planned:,} runs: {len(results) - diverged:,} done, {diverged:,} diverged{left}"


def _text(store: Store) -> str:
    with suppress(OSError):
        return published(read_whole(store.sweep, MOST_OF_SWEEP).decode(errors="replace"))
    return ""


def _conclusions(
    tables: Tables, compared: Conclusion, strengths: Conclusion
) -> list[tuple[str, Conclusions]]:
    open_ends = unfinished(tables, strengths.frame, compared.frame)
    return [
        (
            rows.title,
            conclusions(
                records(rows.frame), score(DEFAULT, tables.region), open_ends[problem_of(rows.frame)]
            ),
        )
        for rows in by_problem(compared.frame)
    ]


def _tables(text: TextTable, groups: list[Rows]) -> list[Table]:
    text = _verdict_second(text)
    return [
        Table(
            title=group.title,
            headers=[column.header for column in text.columns],
            words=[column.words for column in text.columns],
            rows=text.rows(group.frame),
            notes=own(group, groups),
            shared=[*shared(groups), text.caption],
        )
        for group in groups
    ]


def _verdict_second(text: TextTable) -> TextTable:
    """What is concluded stands beside the name: on a narrow screen the rest is outside the picture."""
    later = [column for column in text.columns if column.header != "Verdict"]
    verdicts = [column for column in text.columns if column.header == "Verdict"]
    return replace(text, columns=[*later[:1], *verdicts, *later[1:]])


def _diverged(results: pd.DataFrame) -> list[dict[str, Any]]:
    """How many runs of each cell diverged, and when the first did; nothing of cells without any."""
    keys = ["dataset", "per_class", "model", "regularizer", "strength", "phase"]
    bad = results[results["state"] == "diverged"].groupby(keys, dropna=False, sort=False)
    cells = bad["diverged_step"].agg(n="size", step="min").reset_index()
    return [
        row
        | {
            "per_class": "all" if pd.isna(row["per_class"]) else int(row["per_class"]),
            "step": int(row["step"]),
        }
        for row in records(cells)
    ]

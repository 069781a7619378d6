"""When report results were looked at, and what the sweep was then: `looks.json`.

Raising the number of report seeds, or adding strengths or techniques, once results have been compared is
allowed; but whoever adds until a difference shows will find one, so tables and report say it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypedDict

import pandas as pd

from analysis.notation.methods import method, strength_label
from analysis.notation.number_text import count
from analysis.statistics.contenders import of_problem
from analysis.tables.store_tables import Problem, Tables
from analysis.tables.strength_text import strength_order
from regularize.errors import UserError
from regularize.store import Store, read_json, write_json
from regularize.typed import fits
from regularize.whole_files import aside, set_aside, warn


class Runs(TypedDict, total=False):
    """Of each strength the runs of the lowest seeds; looks of earlier versions had none."""

    runs: list[str]


class Plan(Runs):
    seeds: int
    strengths: list[str]


class Look(TypedDict):
    time: str
    problems: dict[str, dict[str, Plan]]


Planned = Mapping[str, Mapping[str, Any]]
"""By regularizer, of one problem: the number of report `seeds`, the `strengths` that are tried, `runs`."""


def record(tables: Tables) -> None:
    """Note that results are looked at now, unless the last look was at a sweep with the same plan."""
    looks, now = read(tables.store), _plan(tables)
    if now and (not looks or looks[-1]["problems"] != now):
        time = datetime.now(UTC).isoformat(timespec="seconds")
        path, here = tables.store.looks, _read(tables.store.looks)
        if here is None:
            set_aside(path)
            warn(f"{path} was damaged: it is set aside, and a new one begins with this look")
        write_json(path, [*(here or []), {"time": time, "problems": now}])


def read(store: Store) -> list[dict[str, Any]]:
    """All looks, here and on the cluster, oldest first; none where there is no file that can be read."""
    looks = (look for path in (store.looks, store.looks_there) for look in _read(path) or ())
    return sorted(looks, key=lambda look: str(look["time"]))


def _read(path: Path) -> list[dict[str, Any]] | None:
    """None where the file is damaged.

    Raises:
        UserError: the file system does not give it.
    """
    try:
        looks = read_json(path)
        if not fits(looks, list[Look]):
            raise ValueError("it holds something else")
        return list(looks)
    except FileNotFoundError:
        return []
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror}") from None
    except (ValueError, KeyError, TypeError):
        return None


def added(tables: Tables, problem: Problem) -> str | None:
    """In a sentence, what the sweep has for a problem that it had not at the first look; None for nothing.

    Looks that a damaged file had are not known any more, which is said for as long as it lies there.
    """
    for path in (tables.store.looks, tables.store.looks_there):
        if aside(path).exists() or _read(path) is None:
            return (
                "Whether seeds, strengths or techniques were added after report results had been compared "
                f"is not known: {path.name}, which said so, is damaged"
            )
    for look in read(tables.store):
        if before := look["problems"].get(problem.slug):
            mine = tables.runs[of_problem(tables.runs, problem)]
            new = _new(before, mine, tables.place)
            return _sentence(look["time"], _seeds(before), _seeds(_planned(mine)), new)
    return None


def _plan(tables: Tables) -> dict[str, Planned]:
    """What is planned for the problems that have a report result, by their slugs."""
    report = tables.results[tables.results["phase"] == "report"]
    seen = [problem for problem in tables.problems if of_problem(report, problem).any()]
    return {problem.slug: _planned(tables.runs[of_problem(tables.runs, problem)]) for problem in seen}


def _planned(mine: pd.DataFrame) -> Planned:
    """Of the runs of one problem."""
    lowest = mine.sort_values("seed").drop_duplicates(["regularizer", "strength", "phase"])
    runs = lowest.groupby("regularizer")["run_id"].agg(sorted)
    return {
        str(name): {
            "seeds": int(rows.loc[rows["phase"] == "report", "seed"].nunique()),
            "strengths": sorted(set(rows["strength"]), key=strength_order),
            "runs": runs[name],
        }
        for name, rows in mine.groupby("regularizer")
    }


def _new(before: Planned, mine: pd.DataFrame, place: Callable[[str], int]) -> list[str]:
    """What was not trained before, under whatever name: strengths, or whole entries."""
    trained = {run for entry in before.values() for run in entry.get("runs", ())}
    known = mine["run_id"].isin(trained)
    if not trained:  # noted by an earlier version
        pairs = {(name, strength) for name, entry in before.items() for strength in entry["strengths"]}
        each = zip(mine["regularizer"], mine["strength"], strict=True)
        known = pd.Series([pair in pairs for pair in each], index=mine.index)
    was = mine.assign(known=known).groupby(["regularizer", "strength"])["known"].any()
    found = []
    for name in sorted(was.index.unique("regularizer"), key=place):
        of_entry = was[name]
        new = sorted(of_entry.index[~of_entry], key=strength_order) if of_entry.any() else ["*"]
        found += [_name(name, strength) for strength in new]
    return found


def _sentence(time: str, then: int, now: int, new: Sequence[str]) -> str | None:
    parts = [f"{count(now, 'seed')} instead of {then}"] * (now > then)
    parts += [", ".join(new)] * bool(new)
    if not parts:
        return None
    return (
        f"Added after report results had been compared, first on {time[:10]} with n = {then} "
        f"(now {now}): {'; '.join(parts)}"
    )


def _seeds(planned: Planned) -> int:
    return max((entry["seeds"] for entry in planned.values()), default=0)


def _name(regularizer: str, strength: str) -> str:
    label = "no regularizer" if regularizer == "none" else method(regularizer).label
    return label if strength in ("*", "") else f"{label} ({strength_label(regularizer, strength)})"

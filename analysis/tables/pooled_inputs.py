"""Whether results of different code, or of different data of one name, stand side by side in tables."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import combinations

from analysis.tables.store_tables import Tables
from regularize.code_identity import Code
from regularize.errors import UserError
from regularize.opened import read_whole
from regularize.store import Store, read_json

_UNKNOWN = "code that was not recorded"


def pooled(tables: Tables) -> str:
    """What every table and figure has to say of it, in a sentence each; `` where all is of one kind."""
    return " ".join([*_of_code(tables), *_of_data(tables)])


def _of_code(tables: Tables) -> Iterator[str]:
    if "code" not in tables.results:
        return
    found = Counter(code or _UNKNOWN for code in tables.results["code"].fillna(""))
    codes = {code for several in found for code in several.split("+")}
    if len(codes) > 1 and not _differ_by_own_modules_alone(tables.store, codes):
        parts = ", ".join(f"{runs:,} by {code}" for code, runs in found.most_common())
        yield f"Results of {len(codes)} codes are pooled: {parts}{_how(tables, 'code', found)}."


def _differ_by_own_modules_alone(store: Store, names: Iterable[str]) -> bool:
    """Whether every file that several of these codes have does the same in all: entries of one sweep that use
    modules of one's own are trained by more code than the rest, not by other code."""
    if _UNKNOWN in names:
        return False
    try:
        codes = [Code.from_bytes(read_whole(store.code(name))) for name in sorted(names)]
    except (OSError, ValueError, UserError):
        return False  # not kept, or damaged: by their names they differ
    return not any(one.contradicts(other) for one, other in combinations(codes, 2))


def _of_data(tables: Tables) -> Iterator[str]:
    if "data" not in tables.results:
        return
    for dataset, names in tables.results.groupby("dataset")["data"]:
        found = Counter(name for name in names if name)
        if len(found) > 1:
            parts = ", ".join(f"{runs:,} on {name}" for name, runs in found.most_common())
            how = _how(tables, "data", found)
            yield f"Results on {len(found)} contents of {dataset} are pooled: {parts}{how}."


def _how(tables: Tables, kind: str, found: Counter[str]) -> str:
    """How those were accepted that were, as the store remembers."""
    said: dict[str, str] = {}  # the last time counts
    try:
        for entry in read_json(tables.store.accepted):
            if entry["kind"] == kind and any(entry["name"] in name.split("+") for name in found):
                said[entry["name"]] = f"{entry['name']} {entry['how']} on {entry['time'][:10]}"
    except FileNotFoundError:
        return ""
    except (OSError, ValueError, KeyError, TypeError):
        return f" (how they were accepted is not known: {tables.store.accepted.name} is damaged)"
    return f" ({', '.join(said.values())})" if said else ""

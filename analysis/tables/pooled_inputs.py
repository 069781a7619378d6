"""Whether results of different code, or of different data of one name, stand side by side in tables."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from analysis.tables.store_tables import Tables
from regularize.store import read_json

_UNKNOWN = "code that was not recorded"


def pooled(tables: Tables) -> str:
    """What every table and figure has to say of it, in a sentence each; `` where all is of one kind."""
    return " ".join([*_of_code(tables), *_of_data(tables)])


def _of_code(tables: Tables) -> Iterator[str]:
    if "code" not in tables.results:
        return
    found = Counter(code or _UNKNOWN for code in tables.results["code"].fillna(""))
    codes = {code for several in found for code in several.split("+")}
    if len(codes) > 1:
        parts = ", ".join(f"{runs:,} by {code}" for code, runs in found.most_common())
        yield f"Results of {len(codes)} codes are pooled: {parts}{_how(tables, 'code', found)}."


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

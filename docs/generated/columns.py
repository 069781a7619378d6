"""Every column of every table, with the comment beside it in its schema."""

from __future__ import annotations

import re
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path

import pyarrow as pa

from analysis.tables.readable_rows import READABLE
from docs.generated import table

ROOT = Path(__file__).parents[2]
_SCHEMA = re.compile(r"^([A-Z]+) = pa\.schema\($", re.MULTILINE)
_COLUMN = re.compile(r'^ +\("(?P<name>\w+)", pa\.[^#\n]*\),(?: +# (?P<meaning>.*))?$', re.MULTILINE)
_KINDS = {
    "string": "text", "int64": "integer", "double": "number", "bool": "true or false",
    "list<item: float>": "list of numbers",
}  # fmt: skip


@dataclass(frozen=True)
class Documented:
    """A schema, and what its source says of each column (`` for nothing)."""

    name: str
    module: str
    schema: pa.Schema
    meanings: dict[str, str]


def schemas() -> list[Documented]:
    """Every schema of the packages, wherever it stands."""
    found = []
    for path in sorted(ROOT.glob("regularize/**/*.py")) + sorted(ROOT.glob("[aj]*/**/*.py")):
        text = path.read_text(encoding="utf-8")
        for start in _SCHEMA.finditer(text):
            body = text[start.end() : text.index("\n)", start.end())]
            module = path.relative_to(ROOT).with_suffix("").as_posix().replace("/", ".")
            schema = getattr(import_module(module), start[1])
            meanings = {column["name"]: column["meaning"] or "" for column in _COLUMN.finditer(body)}
            found.append(Documented(start[1].lower(), module, schema, meanings))
    return found


def columns() -> str:
    return "\n\n".join(map(_section, schemas()))


def _section(each: Documented) -> str:
    columns = f"`{'`, `'.join(READABLE)}` of `runs`"
    if each.name == "predictions":
        first = f"`packs/*/{each.name}.parquet`; `analysis.open` adds {columns}.\n\n"
    elif each.module == "regularize.schemas" and each.name != "runs":
        first = f"`tables/{each.name}.parquet`; before these columns stand {columns}.\n\n"
    else:
        first = f"`tables/{each.name}.parquet`\n\n"
    rows: list[tuple[object, ...]] = [
        (f"`{field.name}`", _KINDS.get(str(field.type), str(field.type)), each.meanings.get(field.name, ""))
        for field in each.schema
    ]
    return f"## `{each.name}`\n\n{first}{table(('column', 'type', 'what it is'), rows)}"

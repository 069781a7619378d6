"""The parts of pages that are written from the code when the site is built, so that they say what is so.

A page says where: `<!-- generated: NAME -->`, what else stands on that line being for readers of the source.
"""

from __future__ import annotations

import re
from importlib import import_module

PARTS = {
    "sweep_keys": "keys",
    "cluster_keys": "keys",
    "technique_cards": "techniques",
    "technique_costs": "techniques",
    "common_options": "techniques",
    "columns": "columns",
    "commands": "commands",
    "figures": "figures",
    "scores": "figures",
}
"""Each part with the module of this folder whose function of that name writes it."""
_MARK = re.compile(r"^<!-- generated: (\w+) -->.*$", re.MULTILINE)


def filled_in(text: str) -> str:
    """A page's text with every part written; an unknown name is an error."""
    return _MARK.sub(lambda mark: part(mark[1]), text)


def part(name: str) -> str:
    written: str = getattr(import_module(f"docs.generated.{PARTS[name]}"), name)()
    return written


def cell(text: object) -> str:
    """Text that may stand in a cell of a table."""
    return " ".join(str(text).split()).replace("|", "\\|")


def table(header: tuple[str, ...], rows: list[tuple[object, ...]]) -> str:
    lines = [header, ("---",) * len(header), *rows]
    return "\n".join(f"| {' | '.join(map(cell, line))} |" for line in lines)

"""What a check found, and how people see it."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.table import Table

MARKS = {"pass": ("✓", "green"), "warn": ("!", "yellow"), "fail": ("✗", "red"), "skip": ("–", "dim")}


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One thing that was looked at: `state` is `pass`, `warn`, `fail`, or `skip` where it could not be."""

    name: str
    state: str
    found: str
    todo: str = ""

    def to_json(self) -> dict[str, str]:
        return asdict(self)


def passed(name: str, found: str) -> Finding:
    return Finding(name=name, state="pass", found=found)


def warned(name: str, found: str, todo: str) -> Finding:
    return Finding(name=name, state="warn", found=found, todo=todo)


def failed(name: str, found: str, todo: str) -> Finding:
    return Finding(name=name, state="fail", found=found, todo=todo)


def skipped(name: str, found: str) -> Finding:
    return Finding(name=name, state="skip", found=found)


def view(finding: Finding) -> Table:
    """One line of the list, and below it what to do."""
    from rich.table import Table
    from rich.text import Text

    mark, colour = MARKS[finding.state]
    line = Table.grid(padding=(0, 2))
    line.add_column(width=1)
    line.add_column(width=14)
    line.add_column(overflow="fold")
    line.add_row(Text(mark, colour), finding.name, Text(finding.found))
    if finding.todo:
        line.add_row("", "", Text(f"→ {finding.todo}", "bold" if finding.state == "fail" else ""))
    return line

"""What `bench_growth` printed, as tables: `… bench_growth | python -m tests.benchmarks.growth_table`.

A row for each command, a column for each number of runs.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

_HEAD = re.compile(r"([\d,]+) runs +CPU s")
_ROW = re.compile(r"(\S.*?) {2,}([\d.]+) +([\d.]+) +(\d+) +(\d+) ")
_FILES = re.compile(r"([\d,]+) files")


class Step(NamedTuple):
    processor: str
    wall: str
    megabytes: str
    round_trips: str


class Growth(NamedTuple):
    """`steps` by command and runs, `files` by runs; runs as they are printed."""

    steps: dict[str, dict[str, Step]]
    files: dict[str, str]


def read(lines: Iterable[str]) -> Growth:
    steps: dict[str, dict[str, Step]] = {}
    files: dict[str, str] = {}
    runs = ""
    for line in lines:
        if head := _HEAD.match(line):
            runs = head[1]
        elif found := _FILES.fullmatch(line.strip()):
            files[runs] = found[1]
        elif row := _ROW.match(line):
            steps.setdefault(row[1], {})[runs] = Step(*row.groups()[1:])
    return Growth(steps, files)


def markdown(growth: Growth) -> Iterator[str]:
    """The lines of two tables: seconds, and what does not depend on how busy the machine is."""
    yield from _table(growth, "processor and wall seconds", lambda step: f"{step.processor}, {step.wall}")
    yield ""

    def beside(step: Step) -> str:
        return f"{int(step.megabytes):,}, {int(step.round_trips):,}"

    at_once = {name: each for name, each in growth.steps.items() if not name.endswith("5 ms")}
    yield from _table(growth._replace(steps=at_once), "MB, round trips", beside)
    yield f"| files in the store | {' | '.join(growth.files.values())} |"


def _table(growth: Growth, what: str, cell: Callable[[Step], str]) -> Iterator[str]:
    yield f"| {what} | {' | '.join(growth.files)} |"
    yield f"|---|{'---:|' * len(growth.files)}"
    for name, by_runs in growth.steps.items():
        cells = (cell(by_runs[runs]) if runs in by_runs else "" for runs in growth.files)
        yield f"| {name} | {' | '.join(cells)} |"


if __name__ == "__main__":
    print("\n".join(markdown(read(sys.stdin))))

"""Plans and overviews on the screen."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from jobs.plan import Plan
from jobs.progress import failure_line, summary
from jobs.status import Active, Overview
from jobs.words import duration, plural, size

MOST_LISTED = 12
_STYLES = {"running": "cyan", "interrupted": "yellow", "failed": "red", "diverged": "magenta"}


def headline(plan: Plan) -> str:
    """What is to do, in one line."""
    begun = sum(pack.share > 0 for pack in plan.packs)
    text = f"{plural(plan.to_do, 'run')} to do in {plural(len(plan.packs), 'pack')}"
    text += f" ({begun} begun)" if begun else ""
    text += f" on {plural(len(plan.slices), 'task')}, about {duration(plan.seconds)}"
    return text + (f"; then {plural(len(plan.ahead), 'report run')}" if plan.ahead else "")


def plan_view(plan: Plan) -> Group:
    """Runs by regularizer × dataset, then what they take."""
    diverged = sum(plan.done.values())
    lines = [f"{plural(len(plan.done), 'run')} done" + (f", {diverged} diverged" if diverged else "")]
    lines.append(headline(plan) if plan.slices else "nothing to do")
    if plan.ahead:
        lines.append(f"about {duration(plan.seconds + plan.ahead_seconds)} with the report runs")
    if plan.bytes:
        lines.append(f"about {size(plan.bytes)} of results")
    return _group(_grid(plan.cells(), _plan_cell), lines)


def status_view(overview: Overview) -> Group:
    """Runs by state, for every regularizer × dataset, then what runs and what failed."""
    lines: list[str | Text] = [f"{overview.progress:.0%}: {summary(overview)}"]
    if len(overview.phases) > 1:
        lines += [f"{phase}: {_counted(counts)}" for phase, counts in overview.phases.items()]
    lines += _listed([_active_line(active) for active in overview.active], "")
    lines += _listed([failure_line(failed) for failed in overview.failures], "red")
    lines += _listed(list(overview.broken), "yellow")
    return _group(_grid(overview.cells, _status_cell), lines)


def _group(table: Table, lines: Sequence[str | Text]) -> Group:
    parts: list[RenderableType] = [table]
    return Group(*parts, *(line if isinstance(line, Text) else Text(line) for line in lines))


def _grid(cells: Mapping[tuple[str, str], Counter[str]], cell: Callable[[Counter[str]], Text]) -> Table:
    """Regularizers down, data sets across, both in the order of the sweep."""
    regularizers = list(dict.fromkeys(regularizer for regularizer, _ in cells))
    datasets = list(dict.fromkeys(dataset for _, dataset in cells))
    table = Table("regularizer", box=None, pad_edge=False)
    for dataset in datasets:
        table.add_column(Text(dataset), justify="right")
    for regularizer in regularizers:
        found = (cells.get((regularizer, dataset)) for dataset in datasets)
        table.add_row(Text(regularizer), *(cell(counts) if counts else Text("–") for counts in found))
    return table


def _plan_cell(counts: Counter[str]) -> Text:
    done, to_do, ahead = counts["done"], counts["to do"], counts["ahead"]
    text = "done" if not to_do and not ahead else f"{to_do} of {done + to_do}" if done else f"{to_do}"
    return Text(text + (f" + {ahead}" if ahead else ""))


def _status_cell(counts: Counter[str]) -> Text:
    text = Text(f"{counts['done'] + counts['diverged']}/{counts.total()}")
    for state, style in _STYLES.items():
        if counts[state]:
            text.append(f" {counts[state]} {state}", style=style)
    return text


def _counted(counts: Counter[str]) -> str:
    return ", ".join(f"{counts[state]:,} {state}" for state in counts)


def _active_line(active: Active) -> str:
    text = f"pack {active.pack_id}: {plural(active.runs, 'run')}, epoch {active.epoch} of {active.epochs}"
    silent = f", silent for {duration(active.age)}" if active.age > 60 else ""
    return f"{text}, on {active.host}{silent}"


def _listed(lines: list[str], style: str) -> list[str | Text]:
    shown: list[str | Text] = [Text(line, style=style) for line in lines[:MOST_LISTED]]
    rest = len(lines) - MOST_LISTED
    return shown + ([f"and {rest} more"] if rest > 0 else [])

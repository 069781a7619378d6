"""What `plan` and `status` print."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from jobs.planning.plan_headline import headline
from jobs.status.overview import Active, Overview, Queue
from jobs.status.progress import summary
from jobs.store.failed_packs import Group as Failures
from jobs.store.failed_packs import grouped
from jobs.store.journal import Death
from jobs.submission.continuation import left_out_line
from jobs.support.readable_numbers import duration, plural, size

if TYPE_CHECKING:
    from jobs.planning.plan import Plan

MOST_LISTED = 12
# Why Slurm keeps a job waiting for ever.
_NEVER = re.compile(
    r"QOSMin.*|(QOS|Assoc)Max(Wall.*|.*PerJob.*)|Partition(Time|Node)Limit|Invalid(QOS|Account)|BadConstraints"
    r"|DependencyNeverSatisfied"
)
_ASK = "the cluster config, and `regularize cluster check`"
_STYLES = {
    "running": "cyan",
    "queued": "blue",
    "interrupted": "yellow",
    "lost": "red",
    "failed": "red",
    "unknown": "yellow",
    "diverged": "magenta",
}


def plan_view(plan: Plan, kernels: str | None = None, left_open: Sequence[str] = ()) -> Group:
    """Runs by regularizer × dataset, what they take, and what they would leave open.

    `kernels` are those that compute the runs here.
    """
    diverged = sum(plan.done.values())
    lines: list[str | Text] = [
        f"{plural(len(plan.done), 'run')} done" + (f", {diverged} diverged" if diverged else "")
    ]
    if plan.held:
        lines.append(f"{plan.in_hand:,} in Slurm's queue, {len(plan.held) - plan.in_hand:,} left out")
    ahead = plural(len(plan.ahead), "report run")
    follow = f" now; {ahead} follow once strengths are chosen" if plan.ahead else ""
    lines.append(headline(plan) if plan.slices else f"nothing to do{follow}")
    if stay := len(plan.again.stays):
        lines.append(
            f"curves or snapshots of {plural(stay, 'run')} are not as `evaluation:` asks for and stay so: "
            "only a training makes them"
        )
    if plan.ahead:
        lines.append(f"about {duration(plan.seconds + plan.ahead_seconds)} with the report runs")
    if plan.slices or plan.ahead:
        share = f"{plan.measuring:.0%} of the time"
        asked = "; `evaluation:` in the sweep can ask for less" * (plan.measuring > 0.5)
        lines.append(f"{share} goes into measuring{asked}")
    lines += _listed([f"up to {each}" for each in plan.sizes.said if plan.slices or plan.ahead], "")
    if kernels:
        lines.append(f"kernels: {kernels}")
    if plan.bytes:
        lines.append(f"about {size(plan.bytes)} of results")
    lines += [Text(each, style="yellow") for each in left_open]
    return _group(_grid(plan.cells(), _plan_cell), lines)


def status_view(overview: Overview) -> Group:
    """Runs by state, for every regularizer × dataset, then what runs and what failed."""
    lines: list[str | Text] = [f"{overview.progress:.0%}: {summary(overview)}"]
    if len(overview.phases) > 1:
        lines += [f"{phase}: {_counted(counts)}" for phase, counts in overview.phases.items()]
    lines += _listed([_active_line(active) for active in overview.active], "")
    lines += _listed([_queue_line(queue) for queue in overview.queue if queue.state != "RUNNING"], "")
    lines += _listed([each.said for each in overview.starting], "")
    if overview.to_measure:
        runs = plural(overview.to_measure, "run")
        lines.append(f"{runs} done, but measured otherwise than the sweep asks for: `submit` measures again")
    lines += _listed([_death_line(death) for death in overview.deaths], "red")
    lines += _listed([_failures_line(group) for group in grouped(overview.failures)], "red")
    lines += _listed([left_out_line(reason, runs) for reason, runs in overview.left_out.items()], "red")
    lines += _listed([*overview.broken, *overview.notes], "yellow")
    lines += _what_follows(overview)
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
    done, ahead = counts["done"], counts["ahead"]
    to_do = counts["to do"] + counts["in hand"] + counts["left out"]
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
    left = "" if active.seconds_left is None else f", about {duration(active.seconds_left)} left"
    job = f" (job {active.job})" if active.job else ""
    silent = f", silent for {duration(active.age)}" if active.age > 60 else ""
    return f"{text}{left}, on {active.host}{job}{silent}"


def _queue_line(queue: Queue) -> str:
    """`job 13: 40 elements (320 runs) pending: Priority, expected to start Nov 26 02:10`."""
    jobs = f"{plural(queue.elements, 'element')} ({plural(queue.runs, 'run')}) {queue.state.lower()}"
    reason = f": {queue.reason}" if queue.reason not in ("", "None") else ""
    return f"job {queue.job_id}: {jobs}{reason}{_expected(queue)}"


def _expected(queue: Queue) -> str:
    if not queue.start:
        return ""
    return f", expected to start {datetime.fromisoformat(queue.start).astimezone():%b %d %H:%M}"


def _failures_line(group: Failures) -> str:
    packs = plural(len(group.failures), "pack")
    failed = f"{plural(group.runs, 'run')} of {packs} failed{group.where}"
    return f"{failed}: {group.message} ({group.failures[0].path})"


def _death_line(death: Death) -> str:
    what = "it is left out" if death.given_up and death.pack else "its packs are left"
    follows = what if death.given_up else "another worker took over its packs"
    return f"{death.said}; {follows} (logs/{death.log})"


def _what_follows(overview: Overview) -> list[str | Text]:
    """What goes on by itself, or what to do."""
    never = _listed([line for queue in overview.queue for line in _never(queue, _ASK)], "red")
    if follow_up := overview.follow_up:
        waits = _listed(_never(follow_up, f"`follow_up:` in {_ASK}"), "red")
        return [*never, _follows(follow_up, bool(overview.queue)), *waits]
    if overview.queue:
        return [
            *never,
            Text("no job goes on by itself when these have ended: submit again then", style="yellow"),
        ]
    return [Text(overview.halted, style="yellow")] if overview.halted else []


def _follows(job: Queue, others: bool) -> str:
    """`job 14 goes on by itself (pending: Priority, expected to start Nov 26 02:10)`."""
    when = " when these have ended" if others else ""
    reason = f": {job.reason}" if job.reason not in ("", "None", "Dependency") else ""
    return f"job {job.job_id} goes on by itself{when} ({job.state.lower()}{reason}{_expected(job)})"


def _never(job: Queue, see: str) -> list[str]:
    """A warning of a reason to wait that does not pass by itself."""
    if job.state != "PENDING" or not _NEVER.fullmatch(job.reason):
        return []
    return [f"as it is asked for, job {job.job_id} never starts ({job.reason}): see {see}"]


def _listed(lines: list[str], style: str) -> list[str | Text]:
    shown: list[str | Text] = [Text(line, style=style) for line in lines[:MOST_LISTED]]
    rest = len(lines) - MOST_LISTED
    return shown + ([f"and {rest} more"] if rest > 0 else [])

"""Store → overview: states of runs, what runs, waits, failed; as text in `plan_and_status_text`."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

from jobs.status.going_on import given_up, reports_ahead, see, stopped, unheard
from jobs.status.run_filters import EVERYTHING, Filter, matching
from jobs.status.run_states import RUN_STATES, age, pack_state, run_states, waits
from jobs.status.starting import Starting, starting
from jobs.store.failed_packs import Failure, failed_pack, grouped
from jobs.store.journal import Death, damage
from jobs.store.pack_status import Packs
from jobs.store.planned_runs import Row, read_rows
from jobs.store.remembered_packs import look_at_packs
from jobs.store.unmeasured import unmeasured
from jobs.submission.bad_nodes import bad_node_lines
from jobs.submission.job_outcomes import Sight
from jobs.support.readable_numbers import plural
from regularize.store import PackStatus, Store


@dataclass(frozen=True, kw_only=True)
class Active:
    """A pack that is being trained; `age` is the seconds since it last said so.

    `speed` is in steps of single runs a second, `seconds_left` an estimate at that speed; both None
    before there is one. `job` is Slurm's, with the process's number, empty on this machine.
    """

    pack_id: str
    runs: int
    step: int
    steps: int
    epoch: int
    epochs: int
    host: str
    pid: int
    age: float
    job: str
    speed: float | None
    seconds_left: float | None


@dataclass(frozen=True, kw_only=True)
class Queue:
    """Jobs of one array that are in the same state for the same reason; `start` is the earliest expected."""

    job_id: str
    state: str
    reason: str
    elements: int
    runs: int
    start: str | None


@dataclass(frozen=True, kw_only=True)
class Overview:
    """Runs by state, for every phase, and for every (regularizer, dataset), in the sweep's order.

    `ahead` are report runs that follow once strengths are chosen; `progress` is the share of all runs' steps
    that is done, theirs included, in [0, 1]. `deaths` are of this machine's workers. `broken` says what is
    wrong with packs whose status cannot be read, `left_out` how many runs are not handed over again, by
    reason; `starting` are jobs that run and do not train yet, `follow_up` is the job that goes on by itself,
    `halted` what to do where none does and something is left. `to_measure` are runs that are done, but
    measured otherwise than the sweep asks for since. `time` is when it was so. `states` and `shares` (of its
    steps that is done) are of single runs, those that were begun or handed over; `packs` are what told it.
    """

    phases: Mapping[str, Counter[str]]
    cells: Mapping[tuple[str, str], Counter[str]]
    progress: float
    active: Sequence[Active] = ()
    failures: Sequence[Failure] = ()
    broken: Sequence[str] = ()
    queue: Sequence[Queue] = ()
    starting: Sequence[Starting] = ()
    follow_up: Queue | None = None
    halted: str = ""
    left_out: Mapping[str, int] = field(default_factory=dict)
    deaths: Sequence[Death] = ()
    notes: Sequence[str] = ()
    ahead: int = 0
    answered: bool = True  # by Slurm
    to_measure: int = 0
    time: datetime = field(default_factory=lambda: datetime.now(UTC))
    states: Mapping[str, str] = field(default_factory=dict)
    shares: Mapping[str, float] = field(default_factory=dict)
    packs: Packs = field(default_factory=Packs)

    @property
    def runs(self) -> Counter[str]:
        """All runs by state."""
        return sum(self.phases.values(), Counter())

    def to_json(self) -> dict[str, Any]:
        """Plain values; its size does not grow with the number of runs, only with that of active packs."""
        cells = [
            {"regularizer": regularizer, "dataset": dataset, **_counts(counter)}
            for (regularizer, dataset), counter in self.cells.items()
        ]
        return {
            "time": self.time.isoformat(timespec="seconds"),
            "runs": _counts(self.runs),
            "phases": {phase: _counts(counter) for phase, counter in self.phases.items()},
            "ahead": self.ahead,
            "progress": round(self.progress, 4),
            "cells": cells,
            "active": [vars(active) for active in self.active],
            "failures": [group.to_json() for group in grouped(self.failures)],
            "queue": [vars(queue) for queue in self.queue],
            "starting": [vars(each) for each in self.starting],
            "follow_up": vars(self.follow_up) if self.follow_up else None,
            "halted": self.halted,
            "left_out": dict(self.left_out),
            "deaths": [death._asdict() for death in self.deaths],
            "broken": list(self.broken),
            "notes": list(self.notes),
            "to_measure": self.to_measure,
        }


def overview(
    rows: Sequence[Row],
    packs: Packs,
    store: Store,
    sight: Sight | None = None,
    *,
    now: datetime | None = None,
    wanted: Filter = EVERYTHING,
    ahead: int = 0,
) -> Overview:
    """The states of the `wanted` of the runs `rows`, as the `packs` of the `store` and Slurm tell them."""
    now = now or datetime.now(UTC)
    states, shares = run_states(packs, sight, now)
    rows = rows if wanted == EVERYTHING else matching(rows, wanted, states)
    cells: dict[tuple[str, str], Counter[str]] = defaultdict(Counter)
    phases: dict[str, Counter[str]] = defaultdict(Counter)
    for row in rows:
        state = states.get(row.run_id, "planned")
        cells[row.regularizer, row.dataset][state] += 1
        phases[row.phase][state] += 1
    planned = {row.run_id for row in rows}
    concerned = {pack_id: s for pack_id, s in packs.statuses.items() if not planned.isdisjoint(s.runs)}
    return Overview(
        phases=phases,
        cells=cells,
        progress=sum(shares.get(row.run_id, 0.0) for row in rows) / (len(rows) + ahead) if rows else 1.0,
        ahead=ahead,
        deaths=sight.journal.deaths if sight else (),
        active=[_active(i, s, now) for i, s in concerned.items() if _trains(s, states, now)],
        failures=[failed_pack(i, s, store) for i, s in concerned.items() if _matters(s, states)],
        broken=sorted(packs.broken.values()),
        queue=_queues(sight, planned) if sight else (),
        starting=starting(sight, packs, states, store.jobs, now) if sight else (),
        follow_up=_follow_up(sight) if sight else None,
        to_measure=len(unmeasured(rows, packs)),
        notes=_idle(concerned.values(), rows),
        time=now,
        states=states,
        shares=shares,
        packs=packs,
    )


def _idle(statuses: Iterable[PackStatus], rows: Sequence[Row]) -> list[str]:
    """Which regularizers have a penalty that did nothing, and in how many runs."""
    idle = {run_id for status in statuses for run_id in status.did_nothing}
    counts = Counter(row.regularizer for row in rows if row.run_id in idle)
    return [
        f"the penalty of {name} did nothing in {plural(number, 'run')}: its gradient stayed below a "
        "millionth of the loss's"
        for name, number in counts.items()
    ]


def read_overview(
    store: Store, wanted: Filter = EVERYTHING, say: Callable[[str], None] = lambda _: None
) -> Overview:
    """The overview of a store as it is now; Slurm is asked if jobs may be at work. Writes nothing
    but what `look_at_packs` remembers.

    Raises:
        UserError: nothing was submitted to it, or its files are damaged.
    """
    rows = read_rows(store)
    sight, notes = see(store, say)
    packs = look_at_packs(store)  # after the queue: whatever has left it has left its results
    left_out = given_up(store, rows, sight, packs)
    counts = Counter(left_out[row.run_id] for row in rows if row.run_id in left_out)
    halt = "" if notes else stopped(store, rows, sight, packs, left_out)
    ahead = reports_ahead(store, rows, packs) if wanted == EVERYTHING else 0
    found = overview(rows, packs, store, sight, wanted=wanted, ahead=ahead)
    answered = not notes
    if answered:
        notes = [*unheard(store, rows, sight, packs), *bad_node_lines(sight.journal)]
    if lines := sight.journal.damaged:
        notes = [*notes, damage(store.journal, lines)]
    notes = [*notes, *found.notes]
    return replace(found, left_out=counts, notes=notes, halted=halt, answered=answered)


def _queues(sight: Sight, planned: set[str]) -> list[Queue]:
    """The arrays' jobs in the queue, those alike together."""
    found: dict[tuple[str, str, str], list[tuple[int, datetime | None]]] = defaultdict(list)
    for handed in sight.live_arrays():
        for index in range(len(handed.elements)):
            if task := sight.live.get((handed.token, index)):
                runs = sum(run_id in planned for run_id in handed.runs(index))
                reason = task.reason if waits(task) else ""
                found[task.job_id, task.state, reason].append((runs, task.start if waits(task) else None))
    return [
        Queue(
            job_id=job_id,
            state=state,
            reason=reason,
            elements=len(tasks),
            runs=sum(runs for runs, _ in tasks),
            start=min((start.isoformat() for _, start in tasks if start), default=None),
        )
        for (job_id, state, reason), tasks in found.items()
    ]


def _follow_up(sight: Sight) -> Queue | None:
    for _, task in sight.follow_ups():
        start = task.start.isoformat() if task.start else None
        return Queue(
            job_id=task.job_id, state=task.state, reason=task.reason, elements=1, runs=0, start=start
        )
    return None


def _matters(status: PackStatus, states: Mapping[str, str]) -> bool:
    # Runs of a failed pack may have been trained in another one since.
    failed = status.state == "failed" and any(states[run_id] == "failed" for run_id in status.runs)
    return failed or status.measuring_failed


def _trains(status: PackStatus, states: Mapping[str, str], now: datetime) -> bool:
    return pack_state(status, now) == "running" and any(states[i] == "running" for i in status.runs)


def _active(pack_id: str, status: PackStatus, now: datetime) -> Active:
    seconds = status.seconds + status.evaluation_seconds
    steps_a_second = status.step / seconds if status.step and seconds > 0 else None
    return Active(
        pack_id=pack_id,
        runs=len(status.runs),
        step=status.step,
        steps=status.steps,
        epoch=status.epoch,
        epochs=status.epochs,
        host=status.host,
        pid=status.pid,
        age=round(age(status, now), 1),
        job=status.job,
        speed=round(steps_a_second * len(status.runs), 2) if steps_a_second else None,
        seconds_left=round((status.steps - status.step) / steps_a_second, 1) if steps_a_second else None,
    )


def _counts(counter: Counter[str]) -> dict[str, int]:
    return {state: counter[state] for state in RUN_STATES}

"""A sweep whose store is on this machine, or mounted here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from sys import intern

import pyarrow as pa

from jobs.status.going_on import given_up, reports_ahead, see, stopped, unheard
from jobs.status.overview import Active, Overview, overview
from jobs.store import submitted_settings
from jobs.store.failed_packs import grouped
from jobs.store.journal import Death
from jobs.store.pack_status import Packs
from jobs.store.planned_runs import COLUMNS, Row, nothing_submitted, planned, rows
from jobs.store.remembered_packs import look_at_packs
from jobs.store.runs_table import read_runs
from jobs.submission.job_outcomes import Sight
from jobs.watch.picture import GOING_ON, Failures, Pack, Picture, Run
from jobs.watch.run_detail import Detail, Piece
from jobs.watch.run_files import attempts, configuration, facts, log_of, piece, points
from jobs.watch.run_notes import jobs_of, note_of
from jobs.watch.start_command import begin_command, run_command
from regularize.errors import UserError
from regularize.store import Store


@dataclass
class LocalSource:
    """`place` is what the header calls it. What was found is kept, so that little is read twice."""

    store: Store
    place: str
    packs: Packs = field(default_factory=Packs)
    sight: Sight | None = None
    cells: dict[str, tuple[str, int]] = field(default_factory=dict)  # strength and seed, by run
    rows: list[Row] = field(default_factory=list)
    stamp: tuple[int, int] = (0, 0)

    def look(self) -> Picture:
        self._read_runs()
        sight, notes = see(self.store)
        self.sight = sight
        self.packs = look_at_packs(self.store, self.packs)  # after the queue: what has left it is there
        now = datetime.now(UTC)
        ahead = reports_ahead(self.store, self.rows, self.packs)
        found = overview(self.rows, self.packs, self.store, sight, now=now, ahead=ahead)
        left_out = given_up(self.store, self.rows, sight, self.packs)
        notes = notes or unheard(self.store, self.rows, sight, self.packs)
        halt = "" if notes else stopped(self.store, self.rows, sight, self.packs, left_out)
        runs = self._runs(found, left_out)
        return Picture(
            sweep=self.store.folder.resolve().name,
            place=self.place,
            time=now,
            runs=tuple(runs),
            active=tuple(_pack(active) for active in found.active),
            queue=tuple(found.queue),
            failures=(*_failures(found), *(_death(self.store, death) for death in found.deaths)),
            ahead=ahead,
            follows=found.follow_up is not None,
            warnings=(*notes, *[halt] * bool(halt), *found.broken),
            **_pace(runs, found),
        )

    def detail(self, run_id: str) -> Detail:
        self._known(run_id)
        (row,) = read_runs(self.store, run_ids={run_id}).to_pylist()
        sight = self.sight or see(self.store)[0]
        return Detail(
            run_id=run_id,
            facts=facts(run_id, row, self.packs, sight),
            config=configuration(row["config"]),
            points=points(self.store, self.packs, run_id),
            attempts=attempts(run_id, self.packs, sight),
        )

    def log(self, run_id: str, offset: int | None) -> Piece:
        self._known(run_id)
        return piece(log_of(self.store, self.packs, self.sight or see(self.store)[0], run_id), offset)

    def cancel(self, run_ids: Sequence[str]) -> str:
        return run_command(self.store, "cancel", run_ids)

    def retry(self, run_ids: Sequence[str]) -> str:
        if submitted_settings.load(self.store).cluster.kind == "local":
            return begin_command(self.store, "retry", run_ids)
        return run_command(self.store, "retry", run_ids)

    def _read_runs(self) -> None:
        """The planned runs, if their file is not the one that was read last."""
        try:
            stat = self.store.runs.stat()
        except FileNotFoundError:
            raise nothing_submitted(self.store.runs) from None
        if (stamp := (stat.st_mtime_ns, stat.st_ino)) != self.stamp:
            table = read_runs(self.store, [*COLUMNS, "strength", "seed"])
            self.rows, self.stamp = rows(table), stamp
            cells = planned(table.select(["strength", "seed", "planned"]))
            self.cells = {
                row.run_id: (intern(cell["strength"]), cell["seed"])
                for row, cell in zip(self.rows, cells, strict=True)
            }
            del table, cells
            pa.default_memory_pool().release_unused()  # which would be most of what is kept

    def _known(self, run_id: str) -> None:
        if not self.cells:
            self.look()
        if run_id not in self.cells:
            raise UserError(f"the sweep has no run {run_id}")

    def _runs(self, found: Overview, left_out: Mapping[str, str]) -> list[Run]:
        assert self.sight is not None
        jobs = jobs_of(self.sight, self.packs)
        scores = {i: each for status in self.packs.statuses.values() for i, each in status.scores.items()}
        messages = {failed.pack_id: failed.message for failed in found.failures}
        return [
            Run(
                run_id=row.run_id,
                phase=row.phase,
                dataset=row.dataset,
                regularizer=row.regularizer,
                strength=self.cells[row.run_id][0],
                seed=self.cells[row.run_id][1],
                state=(state := found.states.get(row.run_id, "planned")),
                share=round(found.shares.get(row.run_id, 0.0), 4),
                job=((job := jobs.get(row.run_id)) and job.job_id) or "",
                best=(found_scores := scores.get(row.run_id, (None, None)))[0],
                last=found_scores[1],
                note=note_of(row.run_id, state, job, messages, left_out.get(row.run_id, ""), found.deaths),
            )
            for row in self.rows
        ]


def _pack(active: Active) -> Pack:
    return Pack(
        pack_id=active.pack_id,
        runs=active.runs,
        epoch=active.epoch,
        epochs=active.epochs,
        share=active.step / active.steps if active.steps else 0.0,
        host=active.host,
        job=active.job.rpartition("_")[0],
        age=active.age,
        seconds_left=active.seconds_left,
    )


def _failures(found: Overview) -> list[Failures]:
    return [
        Failures(
            message=group.message,
            runs=group.runs,
            packs=len(group.failures),
            path=group.failures[0].path,
            traceback=group.traceback,
        )
        for group in grouped(found.failures)
    ]


def _death(store: Store, death: Death) -> Failures:
    """A worker that died, as what a person has to see; the end of its log in a traceback's place."""
    log = store.logs / death.log
    follows = "" if death.given_up else "; another took over its packs"
    tail = piece(log, None).text if log.exists() else ""
    return Failures(
        message=f"{death.said}{follows}",
        runs=len(death.runs),
        packs=int(bool(death.pack)),
        path=str(log),
        traceback=tail or "its log is empty",
    )


def _pace(runs: Sequence[Run], found: Overview) -> dict[str, float | None]:
    """Runs an hour of all packs in training together, and the seconds for what is left at that speed."""
    a_second = sum(active.speed / active.steps for active in found.active if active.speed and active.steps)
    if not a_second:
        return {"speed": None, "seconds_left": None}
    left = sum(1 - run.share for run in runs if run.state in GOING_ON) + found.ahead
    return {"speed": round(3600 * a_second, 2), "seconds_left": round(left / a_second, 1)}

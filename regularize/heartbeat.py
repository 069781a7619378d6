"""What a pack in training says of itself while it trains: its status, and its curves so far."""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from regularize.late_copy import LateCopy
from regularize.memory import job_peak
from regularize.results import Row, now
from regularize.stopwatch import Stopwatch
from regularize.store import METRICS, PackStatus, write_table
from regularize.trainer import Trainer


@dataclass(frozen=True, kw_only=True)
class _Coming:
    """What is written once the device has made this step; it was given it at `since` (`time.monotonic`)."""

    step: int
    epoch: int
    diverged: LateCopy
    since: float


class Heartbeat:
    """Writes every `seconds`; on ranks other than 0 it writes nothing. `job` is who trains."""

    def __init__(self, trainer: Trainer, seconds: float, job: str) -> None:
        self.trainer, self.seconds, self.job = trainer, seconds, job
        self.started_at = now()
        self.scores: Mapping[str, Sequence[float]] = {}
        self._last = time.monotonic()
        self._rows = 0  # written to `curves`
        self._coming: _Coming | None = None

    def beat(self, rows: Sequence[Row], training: Stopwatch, evaluation: Stopwatch) -> None:
        """Write, if it is time to: of the step that the device is given now, once it has made it.

        Where the host is ahead, that is after a later step, and nobody waits; unless it is ahead by as long
        as a heartbeat: told to stop, it would have to wait for all those steps.
        """
        trainer, time_now = self.trainer, time.monotonic()
        if not trainer.ranks.first:
            return
        if self._coming is None and time_now - self._last >= self.seconds:
            copy = LateCopy(trainer.ended.diverged)
            self._coming = _Coming(step=trainer.step, epoch=trainer.epoch, diverged=copy, since=time_now)
        if coming := self._coming:
            if not coming.diverged.there and time_now - coming.since >= self.seconds:
                coming.diverged.wait()
            if coming.diverged.there:
                self._write_curves(rows)
                diverged = coming.diverged.numbers()
                self._write("running", coming.step, coming.epoch, diverged, training, evaluation)

    def write_status(
        self, state: str, training: Stopwatch, evaluation: Stopwatch, measured: str = ""
    ) -> PackStatus:
        """Of now: waits for the device. `measured` is the `Evaluation.text` that the tables are by, once they
        are there.
        """
        trainer = self.trainer
        diverged = trainer.ended.diverged.tolist()
        return self._write(state, trainer.step, trainer.epoch, diverged, training, evaluation, measured)

    def _write(
        self,
        state: str,
        step: int,
        epoch: int,
        diverged: Sequence[int],
        training: Stopwatch,
        evaluation: Stopwatch,
        measured: str = "",
    ) -> PackStatus:
        trainer = self.trainer
        ids = [run.run_id for run in trainer.runs]
        steps = {i: diverged_in for i, diverged_in in zip(ids, diverged, strict=False) if diverged_in}
        status = PackStatus(
            state=state,
            runs=tuple(ids),
            step=step,
            steps=trainer.timeline.steps,
            epoch=epoch,
            epochs=trainer.timeline.epochs,
            seconds=training.read(),
            evaluation_seconds=evaluation.read(),
            started_at=self.started_at,
            updated_at=now(),
            host=platform.node(),
            pid=os.getpid(),
            job=self.job,
            files=dict(trainer.paths.kept()) if state == "done" and trainer.ranks.first else {},
            code="+".join(trainer.codes),
            data=trainer.data,
            evaluation=measured,
            ranks=trainer.ranks.world,
            memory=job_peak(),
            scores=self.scores,
            diverged=tuple(steps),
            diverged_at=steps,
            did_nothing=_idle(trainer) if state == "done" else (),
        )
        if trainer.ranks.first:
            status.write(trainer.paths.status)
        self._last, self._coming = time.monotonic(), None
        return status

    def _write_curves(self, rows: Sequence[Row]) -> None:
        """The metrics so far, for those who watch; nothing is resumed from them."""
        if len(rows) != self._rows:
            write_table(self.trainer.paths.curves, rows, METRICS)
            self._rows = len(rows)


def _idle(trainer: Trainer) -> tuple[str, ...]:
    """The runs with a penalty that was nothing; only at the end, as a hinge may set in late."""
    return tuple(run.run_id for run, idle in zip(trainer.runs, trainer.effects.idle(), strict=False) if idle)

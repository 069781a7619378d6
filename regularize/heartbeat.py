"""What a pack in training says of itself while it trains: its status, and its curves so far."""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Mapping, Sequence

from regularize.memory import job_peak
from regularize.results import Row, now
from regularize.stopwatch import Stopwatch
from regularize.store import METRICS, PackStatus, write_table
from regularize.trainer import Trainer


class Heartbeat:
    """Writes every `seconds`; on ranks other than 0 it writes nothing. `job` is who trains."""

    def __init__(self, trainer: Trainer, seconds: float, job: str) -> None:
        self.trainer, self.seconds, self.job = trainer, seconds, job
        self.started_at = now()
        self.scores: Mapping[str, Sequence[float]] = {}
        self._last = time.monotonic()
        self._rows = 0  # written to `curves`

    def beat(self, rows: Sequence[Row], training: Stopwatch, evaluation: Stopwatch) -> None:
        """Write, if it is time to: rank 0 alone, as it waits for the device to see which runs diverged."""
        if self.trainer.ranks.first and time.monotonic() - self._last >= self.seconds:
            self._write_curves(rows)
            self.write_status("running", training, evaluation)

    def write_status(
        self, state: str, training: Stopwatch, evaluation: Stopwatch, measured: str = ""
    ) -> PackStatus:
        """`measured` is the `Evaluation.text` that the tables are by, once they are there."""
        trainer = self.trainer
        ids = [run.run_id for run in trainer.runs]
        steps = {i: step for i, step in zip(ids, trainer.ended.diverged.tolist(), strict=False) if step}
        status = PackStatus(
            state=state,
            runs=tuple(ids),
            step=trainer.step,
            steps=trainer.timeline.steps,
            epoch=trainer.epoch,
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
        self._last = time.monotonic()
        return status

    def _write_curves(self, rows: Sequence[Row]) -> None:
        """The metrics so far, for those who watch; nothing is resumed from them."""
        if len(rows) != self._rows:
            write_table(self.trainer.paths.curves, rows, METRICS)
            self._rows = len(rows)


def _idle(trainer: Trainer) -> tuple[str, ...]:
    """The runs with a penalty that was nothing; only at the end, as a hinge may set in late."""
    return tuple(run.run_id for run, idle in zip(trainer.runs, trainer.effects.idle(), strict=False) if idle)

"""What a pack in training leaves on disk: a heartbeat, checkpoints, and at the end its tables."""

from __future__ import annotations

import json
import logging
import math
import time
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch

from regularize import checkpoint
from regularize.curves import Curves
from regularize.evaluation import final
from regularize.evaluation.examined import StoppedError
from regularize.evaluation.settings import Evaluation
from regularize.heartbeat import Heartbeat
from regularize.results import Measured, write_all
from regularize.snapshots import Snapshots
from regularize.stopwatch import Stopwatch, Workwatch
from regularize.store import PackStatus
from regularize.trainer import Trainer
from regularize.trainer_state import restore, state_of
from regularize.vote import Vote

_LOG = logging.getLogger(__name__)

EPOCH_SECONDS = 10.0
EPOCH_BEATS = 5  # heartbeats: where these are rare to spare a file server, so are checkpoints
WORTH = 20  # times the cost of a checkpoint: at most 5 % of a training goes into those of its epochs


class Recorder:
    """Writes for a `Trainer`; on ranks other than 0 it measures along and writes nothing.

    A checkpoint is due `checkpoint_seconds` after the last one; at the end of an epoch already after
    `EPOCH_SECONDS` and `EPOCH_BEATS`, if that is at least `WORTH` times what the last one took to write. A
    training is measured as it was when it began, whatever the sweep asks for when it goes on from a
    checkpoint.
    """

    def __init__(
        self,
        trainer: Trainer,
        *,
        stop: Callable[[], bool],
        checkpoint_seconds: float,
        heartbeat_seconds: float,
        job: str,
    ) -> None:
        self.trainer, self.stop, self.checkpoint_seconds = trainer, stop, checkpoint_seconds
        self.training_time, self.evaluation_time = Stopwatch(), Stopwatch()
        # On a GPU the work is the GPU's: as long as it is held.
        self.work = Workwatch() if trainer.ranks.device.type == "cpu" else Stopwatch()
        self.heartbeat = Heartbeat(trainer, heartbeat_seconds, job)
        self._measure_by(trainer.runs[0].evaluation)
        self.vote = Vote(trainer.ranks)  # whether to stop, and whether a checkpoint is due
        self.last_checkpoint = time.monotonic()
        self.checkpoint_cost = 0.0  # seconds

    def _measure_by(self, evaluation: Evaluation) -> None:
        own = weakref.proxy(self)  # else a ring, in which a pack stays in memory after its end
        self.curves = Curves(self.trainer, evaluation, lambda: own._told_to_stop())
        self.snapshots = Snapshots(evaluation.snapshots, self.trainer.timeline.steps)

    def resume(self) -> None:
        """Go on from the checkpoint, if there is one, and say that the pack is running.

        Raises:
            StoppedError: it was told to stop; as do `after_step` and `finish`.
        """
        ranks = self.trainer.ranks
        data = ranks.share(checkpoint.latest(self.trainer.paths) if ranks.first else None)
        if data:
            self._restore(checkpoint.decode(data))
        self.snapshots.take(self.trainer.step, self.trainer.model)
        self.training_time.start()
        self.work.start()
        self._write_status("running")
        self._tell(f"{len(self.trainer.runs)} runs, from {self._place}")
        if self.curves.due:
            self._measure()

    def after_step(self) -> None:
        """What is due after a step: a checkpoint, a row of metrics, a heartbeat.

        Several ranks stop, or write a checkpoint, after the step that follows the one after which any of them
        wanted to. Where they measure a row, and wait for each other anyway, they do it before that.
        """
        self.curves.objective_steps += 1
        self.snapshots.take(self.trainer.step, self.trainer.model)
        measuring = self.curves.due
        self._heed_vote()
        self.vote.put(self.stop(), self._checkpoint_due())
        if measuring or self.trainer.ranks.world == 1:
            self._heed_vote()
        if measuring:
            self._measure()
        self._beat()

    def _heed_vote(self) -> None:
        """Do what was decided by the last vote, if that has not been looked at."""
        if self.vote.open:
            stop, checkpoint_due = self.vote.answers()
            if stop:
                raise StoppedError
            if checkpoint_due:
                self._save()

    def interrupt(self) -> PackStatus:
        self._save()
        self.trainer.ranks.wait()
        self._tell(f"interrupted at {self._place}")
        return self._write_status("interrupted")

    def finish(self) -> PackStatus:
        """Measure, write the tables and weights, then that the pack is done, then drop the checkpoint."""
        self._heed_vote()  # where the last step had no row to measure
        self._write_status("running")
        trainer, curves = self.trainer, self.curves
        with trainer.with_evaluated(last=True):
            with self._measuring():
                outputs = curves.outputs()
                found = final.measure(curves.examined, curves.evaluation, curves.extent, outputs)
            work = self._work()
            if trainer.ranks.first:
                seconds = {
                    "work": work,
                    "training": self.training_time.read(),
                    "evaluation": self.evaluation_time.read(),
                }
                ids = [run.run_id for run in trainer.runs]
                self.snapshots.write(trainer.paths.snapshots, ids, trainer.timeline.per_epoch)
                measured = Measured(curves.evaluation, curves.extent, outputs, found)
                write_all(trainer, curves.rows, measured, seconds)
        status = self._write_status("done")
        if trainer.ranks.first:
            checkpoint.drop(trainer.paths)
            trainer.paths.curves.unlink(missing_ok=True)
        trainer.ranks.wait()
        self._tell(f"done after {status.seconds + status.evaluation_seconds:.0f} s")
        return status

    @contextmanager
    def _measuring(self) -> Iterator[None]:
        """What happens inside counts as evaluation, not as training."""
        self.training_time.stop()
        self.work.stop()
        self.evaluation_time.start()
        try:
            yield
        finally:
            self.evaluation_time.stop()
            self.work.start()
            self.training_time.start()

    def _measure(self) -> None:
        """A row of the curves."""
        with self._measuring():
            self.curves.measure(self.training_time.read() / len(self.trainer.runs))
        self.heartbeat.scores = self.curves.scores()
        self._tell(f"{self._mark}: {self.curves.last_row()}")

    @property
    def _place(self) -> str:
        trainer = self.trainer
        return (
            f"epoch {trainer.epoch} of {trainer.timeline.epochs}, "
            f"step {trainer.step} of {trainer.timeline.steps}"
        )

    @property
    def _mark(self) -> str:
        """The same for a line that 80 columns hold."""
        trainer, timeline = self.trainer, self.trainer.timeline
        if timeline.ends_epoch(trainer.step):
            return f"epoch {trainer.epoch}/{timeline.epochs}"
        return f"step {trainer.step}/{timeline.steps}"

    def _tell(self, what: str) -> None:
        """To the worker's log."""
        if self.trainer.ranks.first:
            _LOG.info("%s: %s", self.trainer.paths.folder.name, what)

    def _told_to_stop(self) -> bool:
        self._beat()
        return self.trainer.ranks.any(self.stop())

    def _beat(self) -> None:
        self.heartbeat.beat(self.curves.rows, self.training_time, self.evaluation_time)

    def _write_status(self, state: str) -> PackStatus:
        measured = self.curves.evaluation.text if state == "done" else ""
        return self.heartbeat.write_status(state, self.training_time, self.evaluation_time, measured)

    def _checkpoint_due(self) -> bool:
        elapsed = time.monotonic() - self.last_checkpoint
        if self.trainer.timeline.ends_epoch(self.trainer.step):
            rarest = EPOCH_BEATS * self.heartbeat.seconds
            worth = max(EPOCH_SECONDS, rarest, WORTH * self.checkpoint_cost)
            return elapsed >= min(worth, self.checkpoint_seconds)
        return elapsed >= self.checkpoint_seconds

    def _save(self) -> None:
        began = time.monotonic()
        state: dict[str, Any] = {
            "trainer": state_of(self.trainer),
            "evaluation": self.curves.evaluation.text,
            "rows": self.curves.rows,
            "measured_step": self.curves.measured_step,
            "started_at": self.heartbeat.started_at,
            "snapshots": self.snapshots.taken,
            "objective_steps": self.curves.objective_steps,
            "seconds": self.training_time.read(),
            "core_seconds": self._work(),
            "evaluation_seconds": self.evaluation_time.read(),
        }
        if self.trainer.ranks.first:
            checkpoint.keep(self.trainer.paths, state)
        self.last_checkpoint = time.monotonic()
        self.checkpoint_cost = self.last_checkpoint - began

    def _work(self) -> float:
        """Seconds of cores in training so far, of all ranks and attempts; all ranks ask together."""
        ranks = self.trainer.ranks
        return float(ranks.sum(torch.tensor(self.work.read(), dtype=torch.float64, device=ranks.device)))

    def _restore(self, state: dict[str, Any]) -> None:
        restore(self.trainer, state["trainer"])
        if begun := state.get("evaluation"):  # not in checkpoints of earlier versions
            self._measure_by(Evaluation.from_json(json.loads(begun)))
        self.curves.rows, self.curves.measured_step = state["rows"], state["measured_step"]
        self.curves.objective_steps = state["objective_steps"]
        self.heartbeat.scores = self.curves.scores()
        self.heartbeat.started_at, self.snapshots.taken = state["started_at"], state["snapshots"]
        self.training_time.set(state["seconds"])
        # In checkpoints of earlier versions there is none: then it stays unknown.
        self.work.set(state.get("core_seconds", math.nan) if self.trainer.ranks.first else 0.0)
        self.evaluation_time.set(state["evaluation_seconds"])

"""What a pack in training leaves on disk: heartbeat, checkpoints, and at the end its tables."""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from regularize import checkpoint
from regularize.evaluation import final
from regularize.evaluation.accuracy import logits, loss_and_accuracy
from regularize.evaluation.examined import Examined, StoppedError, drawn
from regularize.evaluation.extent import Extent, Sizes
from regularize.results import Row, now, write_all
from regularize.snapshots import Snapshots
from regularize.stopwatch import Stopwatch
from regularize.store import METRICS, PackStatus, write_table

if TYPE_CHECKING:
    from regularize.train import Trainer

EPOCH_SECONDS = 10.0
WORTH = 20  # times the cost of a checkpoint: at most 5 % of a training goes into those of its epochs


class Recorder:
    """Writes for a `Trainer`; on ranks other than 0 it measures along and writes nothing.

    A checkpoint is due `checkpoint_seconds` after the last one; at the end of an epoch already after
    `EPOCH_SECONDS`, if that is at least `WORTH` times what the last one took to write.
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
        self.trainer, self.stop, self.job = trainer, stop, job
        self.checkpoint_seconds, self.heartbeat_seconds = checkpoint_seconds, heartbeat_seconds
        self.ids = [run.run_id for run in trainer.runs]
        self.rows: list[Row] = []
        self.objective_steps = 0
        self.started_at = now()
        self.training_time, self.evaluation_time = Stopwatch(), Stopwatch()
        self.last_checkpoint = self.last_beat = time.monotonic()
        self.checkpoint_cost = 0.0  # seconds
        self.measured_step = 0
        self.curve_rows = 0  # written to `curves`
        self.evaluation = trainer.runs[0].evaluation
        self.snapshots = Snapshots(self.evaluation.snapshots, trainer.timeline.steps)
        test = torch.arange(len(trainer.batches.labels["test"])).expand(len(trainer.seeds), -1)
        train, validation = trainer.train_rows.shape[1], trainer.validation_rows.shape[1]
        sizes = Sizes(train=train, validation=validation, test=test.shape[1], classes=trainer.classes)
        self.extent = Extent.of(self.evaluation, trainer.timeline, sizes)
        self.examined = Examined(
            model=trainer.model,
            runs=len(trainer.seeds),
            batches=trainer.batches,
            classes=trainer.classes,
            ranks=trainer.ranks,
            stop=self._told_to_stop,
        )
        self.last_outputs: tuple[int, final.Outputs] = (-1, {})  # and of which step they are
        self.splits = {
            "train": ("train", trainer.sample_rows(self.evaluation.train_examples)),
            "validation": ("train", trainer.validation_rows),
            "test": ("test", test),
        }
        # Which of them the rows of the curves are measured on.
        self.sampled = {
            name: drawn(rows.shape[1], self.extent.curve_examples, f"curve/{name}")
            for name, (_, rows) in self.splits.items()
        }

    def resume(self) -> None:
        """Go on from the checkpoint, if there is one, and say that the pack is running.

        Raises:
            StoppedError: it was told to stop; as do `after_step` and `finish`.
        """
        ranks = self.trainer.ranks
        data = ranks.share(checkpoint.latest(self.trainer.paths) if ranks.first else None)
        if data:
            self._restore(checkpoint.decode(data, ranks.device))
        self.snapshots.take(self.trainer.step, self.trainer.model)
        self.training_time.start()
        self._write_status("running")
        self._measure_if_due()

    def after_step(self) -> None:
        """What is due after a step: a checkpoint, a row of metrics, a heartbeat."""
        self.objective_steps += 1
        self.snapshots.take(self.trainer.step, self.trainer.model)
        stop, due = self.trainer.ranks.votes(self.stop(), self._checkpoint_due())
        if stop:
            raise StoppedError
        if due:
            self._save()
        self._measure_if_due()
        self._beat()

    def interrupt(self) -> PackStatus:
        self._save()
        self.trainer.ranks.wait()
        return self._write_status("interrupted")

    def finish(self) -> PackStatus:
        """Measure, write the tables and weights, then that the pack is done, then drop the checkpoint."""
        self._write_status("running")
        with self._measuring():
            outputs = self._outputs()
            found = final.measure(self.examined, self.evaluation, self.extent, outputs)
        if self.trainer.ranks.first:
            seconds = {"training": self.training_time.read(), "evaluation": self.evaluation_time.read()}
            self.snapshots.write(self.trainer.paths.snapshots, self.ids, self.trainer.timeline.per_epoch)
            write_all(self.trainer, self.extent, self.rows, outputs, found, seconds)
        status = self._write_status("done")
        if self.trainer.ranks.first:
            checkpoint.drop(self.trainer.paths)
            self.trainer.paths.curves.unlink(missing_ok=True)
        self.trainer.ranks.wait()
        return status

    @contextmanager
    def _measuring(self) -> Iterator[None]:
        """What happens inside counts as evaluation, not as training."""
        self.training_time.stop()
        self.evaluation_time.start()
        try:
            yield
        finally:
            self.evaluation_time.stop()
            self.training_time.start()

    def _told_to_stop(self) -> bool:
        self._beat()
        return self.trainer.ranks.any(self.stop())

    def _beat(self) -> None:
        if time.monotonic() - self.last_beat >= self.heartbeat_seconds:
            self._write_curves()
            self._write_status("running")

    def _write_curves(self) -> None:
        """The metrics so far, for those who watch; nothing is resumed from them."""
        if self.trainer.ranks.first and len(self.rows) != self.curve_rows:
            write_table(self.trainer.paths.curves, self.rows, METRICS)
            self.curve_rows = len(self.rows)

    def _checkpoint_due(self) -> bool:
        elapsed = time.monotonic() - self.last_checkpoint
        if self.trainer.timeline.ends_epoch(self.trainer.step):
            worth = max(EPOCH_SECONDS, WORTH * self.checkpoint_cost)
            return elapsed >= min(worth, self.checkpoint_seconds)
        return elapsed >= self.checkpoint_seconds

    def _outputs(self) -> final.Outputs:
        """Logits and labels of all splits, by the networks as they are now."""
        step, found = self.last_outputs
        if step != self.trainer.step:
            found = self._of(self.splits)
            self.last_outputs = (self.trainer.step, found)
        return found

    def _sample_outputs(self) -> final.Outputs:
        """The same of what the curves are measured on: at the end of training a part of all outputs."""
        if self.trainer.step == self.trainer.timeline.steps:
            whole = self._outputs().items()
            return {name: (z[:, self.sampled[name]], y[:, self.sampled[name]]) for name, (z, y) in whole}
        return self._of(
            {name: (part, rows[:, self.sampled[name]]) for name, (part, rows) in self.splits.items()}
        )

    def _of(self, splits: Mapping[str, tuple[str, Tensor]]) -> final.Outputs:
        self.trainer.ranks.align(self.trainer.model.buffers())  # of layers that collect statistics
        return {
            name: (logits(self.examined, part, rows), self.examined.labels(part, rows))
            for name, (part, rows) in splits.items()
        }

    def _measure_if_due(self) -> None:
        """Measure after this step; a checkpoint is of before, so that this is made up for on resuming."""
        step = self.trainer.step
        if self.measured_step < step and self.extent.has_row(self.trainer.timeline, step):
            with self._measuring():
                self._measure()
            self.measured_step = step

    def _measure(self) -> None:
        """Add rows for all runs that have not diverged: there their curves end."""
        trainer = self.trainer
        objective = trainer.ranks.mean(trainer.objective_sum) / self.objective_steps
        seconds = self.training_time.read() / len(trainer.runs)
        for name, outputs in self._sample_outputs().items():
            losses, accuracies = loss_and_accuracy(*outputs)
            for run, run_id in enumerate(self.ids):
                if trainer.diverged_step[run]:
                    continue
                row: Row = {"run_id": run_id, "epoch": trainer.epoch, "step": trainer.step}
                row |= {"split": name, "examples": len(self.sampled[name])}
                row |= {"loss": losses[run].item(), "accuracy": accuracies[run].item()}
                if name == "train":
                    row |= {"objective": objective[run].item(), "seconds": seconds}
                self.rows.append(row)
        trainer.objective_sum.zero_()
        self.objective_steps = 0

    def _save(self) -> None:
        began = time.monotonic()
        state: dict[str, Any] = {
            "trainer": self.trainer.state(),
            "rows": self.rows,
            "measured_step": self.measured_step,
            "started_at": self.started_at,
            "snapshots": self.snapshots.taken,
            "objective_steps": self.objective_steps,
            "seconds": self.training_time.read(),
            "evaluation_seconds": self.evaluation_time.read(),
        }
        if self.trainer.ranks.first:
            checkpoint.keep(self.trainer.paths, state)
        self.last_checkpoint = time.monotonic()
        self.checkpoint_cost = self.last_checkpoint - began

    def _restore(self, state: dict[str, Any]) -> None:
        self.trainer.restore(state["trainer"])
        self.rows, self.measured_step = state["rows"], state["measured_step"]
        self.started_at, self.snapshots.taken = state["started_at"], state["snapshots"]
        self.objective_steps = state["objective_steps"]
        self.training_time.set(state["seconds"])
        self.evaluation_time.set(state["evaluation_seconds"])

    def _write_status(self, state: str) -> PackStatus:
        trainer = self.trainer
        status = PackStatus(
            state=state,
            runs=tuple(self.ids),
            step=trainer.step,
            steps=trainer.timeline.steps,
            epoch=trainer.epoch,
            epochs=trainer.timeline.epochs,
            seconds=self.training_time.read(),
            evaluation_seconds=self.evaluation_time.read(),
            started_at=self.started_at,
            updated_at=now(),
            host=platform.node(),
            pid=os.getpid(),
            job=self.job,
            diverged=tuple(
                i for i, step in zip(self.ids, trainer.diverged_step.tolist(), strict=False) if step
            ),
        )
        if trainer.ranks.first:
            status.write(trainer.paths.status)
        self.last_beat = time.monotonic()
        return status

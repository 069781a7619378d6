"""What a pack in training leaves on disk: heartbeat, checkpoints, and at the end its tables."""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import torch

from regularize import checkpoint
from regularize.evaluation import final
from regularize.evaluation.accuracy import logits, loss_and_accuracy
from regularize.evaluation.examined import Examined
from regularize.snapshots import Snapshots
from regularize.stopwatch import Stopwatch
from regularize.store import (
    METRICS,
    PREDICTIONS,
    RESULTS,
    ROBUSTNESS,
    SPECTRA,
    PackStatus,
    write_table,
)

if TYPE_CHECKING:
    from regularize.train import Trainer

Row = dict[str, Any]


def now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


class Recorder:
    """Writes for a `Trainer`; on ranks other than 0 it measures along and writes nothing."""

    def __init__(self, trainer: Trainer, checkpoint_seconds: float, heartbeat_seconds: float) -> None:
        self.trainer = trainer
        self.checkpoint_seconds, self.heartbeat_seconds = checkpoint_seconds, heartbeat_seconds
        self.ids = [run.run_id for run in trainer.runs]
        self.rows: list[Row] = []
        self.objective_steps = 0
        self.started_at = now()
        self.training_time, self.evaluation_time = Stopwatch(), Stopwatch()
        self.last_checkpoint = self.last_beat = time.monotonic()
        self.evaluation = trainer.runs[0].evaluation
        self.snapshots = Snapshots(self.evaluation.snapshots, trainer.timeline.steps)
        test = torch.arange(len(trainer.batches.labels["test"])).expand(len(trainer.runs), -1)
        self.examined = Examined(
            model=trainer.model,
            runs=len(trainer.runs),
            batches=trainer.batches,
            classes=trainer.classes,
            ranks=trainer.ranks,
        )
        self.last_outputs: tuple[int, final.Outputs] = (-1, {})  # and of which step they are
        self.splits = {
            "train": ("train", trainer.sample_rows(self.evaluation.train_examples)),
            "validation": ("train", trainer.validation_rows),
            "test": ("test", test),
        }

    def resume(self) -> None:
        """Go on from the checkpoint, if there is one, and say that the pack is running."""
        saved = checkpoint.load(self.trainer.paths.checkpoint, self.trainer.ranks.device)
        if saved:
            self.trainer.restore(saved["trainer"])
            self.rows, self.objective_steps = saved["rows"], saved["objective_steps"]
            self.started_at = saved["started_at"]
            self.training_time.set(saved["seconds"])
            self.evaluation_time.set(saved["evaluation_seconds"])
            self.snapshots.taken = saved["snapshots"]
        self.snapshots.take(self.trainer.step, self.trainer.model)
        self.training_time.start()
        self._write_status("running")

    def after_step(self) -> None:
        """What is due after a step: a row of metrics, a checkpoint, a heartbeat."""
        self.objective_steps += 1
        self.snapshots.take(self.trainer.step, self.trainer.model)
        if self.trainer.timeline.evaluates(self.trainer.step):
            with self._measuring():
                self._measure()
        if time.monotonic() - self.last_checkpoint >= self.checkpoint_seconds:
            self._save()
        if time.monotonic() - self.last_beat >= self.heartbeat_seconds:
            self._write_status("running")

    def interrupt(self) -> PackStatus:
        self._save()
        self.trainer.ranks.wait()
        return self._write_status("interrupted")

    def finish(self) -> PackStatus:
        """Measure, write the tables and weights, then that the pack is done, then drop the checkpoint."""
        self._write_status("running")
        with self._measuring():
            outputs = self._outputs()
            found = final.measure(self.examined, self.evaluation, outputs)
        if self.trainer.ranks.first:
            self._write_tables(outputs, found)
        status = self._write_status("done")
        if self.trainer.ranks.first:
            self.trainer.paths.checkpoint.unlink(missing_ok=True)
        self.trainer.ranks.wait()
        return status

    @contextmanager
    def _measuring(self) -> Iterator[None]:
        """What happens inside counts as evaluation, not as training."""
        self.training_time.stop()
        self.evaluation_time.start()
        yield
        self.evaluation_time.stop()
        self.training_time.start()

    def _outputs(self) -> final.Outputs:
        """Logits and labels of all splits, by the networks as they are now."""
        step, found = self.last_outputs
        if step != self.trainer.step:
            found = {
                name: (logits(self.examined, part, rows), self.examined.labels(part, rows))
                for name, (part, rows) in self.splits.items()
            }
            self.last_outputs = (self.trainer.step, found)
        return found

    def _measure(self) -> None:
        """Add rows for all runs that have not diverged: there their curves end."""
        trainer = self.trainer
        objective = trainer.ranks.mean(trainer.objective_sum) / self.objective_steps
        seconds = self.training_time.read() / len(trainer.runs)
        for name, outputs in self._outputs().items():
            losses, accuracies = loss_and_accuracy(*outputs)
            for run in (~trainer.diverged_step.bool()).nonzero().flatten().tolist():
                row: Row = {"run_id": self.ids[run], "epoch": trainer.epoch, "step": trainer.step}
                row |= {"split": name, "loss": losses[run].item(), "accuracy": accuracies[run].item()}
                if name == "train":
                    row |= {"objective": objective[run].item(), "seconds": seconds}
                self.rows.append(row)
        trainer.objective_sum.zero_()
        self.objective_steps = 0

    def _save(self) -> None:
        if self.trainer.ranks.first:
            state: dict[str, Any] = {
                "trainer": self.trainer.state(),
                "rows": self.rows,
                "started_at": self.started_at,
                "snapshots": self.snapshots.taken,
            }
            state |= {
                "objective_steps": self.objective_steps,
                "seconds": self.training_time.read(),
                "evaluation_seconds": self.evaluation_time.read(),
            }
            checkpoint.save(self.trainer.paths.checkpoint, state)
        self.last_checkpoint = time.monotonic()

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
            started_at=self.started_at,
            updated_at=now(),
            host=platform.node(),
            pid=os.getpid(),
            diverged=tuple(
                i for i, step in zip(self.ids, trainer.diverged_step.tolist(), strict=True) if step
            ),
        )
        if trainer.ranks.first:
            status.write(trainer.paths.status)
        self.last_beat = time.monotonic()
        return status

    def _write_tables(self, outputs: final.Outputs, found: final.Final) -> None:
        trainer, paths = self.trainer, self.trainer.paths
        write_table(paths.metrics, self.rows, METRICS)
        if self.evaluation.predictions:
            write_table(paths.predictions, final.predictions_table(self.ids, *outputs["test"]), PREDICTIONS)
        write_table(paths.spectra, final.spectra_rows(self.ids, found), SPECTRA)
        if found.attacks:
            write_table(paths.robustness, final.robustness_rows(self.ids, found), ROBUSTNESS)
        self.snapshots.write(paths.snapshots, self.ids, trainer.timeline.per_epoch)
        checkpoint.save(paths.weights, {"runs": self.ids, "model": trainer.model.state_dict()})
        write_table(paths.results, self._results(found), RESULTS)

    def _results(self, found: final.Final) -> list[Row]:
        trainer = self.trainer
        shared: Row = {
            "epochs": trainer.timeline.epochs,
            "steps": trainer.timeline.steps,
            "parameters": sum(p[0].numel() for p in trainer.parameters),
            "seconds": self.training_time.read() / len(trainer.runs),
            "evaluation_seconds": self.evaluation_time.read() / len(trainer.runs),
            "pack_id": trainer.paths.folder.name,
            "pack_runs": len(trainer.runs),
            "world_size": trainer.ranks.world,
            "threads": torch.get_num_threads(),
            "device": trainer.ranks.device.type,
            "precision": trainer.training.precision,
            "host": platform.node(),
            "finished_at": now(),
        }
        states = [
            {"run_id": run_id, "state": "diverged" if step else "done", "diverged_step": step or None}
            for run_id, step in zip(self.ids, trainer.diverged_step.tolist(), strict=True)
        ]
        return [
            state | scores | shared for state, scores in zip(states, final.score_rows(found), strict=True)
        ]

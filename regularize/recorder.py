"""What a pack in training leaves on disk: heartbeat, checkpoints, and at the end its tables."""

from __future__ import annotations

import os
import platform
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import torch
from torch import Tensor

from regularize import checkpoint
from regularize.evaluate import logits, loss_and_accuracy
from regularize.store import METRICS, PREDICTIONS, RESULTS, PackStatus, write_table

if TYPE_CHECKING:
    from regularize.train import Trainer

Row = dict[str, Any]


def now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


class Stopwatch:
    """Seconds that go on from an earlier attempt and stand still while paused."""

    def __init__(self) -> None:
        self.before, self._since = 0.0, time.perf_counter()

    def read(self) -> float:
        return self.before + time.perf_counter() - self._since

    def pause(self) -> None:
        self.before = self.read()

    def go_on(self) -> None:
        self._since = time.perf_counter()


class Recorder:
    """Writes for a `Trainer`; on ranks other than 0 it measures along and writes nothing."""

    def __init__(self, trainer: Trainer, checkpoint_seconds: float, heartbeat_seconds: float) -> None:
        self.trainer = trainer
        self.checkpoint_seconds, self.heartbeat_seconds = checkpoint_seconds, heartbeat_seconds
        self.ids = [run.run_id for run in trainer.runs]
        self.rows: list[Row] = []
        self.objective_steps = 0
        self.started_at, self.watch = now(), Stopwatch()
        self.last_checkpoint = self.last_beat = time.monotonic()
        evaluation = trainer.runs[0].evaluation
        test = torch.arange(len(trainer.batches.labels["test"])).expand(len(trainer.runs), -1)
        self.splits = {
            "train": ("train", trainer.sample_rows(evaluation.train_examples)),
            "validation": ("train", trainer.validation_rows),
            "test": ("test", test),
        }

    def resume(self) -> None:
        """Go on from the checkpoint, if there is one, and say that the pack is running."""
        saved = checkpoint.load(self.trainer.paths.checkpoint, self.trainer.ranks.device)
        if saved:
            self.trainer.restore(saved["trainer"])
            self.rows, self.objective_steps = saved["rows"], saved["objective_steps"]
            self.started_at, self.watch.before = saved["started_at"], saved["seconds"]
        self.watch.go_on()
        self._write_status("running")

    def after_step(self) -> None:
        """What is due after a step: a row of metrics, a checkpoint, a heartbeat."""
        self.objective_steps += 1
        if self.trainer.timeline.evaluates(self.trainer.step):
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
        """Write the tables and weights, then that the pack is done, then drop the checkpoint."""
        outputs = {name: self._outputs(name) for name in self.splits}
        if self.trainer.ranks.first:
            self._write_tables(outputs)
        status = self._write_status("done")
        if self.trainer.ranks.first:
            self.trainer.paths.checkpoint.unlink(missing_ok=True)
        self.trainer.ranks.wait()
        return status

    def _outputs(self, name: str) -> tuple[Tensor, Tensor]:
        part, rows = self.splits[name]
        return logits(self.trainer.model, self.trainer.batches, part, rows.to(self.trainer.ranks.device))

    def _measure(self) -> None:
        """Add rows for all runs that have not diverged: there their curves end."""
        self.watch.pause()
        trainer = self.trainer
        objective = trainer.ranks.mean(trainer.objective_sum) / self.objective_steps
        seconds = self.watch.before / len(trainer.runs)
        for name in self.splits:
            losses, accuracies = loss_and_accuracy(*self._outputs(name))
            for run in (~trainer.diverged_step.bool()).nonzero().flatten().tolist():
                row: Row = {"run_id": self.ids[run], "epoch": trainer.epoch, "step": trainer.step}
                row |= {"split": name, "loss": losses[run].item(), "accuracy": accuracies[run].item()}
                if name == "train":
                    row |= {"objective": objective[run].item(), "seconds": seconds}
                self.rows.append(row)
        trainer.objective_sum.zero_()
        self.objective_steps = 0
        self.watch.go_on()

    def _save(self) -> None:
        if self.trainer.ranks.first:
            state: dict[str, Any] = {
                "trainer": self.trainer.state(),
                "rows": self.rows,
                "started_at": self.started_at,
            }
            state |= {"objective_steps": self.objective_steps, "seconds": self.watch.read()}
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
            seconds=self.watch.read(),
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

    def _write_tables(self, outputs: dict[str, tuple[Tensor, Tensor]]) -> None:
        trainer, paths = self.trainer, self.trainer.paths
        write_table(paths.metrics, self.rows, METRICS)
        if trainer.runs[0].evaluation.predictions:
            write_table(paths.predictions, self._predictions(*outputs["test"]), PREDICTIONS)
        checkpoint.save(paths.weights, {"runs": self.ids, "model": trainer.model.state_dict()})
        write_table(paths.results, self._results(outputs), RESULTS)

    def _results(self, outputs: dict[str, tuple[Tensor, Tensor]]) -> list[Row]:
        trainer = self.trainer
        measured = {name: loss_and_accuracy(*pair) for name, pair in outputs.items()}
        shared: Row = {
            "epochs": trainer.timeline.epochs,
            "steps": trainer.timeline.steps,
            "parameters": sum(p[0].numel() for p in trainer.parameters),
            "seconds": self.watch.read() / len(trainer.runs),
            "pack_id": trainer.paths.folder.name,
            "pack_runs": len(trainer.runs),
            "world_size": trainer.ranks.world,
            "threads": torch.get_num_threads(),
            "device": trainer.ranks.device.type,
            "precision": trainer.training.precision,
            "host": platform.node(),
            "finished_at": now(),
        }
        rows = []
        for run, run_id in enumerate(self.ids):
            step = int(trainer.diverged_step[run])
            row: Row = {"run_id": run_id, "state": "diverged" if step else "done"}
            row |= {"diverged_step": step or None}
            for name, (losses, accuracies) in measured.items():
                row |= {f"{name}_loss": losses[run].item(), f"{name}_accuracy": accuracies[run].item()}
            rows.append(row | shared)
        return rows

    def _predictions(self, outputs: Tensor, labels: Tensor) -> pa.Table:
        runs, count, classes = outputs.shape
        offsets = torch.arange(0, runs * count * classes + 1, classes, dtype=torch.int32)
        flat = outputs.float().cpu().contiguous().view(-1).numpy()
        ids = pa.array(self.ids)
        return pa.table(
            {
                "run_id": ids.take(pa.array(torch.arange(runs).repeat_interleave(count).numpy())),
                "example": torch.arange(count).repeat(runs).numpy(),
                "label": labels.cpu().reshape(-1).numpy(),
                "logits": pa.ListArray.from_arrays(pa.array(offsets.numpy()), pa.array(flat)),
            }
        )

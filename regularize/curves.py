"""What a pack in training is measured on, and the rows of its curves."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence

import torch
from torch import Tensor

from regularize.evaluation import final
from regularize.evaluation.accuracy import logits, loss_and_accuracy
from regularize.evaluation.examined import Examined, drawn
from regularize.evaluation.extent import Extent, Sizes
from regularize.evaluation.settings import Evaluation
from regularize.results import Row
from regularize.trainer import Trainer


class Curves:
    """Measures a `Trainer`'s networks by `evaluation`; all ranks do together. `stop` is asked in between."""

    def __init__(self, trainer: Trainer, evaluation: Evaluation, stop: Callable[[], bool]) -> None:
        self.trainer, self.evaluation = trainer, evaluation
        self.rows: list[Row] = []
        self.measured_step = 0
        self.objective_steps = 0
        test = torch.arange(len(trainer.batches.labels["test"])).expand(len(trainer.seeds), -1)
        train, validation = trainer.train_rows.shape[1], trainer.validation_rows.shape[1]
        sizes = Sizes(train=train, validation=validation, test=test.shape[1], classes=trainer.classes)
        self.extent = Extent.of(self.evaluation, trainer.timeline, sizes)
        self.examined = Examined(
            model=trainer.model,
            seeds=trainer.seeds,
            batches=trainer.batches,
            classes=trainer.classes,
            ranks=trainer.ranks,
            stop=stop,
        )
        self._last_outputs: tuple[int, final.Outputs] = (-1, {})  # and of which step they are
        # Whether the last row of the curves shows the networks that the results are of.
        self._ends_alike = not any(term.hooks.watch for term in trainer.terms)
        self._splits = {
            "train": ("train", trainer.sample_rows(self.evaluation.train_examples)),
            "validation": ("train", trainer.validation_rows),
            "test": ("test", test),
        }
        if evaluation.for_choice:
            self._splits = {"validation": self._splits["validation"]}
        # Which of them the rows of the curves but the last are measured on: each seed's own, so that
        # means over seeds are of more examples than one run's.
        self.sampled = {
            name: self._sample(rows.shape[1], f"curve/{name}") for name, (_, rows) in self._splits.items()
        }

    def _sample(self, total: int, purpose: str) -> Tensor:
        """[R, n]"""
        count = self.extent.curve_examples
        return torch.stack([drawn(total, count, purpose, seed) for seed in self.trainer.seeds])

    @property
    def due(self) -> bool:
        """Whether a row belongs to this step and is not there; a checkpoint is of before it was measured."""
        return self.measured_step < self.trainer.step and (self._whole_row or bool(self._ending))

    @property
    def _whole_row(self) -> bool:
        """Whether all runs have a row after this step."""
        return self.extent.has_row(self.trainer.timeline, self.trainer.step)

    @property
    def _ending(self) -> list[int]:
        """The runs that were stopped in this step: there their curves end, by a row of all examples."""
        if not self.trainer.watch.due(self.trainer.step):
            return []
        return (
            (self.trainer.ended.stopped[: len(self.trainer.runs)] == self.trainer.step)
            .nonzero()[:, 0]
            .tolist()
        )

    def measure(self, seconds: float) -> None:
        """Add rows for all runs that have neither diverged nor stopped: there their curves end.

        `seconds` is a run's.
        """
        trainer, ending = self.trainer, self._ending
        trained_on = trainer.ranks.mean(trainer.objective_sum) / self.objective_steps
        with trainer.with_evaluated(last=trainer.finished and self._ends_alike):
            found = self._sample_outputs() if self._whole_row else {}  # which tells what has blown up
            whole = self._of(self._splits) if ending else {}
        # Once nothing is left to measure, which may be told to stop: or rows would be there twice.
        going = trainer.ended.going[: len(trainer.runs)].nonzero()[:, 0].tolist()
        self._add_rows(found, going, trained_on, seconds)
        self._add_rows(whole, ending, trained_on, seconds)
        if self._whole_row:
            trainer.objective_sum.zero_()
            self.objective_steps = 0
        self.measured_step = trainer.step

    def _add_rows(self, found: final.Outputs, runs: Sequence[int], objective: Tensor, seconds: float) -> None:
        trainer = self.trainer
        for name, outputs in found.items():
            losses, accuracies = loss_and_accuracy(*outputs)
            for run in runs:
                config = trainer.runs[run]
                row: Row = {
                    "run_id": config.run_id,
                    "epoch": trainer.epochs_completed,
                    "step": trainer.step,
                    "split": name,
                    "examples": outputs[1].shape[1],
                    "loss": losses[run].item(),
                    "accuracy": accuracies[run].item(),
                }
                if name == "train":
                    row |= {"objective": objective[run].item(), "seconds": seconds}
                self.rows.append(row)

    def scores(self) -> dict[str, tuple[float, float]]:
        """By run, the best and the last validation accuracy so far."""
        found: dict[str, tuple[float, float]] = {}
        for row in self.rows:
            if row["split"] == "validation":
                best, _ = found.get(row["run_id"], (0.0, 0.0))
                found[row["run_id"]] = (max(best, row["accuracy"]), row["accuracy"])
        return found

    def last_row(self) -> str:
        """The row that was measured last, over the runs that have one, from the least on: the loss on the
        training part, the accuracy on the validation part."""
        rows = [row for row in self.rows if row["step"] == self.measured_step]
        losses = [row["loss"] for row in rows if row["split"] == "train"]
        right = [row["accuracy"] for row in rows if row["split"] == "validation"]
        steps = Counter(
            step for step in self.trainer.ended.diverged.tolist()[: len(self.trainer.runs)] if step
        )
        lost = [f"{count} diverged at step {step}" for step, count in sorted(steps.items())]
        found = [f"loss {spanned(losses, '.3g', 1.0)}"] if losses else []
        found += [f"validation {spanned(right, '.1f', 100.0)} %"] if right else []
        return ", ".join([*found, *lost])

    def outputs(self) -> final.Outputs:
        """Logits and labels of all splits, by the networks as they are now: to be asked where these are those
        that are evaluated.
        """
        step, found = self._last_outputs
        if step != self.trainer.step:
            found = self._of(self._splits)
            self._last_outputs = (self.trainer.step, found)
            if self.trainer.finished:
                losses = [loss_and_accuracy(*outputs)[0] for outputs in found.values()]
                self.trainer.mark_blown_up(torch.stack(losses))
        return found

    def _sample_outputs(self) -> final.Outputs:
        """The same of what the curves are measured on: at the end of training all there is."""
        if self.trainer.finished:
            return self.outputs() if self._ends_alike else self._of(self._splits)
        return self._of(
            {name: (part, rows.gather(1, self.sampled[name])) for name, (part, rows) in self._splits.items()}
        )

    def _of(self, splits: Mapping[str, tuple[str, Tensor]]) -> final.Outputs:
        self.trainer.ranks.align(self.trainer.model.buffers())  # of layers that collect statistics
        return {
            name: (logits(self.examined, part, rows), self.examined.labels(part, rows))
            for name, (part, rows) in splits.items()
        }


def spanned(values: Sequence[float], form: str, factor: float) -> str:
    """
    >>> spanned([0.5, 0.25], ".1f", 100.0), spanned([2.0, 2.0], ".4g", 1.0)
    ('25.0 to 50.0', '2')
    """
    least, most = (f"{factor * value:{form}}" for value in (min(values), max(values)))
    return least if least == most else f"{least} to {most}"

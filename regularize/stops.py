"""Techniques that watch the validation part: which weights are the best so far, and which runs end."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from torch import Tensor

from regularize.batches import Batches
from regularize.distributed import Ranks
from regularize.evaluation.accuracy import logits, loss_and_accuracy
from regularize.evaluation.examined import Examined
from regularize.models.network import Network
from regularize.objective import BoundTerm
from regularize.regularizers.hooks import StepEnd, Verdict


class Watch:
    """`rows` [R, N] are the runs' validation examples, as rows of the official training part."""

    def __init__(
        self,
        model: Network,
        terms: Sequence[BoundTerm],
        batches: Batches,
        ranks: Ranks,
        rows: Tensor,
        classes: int,
    ) -> None:
        self.terms, self.rows, self.ranks = terms, rows, ranks
        seeds = range(len(rows))
        self.examined = Examined(model=model, seeds=seeds, batches=batches, classes=classes, ranks=ranks)

    def after_step(self, end: StepEnd) -> Iterator[Verdict]:
        """What is found after a step, if it is one to look after; all ranks ask together."""
        for term in self.terms:
            if term.hooks.watch and _due(end, term.given.options.get("every")):
                self.ranks.align(self.examined.model.buffers())  # of layers that collect statistics
                outputs = logits(self.examined, "train", self.rows)
                found = loss_and_accuracy(outputs, self.examined.labels("train", self.rows))
                verdict = term.hooks.watch(*found, term.given)
                yield Verdict(verdict.best.cpu(), verdict.stop.cpu())


def _due(end: StepEnd, every: int | str | None) -> bool:
    steps = every if isinstance(every, int) else end.per_epoch
    return end.step % steps == 0 or end.step == end.steps

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
from regularize.regularizers.hooks import Verdict
from regularize.schedule import Timeline


class Watch:
    """`rows` [R, N] are the runs' validation examples, as rows of the official training part.

    `watches` is whether any technique does.
    """

    def __init__(
        self,
        model: Network,
        terms: Sequence[BoundTerm],
        batches: Batches,
        ranks: Ranks,
        rows: Tensor,
        classes: int,
        timeline: Timeline,
    ) -> None:
        self.timeline, self.watches = timeline, any(term.hooks.watch for term in terms)
        self.terms, self.rows, self.ranks = terms, rows.to(ranks.device), ranks
        seeds = range(len(rows))
        self.examined = Examined(model=model, seeds=seeds, batches=batches, classes=classes, ranks=ranks)

    def due(self, step: int) -> bool:
        """Whether one looks after this step (counted from 1)."""
        return any(self._looks(term, step) for term in self.terms)

    def _looks(self, term: BoundTerm, step: int) -> bool:
        if not term.hooks.watch:
            return False
        every = term.given.options.get("every")
        steps = every if isinstance(every, int) else self.timeline.per_epoch
        return step % steps == 0 or step == self.timeline.steps

    def after_step(self, step: int) -> Iterator[Verdict]:
        """What is found after a step, if it is one to look after; all ranks ask together."""
        for term in self.terms:
            if term.hooks.watch and self._looks(term, step):
                self.ranks.align(self.examined.model.buffers())  # of layers that collect statistics
                outputs = logits(self.examined, "train", self.rows)
                found = loss_and_accuracy(outputs, self.examined.labels("train", self.rows))
                yield term.hooks.watch(*found, term.given)

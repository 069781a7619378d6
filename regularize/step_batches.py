"""The examples of every step, and what is drawn for it: functions of the seeds and the step alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from regularize.batches import Batches
from regularize.data import order
from regularize.distributed import Ranks
from regularize.draw_setting import generator_on
from regularize.draws import Draws
from regularize.objective import Take
from regularize.philox import Keys


@dataclass(frozen=True, kw_only=True)
class StepBatch:
    """A step's examples on this rank, as the objective takes them."""

    x: Tensor
    labels: Tensor
    draws: Draws
    share: float
    take: Take


class StepBatches:
    """`train_rows` [R, N] are the runs' examples, as rows of the official training part."""

    def __init__(
        self, batches: Batches, ranks: Ranks, seeds: Sequence[int], train_rows: Tensor, batch_size: int
    ) -> None:
        self.batches, self.ranks, self.seeds, self.train_rows = batches, ranks, seeds, train_rows
        self.batch_size = batch_size
        self.per_epoch = -(-train_rows.shape[1] // batch_size)
        self._epoch_rows: tuple[int, Tensor] | None = None
        self._keys = Keys(seeds, ranks.device) if generator_on(ranks.device.type) == "philox" else None

    def at(self, step: int) -> StepBatch:
        """Of a step, counted from 0."""
        return self.of(self.rows(step), step)

    def of(self, rows: Tensor, step: int | Tensor) -> StepBatch:
        """Of these examples [R, B], with the draws of a step."""
        local, share = self._local(rows.shape[1])
        x, labels = self.batches.take("train", rows[:, local])

        def take(positions: Tensor) -> tuple[Tensor, Tensor]:
            return self.batches.take("train", rows.gather(1, positions))

        return StepBatch(x=x, labels=labels, draws=self.draws(rows, step), share=share, take=take)

    def draws(self, rows: Tensor, step: int | Tensor) -> Draws:
        """What is drawn for them; a tensor [] int64 is a number that `philox` takes."""
        count = rows.shape[1]
        return Draws(
            seeds=self.seeds,
            step=step,
            global_batch=count,
            local=self._local(count)[0],
            dtype=self.batches.dtype,
            device=self.ranks.device,
            keys=self._keys,
        )

    def rows(self, step: int) -> Tensor:
        """The examples of a step, [R, B], on the device: those of an epoch are copied to it together."""
        epoch, position = divmod(step, self.per_epoch)
        if self._epoch_rows is None or self._epoch_rows[0] != epoch:
            count = self.train_rows.shape[1]
            orders = torch.stack([order(count, seed, epoch) for seed in self.seeds])
            self._epoch_rows = (epoch, self.train_rows.gather(1, orders).to(self.ranks.device))
        first = position * self.batch_size
        return self._epoch_rows[1][:, first : first + self.batch_size]

    def _local(self, count: int) -> tuple[slice, float]:
        """This rank's part of so many examples, and what each of them counts."""
        local, share = self.ranks.part(count), self.ranks.world / count
        if local.start == local.stop:  # fewer examples than ranks: layers get one that does not count
            return slice(0, 1), 0.0
        return local, share

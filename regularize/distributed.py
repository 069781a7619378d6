"""The ranks of one pack. One process without a process group is simply rank 0 of 1."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.distributed.rendezvous import rendezvous
from torch.nn.parallel import DistributedDataParallel

from regularize.errors import UserError

START_SECONDS = 300  # for all ranks to have started
PATIENCE_SECONDS = 1800  # later, for what one does alone


@contextmanager
def process_group() -> Iterator[None]:
    """The group that `MASTER_ADDR`, `RANK` and so on describe: gloo, or nccl on GPUs.

    After an error it is left to the end of the process, as leaving it may wait for the others.

    Raises:
        UserError: not all ranks have started in time.
    """
    backend = "gloo"
    if torch.cuda.is_available():
        backend = "nccl"
        torch.cuda.set_device(_device())
    _join(backend)
    yield
    dist.destroy_process_group()


def _join(backend: str) -> None:
    """Be one of the group's ranks, once all of them are there."""
    limit, patience = timedelta(seconds=START_SECONDS), timedelta(seconds=PATIENCE_SECONDS)
    try:
        store, rank, world = next(rendezvous("env://", timeout=limit))
        store.set(f"started/{rank}", "")
        store.wait([f"started/{each}" for each in range(world)], limit)
    except dist.DistError as error:
        why = str(error).partition("\n")[0]
        minutes = f"{START_SECONDS / 60:g} minutes"
        raise UserError(
            f"not all ranks started within {minutes}, or they do not reach each other ({why})"
        ) from None
    store.set_timeout(patience)
    dist.init_process_group(backend, store=store, rank=rank, world_size=world, timeout=patience)


def rank_lost(error: BaseException) -> bool:
    """Whether an error says that another rank is gone, not that this one did something wrong."""
    return isinstance(error, dist.DistError) or (isinstance(error, RuntimeError) and "gloo" in str(error))


def _device() -> torch.device:
    """A GPU if there is one, by this process's number among those of its node."""
    if not torch.cuda.is_available():
        return torch.device("cpu")
    return torch.device("cuda", int(os.environ.get("LOCAL_RANK", "0")) % torch.cuda.device_count())


@dataclass(frozen=True, kw_only=True)
class Ranks:
    """This process among those that train a pack together."""

    rank: int
    world: int
    device: torch.device

    @classmethod
    def here(cls) -> Ranks:
        """The default process group if there is one; a GPU if there is one, by local rank."""
        together = dist.is_available() and dist.is_initialized()
        rank, world = (dist.get_rank(), dist.get_world_size()) if together else (0, 1)
        return cls(rank=rank, world=world, device=_device())

    @property
    def first(self) -> bool:
        return self.rank == 0

    def part(self, count: int) -> slice:
        """This rank's contiguous share of `count` examples; shares differ by one at most."""
        return slice(count * self.rank // self.world, count * (self.rank + 1) // self.world)

    def wrap(self, module: nn.Module) -> nn.Module:
        """Gradients averaged over the ranks."""
        if self.world == 1:
            return module
        devices = [self.device] if self.device.type == "cuda" else None
        return DistributedDataParallel(module, device_ids=devices)

    def mean(self, value: Tensor) -> Tensor:
        """The mean over the ranks, the same bits on each."""
        return self.sum(value) / self.world

    def sum(self, value: Tensor) -> Tensor:
        """The sum over the ranks, the same bits on each."""
        if self.world > 1:
            value = value.clone()
            dist.all_reduce(value)
        return value

    def any(self, *flags: bool) -> bool:
        """Whether one is true on any rank; all ranks must ask."""
        return any(self.votes(*flags))

    def votes(self, *flags: bool) -> list[bool]:
        """Of each flag whether it is true on any rank; all ranks must ask."""
        if self.world == 1:
            return list(flags)
        votes = torch.tensor(flags, dtype=torch.float32, device=self.device)
        dist.all_reduce(votes)
        return [vote > 0 for vote in votes.tolist()]

    def gather(self, value: Tensor) -> Tensor:
        """Every rank's value, [W, …]."""
        if self.world == 1:
            return value.unsqueeze(0)
        values = [torch.empty_like(value) for _ in range(self.world)]
        dist.all_gather(values, value)
        return torch.stack(values)

    def share(self, data: bytes | None) -> bytes | None:
        """What rank 0 has, on every rank."""
        if self.world == 1:
            return data
        size = torch.tensor(-1 if data is None else len(data), device=self.device)
        dist.broadcast(size, 0)
        if size.item() < 0:
            return None
        content = torch.empty(int(size.item()), dtype=torch.uint8, device=self.device)
        if data is not None and self.first:
            content.copy_(torch.frombuffer(bytearray(data), dtype=torch.uint8))
        dist.broadcast(content, 0)
        return content.cpu().numpy().tobytes()

    def align(self, tensors: Iterable[Tensor]) -> None:
        """Give `tensors` the values that they have on rank 0."""
        if self.world > 1:
            for tensor in tensors:
                dist.broadcast(tensor, 0)

    def wait(self) -> None:
        """Until all ranks are here."""
        if self.world > 1:
            dist.barrier()

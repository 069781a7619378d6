"""The ranks of one pack. One process without a process group is simply rank 0 of 1."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel


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
        device = torch.device("cpu")
        if torch.cuda.is_available():
            device = torch.device("cuda", rank % torch.cuda.device_count())
        return cls(rank=rank, world=world, device=device)

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

    def any(self, flag: bool) -> bool:
        """Whether it is true on any rank; all ranks must ask."""
        if self.world == 1:
            return flag
        votes = torch.tensor([float(flag)], device=self.device)
        dist.all_reduce(votes)
        return bool(votes.item() > 0)

    def wait(self) -> None:
        """Until all ranks are here."""
        if self.world > 1:
            dist.barrier()

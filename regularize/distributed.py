"""The ranks of one pack. One process without a process group is simply rank 0 of 1."""

from __future__ import annotations

import os
import platform
import re
import socket
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.distributed.distributed_c10d import Store
from torch.nn.parallel import DistributedDataParallel

from regularize.errors import UserError, in_a_line

CONNECT_SECONDS = 60  # for ranks that have met to connect each to each
PATIENCE_SECONDS = 1800  # later, for what one does alone
BY_DEVICE = "cpu:gloo,cuda:nccl"
"""On GPUs: what the hosts tell each other, votes and checkpoints, waits for no device."""
INTERFACES = "GLOO_SOCKET_IFNAME"
# What gloo and nccl say of a rank that is gone, not of what this one did. Whatever gloo's transport throws is
# of a connection, in the words of the system, but for what it enforces, as that ranks send what is expected.
_GONE = re.compile(
    r"(gloo|nccl).*(closed by peer|reset by peer|broken pipe|timed out|timeout|unreachable|refused|aborted"
    r"|remote process)|^(?!.*enforce fail).*gloo/transport/",
    re.IGNORECASE | re.DOTALL,
)


@contextmanager
def process_group(store: Store, rank: int, world: int) -> Iterator[None]:
    """The group of the ranks that have met at `store`: gloo, and nccl for what lies on GPUs.

    After an error it is left to the end of the process, as leaving it may wait for the others.

    Raises:
        UserError: they do not reach each other.
    """
    backend = "gloo"
    if torch.cuda.is_available():
        backend = BY_DEVICE
        _work_on(_device())
    limit, patience = timedelta(seconds=CONNECT_SECONDS), timedelta(seconds=PATIENCE_SECONDS)
    store.set_timeout(limit)
    try:
        if backend == BY_DEVICE:
            _check_own_gpu(store, rank, world)
        dist.init_process_group(backend, store=store, rank=rank, world_size=world, timeout=limit)
    except RuntimeError as error:
        raise UserError(
            f"all {world} ranks have started, but rank {rank} on {platform.node()} cannot connect to the "
            f"others: {in_a_line(error)}; {INTERFACES} names the network that all nodes share "
            f"({_said_of_interfaces()}; {platform.node()} has {', '.join(_interfaces())})"
        ) from None
    store.set_timeout(patience)
    _set_timeout(patience)
    yield
    dist.destroy_process_group()


def _check_own_gpu(store: Store, rank: int, world: int) -> None:
    """
    Raises:
        UserError: another rank has this one's GPU, which nccl refuses in words of its own.
    """
    here = torch.cuda.get_device_properties(torch.cuda.current_device())
    uuid = str(getattr(here, "uuid", ""))
    # Not every build and driver knows it; then nccl finds out. Some give it to all alike, so that only those
    # of one node are compared.
    known = re.search("[1-9a-zA-Z]", uuid.removeprefix("GPU-"))
    name = f"{uuid} of {platform.node()}" if known else f"that of rank {rank}"
    store.set(f"gpu {rank}", name)
    said = [store.get(f"gpu {other}") for other in range(world)]
    if len(sharing := [str(other) for other in range(world) if said[other] == said[rank]]) > 1:
        raise UserError(
            f"ranks {' and '.join(sharing)} on {platform.node()} have one GPU together ({here.name}), but "
            f"nccl wants one for each: ask for as many GPUs as tasks; `mode: spread` lets tasks share one"
        )


def _set_timeout(patience: timedelta) -> None:
    """Of what the group does from now on; torch before 2.13 has it under another name."""
    change = getattr(dist, "set_timeout", None) or dist.distributed_c10d._set_pg_timeout
    change(patience)


def check_interfaces() -> None:
    """
    Raises:
        UserError: gloo is to use a network that this node does not have.
    """
    for name in filter(None, os.environ.get(INTERFACES, "").split(",")):
        try:
            dist.ProcessGroupGloo.create_device(interface=name)
        except RuntimeError:
            raise UserError(
                f"{INTERFACES} is {os.environ[INTERFACES]!r}, but {platform.node()} has no network {name} "
                f"with an address: it has {', '.join(_interfaces())}"
            ) from None


def _interfaces() -> list[str]:
    return [name for _, name in socket.if_nameindex()]


def _said_of_interfaces() -> str:
    return f"it is {os.environ[INTERFACES]!r}" if os.environ.get(INTERFACES) else "it is not set"


def rank_lost(error: BaseException) -> bool:
    """Whether an error, or one that it came of, says that another rank is gone, not that this one did
    something wrong.
    """
    seen = set[int]()
    cause: BaseException | None = error
    while cause and id(cause) not in seen:
        seen.add(id(cause))
        if isinstance(cause, dist.DistError):
            return True
        if isinstance(cause, RuntimeError) and _GONE.search(str(cause)):
            return True
        cause = cause.__cause__ or (None if cause.__suppress_context__ else cause.__context__)
    return False


def _device() -> torch.device:
    """A GPU if there is one, by this process's number among those of its node."""
    if not torch.cuda.is_available():
        return torch.device("cpu")
    return torch.device("cuda", int(os.environ.get("LOCAL_RANK", "0")) % torch.cuda.device_count())


def _work_on(device: torch.device) -> None:
    """Let all that this thread does from now on be on this GPU, there in a stream that is not the default.

    A graph is noted down of what the current GPU is given in such a stream, whatever a tensor lies on; and a
    gradient is added up in the stream that first met its parameter, which must not be another one then.
    """
    torch.cuda.set_device(device)
    if torch.cuda.current_stream() == torch.cuda.default_stream():
        stream = torch.cuda.Stream()  # type: ignore[no-untyped-call]
        stream.wait_stream(torch.cuda.default_stream())
        torch.cuda.set_stream(stream)


@dataclass(frozen=True, kw_only=True)
class Ranks:
    """This process among those that train a pack together."""

    rank: int
    world: int
    device: torch.device

    @classmethod
    def here(cls) -> Ranks:
        """The default process group if there is one; a GPU if there is one, by local rank: this thread's."""
        together = dist.is_available() and dist.is_initialized()
        rank, world = (dist.get_rank(), dist.get_world_size()) if together else (0, 1)
        device = _device()
        if device.type == "cuda":
            _work_on(device)
        return cls(rank=rank, world=world, device=device)

    @property
    def name(self) -> str:
        """What is computed on: a GPU's name, or `cpu`."""
        return torch.cuda.get_device_name(self.device) if self.device.type == "cuda" else self.device.type

    def moved(self, state: Any) -> Any:
        """Tensors of a tree of dictionaries and lists on this rank's device, and whatever else there is."""
        if isinstance(state, Tensor):
            return state.to(self.device)
        if isinstance(state, dict):
            return {key: self.moved(value) for key, value in state.items()}
        return [self.moved(value) for value in state] if isinstance(state, list) else state

    @property
    def first(self) -> bool:
        return self.rank == 0

    def part(self, count: int) -> slice:
        """This rank's contiguous share of `count` examples; shares differ by one at most."""
        return slice(count * self.rank // self.world, count * (self.rank + 1) // self.world)

    def wrap(self, module: nn.Module, *, some_unused: bool = False) -> nn.Module:
        """Gradients averaged over the ranks, and before each pass buffers as rank 0 has them.

        With `some_unused`, parameters may be left out of a step: one that no rank has used keeps no gradient.
        """
        if self.world == 1:
            return module
        devices = [self.device] if self.device.type == "cuda" else None
        return DistributedDataParallel(module, device_ids=devices, find_unused_parameters=some_unused)

    def mean(self, value: Tensor) -> Tensor:
        """The mean over the ranks, the same bits on each."""
        return self.sum(value) / self.world

    def sum(self, value: Tensor) -> Tensor:
        """The sum over the ranks, the same bits on each."""
        if self.world > 1:
            value = value.clone(memory_format=torch.contiguous_format)  # nccl takes no other
            dist.all_reduce(value)
        return value

    def any(self, flag: bool) -> bool:
        """Whether it is true on any rank. All must ask, and wait for each other; between steps see `Vote`."""
        if self.world == 1:
            return flag
        vote = torch.tensor(flag, dtype=torch.float32)
        dist.all_reduce(vote)
        return bool(vote.item() > 0)

    def gather(self, value: Tensor) -> Tensor:
        """Every rank's value, [W, …]."""
        if self.world == 1:
            return value.unsqueeze(0)
        value = value.contiguous()
        values = [torch.empty_like(value) for _ in range(self.world)]
        dist.all_gather(values, value)
        return torch.stack(values)

    def hear(self, mine: bytes) -> list[bytes]:
        """What each rank says, in their order."""
        sizes = self.gather(torch.tensor(len(mine), device=self.device)).flatten().tolist()
        padded = torch.frombuffer(bytearray(mine.ljust(max(sizes), b" ")), dtype=torch.uint8)
        every = self.gather(padded.to(self.device)).cpu()
        return [row[:size].numpy().tobytes() for row, size in zip(every, sizes, strict=True)]

    def share(self, data: bytes | None) -> bytes | None:
        """What rank 0 has, on every rank."""
        if self.world == 1:
            return data
        size = torch.tensor(-1 if data is None else len(data))
        dist.broadcast(size, 0)
        if size.item() < 0:
            return None
        content = torch.empty(int(size.item()), dtype=torch.uint8)
        if data is not None and self.first:
            content.copy_(torch.frombuffer(bytearray(data), dtype=torch.uint8))
        dist.broadcast(content, 0)
        return content.numpy().tobytes()

    def align(self, tensors: Iterable[Tensor]) -> None:
        """Give `tensors` the values that they have on rank 0."""
        if self.world > 1:
            for tensor in tensors:
                dist.broadcast(tensor, 0)

    def wait(self) -> None:
        """Until all ranks are here; not for what they have given a GPU to do."""
        self.any(False)

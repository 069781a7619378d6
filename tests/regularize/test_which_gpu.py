"""Which GPU a process takes, by what it is shown and its number on the node. No GPU is needed."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from threading import local
from types import SimpleNamespace

import pytest
import torch
import torch.distributed as dist
from torch import Tensor

from regularize.distributed import Ranks, _check_own_gpu, process_group
from regularize.errors import UserError
from regularize.models.over_ranks import SumOverRanks
from regularize.regularizers.hooks import _mean_over_ranks


class _Streams:
    """The streams of a GPU that is not there."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.device: str | None = None
        self.current, self.made, taken = "default", 0, self

        class Stream:
            def __init__(self) -> None:
                taken.made += 1
                self.name = f"stream {taken.made}"

            def wait_stream(self, other: str) -> None:
                self.name += f" after {other}"

        monkeypatch.setattr(torch.cuda, "set_device", lambda device: setattr(self, "device", str(device)))
        monkeypatch.setattr(torch.cuda, "current_stream", lambda: self.current)
        monkeypatch.setattr(torch.cuda, "default_stream", lambda: "default")
        monkeypatch.setattr(torch.cuda, "Stream", Stream)
        monkeypatch.setattr(torch.cuda, "set_stream", lambda stream: setattr(self, "current", stream.name))


@pytest.mark.parametrize(
    ("shown", "local_rank", "expected"),
    [
        (0, "3", "cpu"),
        (1, None, "cuda:0"),  # a worker of one machine, or `regularize train`
        (1, "3", "cuda:0"),  # --gpus-per-task, a slice or a shard: each task is shown its own
        (4, "3", "cuda:3"),  # --gres: each task is shown those of its node
        (2, "3", "cuda:1"),  # two tasks on each
        (8, None, "cuda:0"),
    ],
)
def test_a_process_takes_the_gpu_of_its_number_among_those_it_is_shown(
    monkeypatch: pytest.MonkeyPatch, shown: int, local_rank: str | None, expected: str
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: shown > 0)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: shown)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda device: f"name of {device}")
    taken = _Streams(monkeypatch)
    monkeypatch.delenv("LOCAL_RANK", raising=False)
    if local_rank is not None:
        monkeypatch.setenv("LOCAL_RANK", local_rank)
    here = Ranks.here()
    assert str(here.device) == expected
    # A graph is of the GPU and the stream that are current, and it cannot be of the default stream.
    assert taken.device == (None if expected == "cpu" else expected)
    assert taken.current == ("default" if expected == "cpu" else "stream 1 after default")
    Ranks.here()
    assert taken.current == ("default" if expected == "cpu" else "stream 1 after default"), "no other one"
    assert here.name == ("cpu" if expected == "cpu" else f"name of {expected}")


ZERO = "00000000-0000-0000-0000-000000000000"


@pytest.mark.parametrize(
    ("uuids", "nodes", "sharing"),
    [
        (["GPU-a", "GPU-b", "GPU-c"], ["n1", "n1", "n1"], {}),
        (["GPU-a", "GPU-b", "GPU-a"], ["n1", "n1", "n1"], {0: "0 and 2", 2: "0 and 2"}),
        (["GPU-a", "GPU-a", "GPU-a"], ["n1", "n2", "n3"], {}),
        (["GPU-a", "GPU-a", "GPU-a"], ["n1", "n2", "n1"], {0: "0 and 2", 2: "0 and 2"}),
        ([None, None, None], ["n1", "n1", "n1"], {}),
        ([ZERO, f"GPU-{ZERO}", ZERO], ["n1", "n1", "n1"], {}),
    ],
)
def test_ranks_that_have_one_gpu_together_are_told_so_before_nccl_refuses(
    monkeypatch: pytest.MonkeyPatch, uuids: list[str | None], nodes: list[str], sharing: dict[int, str]
) -> None:
    store, here = dist.HashStore(), local()
    monkeypatch.setattr(torch.cuda, "current_device", lambda: 0)
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda _: here.gpu)
    monkeypatch.setattr("platform.node", lambda: here.node)

    def check(rank: int) -> str:
        known = {} if uuids[rank] is None else {"uuid": uuids[rank]}
        here.gpu, here.node = SimpleNamespace(name="A100", **known), nodes[rank]
        try:
            _check_own_gpu(store, rank, 3)
        except UserError as error:
            return str(error)
        return ""

    with ThreadPoolExecutor(3) as threads:
        said = dict(enumerate(threads.map(check, range(3))))
    assert {rank for rank, words in said.items() if words} == set(sharing)
    for rank, ranks in sharing.items():
        assert said[rank].startswith(f"ranks {ranks} on {nodes[rank]} have")
        assert "have one GPU together (A100), but nccl wants one for each" in said[rank]


def test_so_they_are_told_when_they_meet(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    monkeypatch.setattr(torch.cuda, "current_device", lambda: 0)
    gpu = SimpleNamespace(name="A100", uuid="GPU-a")
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda _: gpu)
    _Streams(monkeypatch)
    store = dist.HashStore()

    def meet(rank: int) -> None:
        with pytest.raises(UserError, match="ranks 0 and 1 on"), process_group(store, rank, 2):
            pass

    with ThreadPoolExecutor(2) as threads:
        list(threads.map(meet, range(2)))
    assert not dist.is_initialized()


def test_what_ranks_tell_each_other_lies_in_memory_as_nccl_wants_it(monkeypatch: pytest.MonkeyPatch) -> None:
    given = list[Tensor]()
    monkeypatch.setattr(dist, "all_reduce", given.append)
    monkeypatch.setattr(dist, "all_gather", lambda places, value: given.extend([*places, value]))
    monkeypatch.setattr(dist, "is_initialized", lambda: True)
    monkeypatch.setattr(dist, "get_world_size", lambda: 2)
    ranks = Ranks(rank=0, world=2, device=torch.device("cpu"))
    columns = torch.arange(24.0).view(2, 3, 4).transpose(1, 2)  # as the gradient of a linear layer
    assert torch.equal(ranks.sum(columns), columns)
    assert ranks.gather(columns).shape == (2, 2, 4, 3)
    assert torch.equal(_mean_over_ranks(columns), columns / 2)
    assert torch.equal(SumOverRanks.apply(columns), columns)
    assert len(given) == 6
    assert all(tensor.is_contiguous() for tensor in given)

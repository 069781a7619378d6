"""Which GPU a process takes, by what it is shown and its number on the node. No GPU is needed."""

from __future__ import annotations

import pytest
import torch

from regularize.distributed import Ranks


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

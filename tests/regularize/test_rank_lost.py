"""Which errors of torch and gloo mean that another rank is gone; the texts are theirs, of torch 2.14."""

from __future__ import annotations

import pytest
import torch.distributed as dist

from regularize.distributed import rank_lost

GLOO = "[/__w/pytorch/pytorch/third_party/gloo/gloo/transport/tcp/"


@pytest.mark.parametrize(
    ("error", "lost"),
    [
        (RuntimeError(f"{GLOO}pair.cc:561] Connection closed by peer [127.0.0.1]:404. This is"), True),
        (RuntimeError(f"{GLOO}pair.cc:547] Read error [10.0.0.1]:404: Connection reset by peer"), True),
        (RuntimeError(f"{GLOO}unbound_buffer.cc:78] Timed out waiting 1800000ms for recv operation"), True),
        (dist.DistNetworkError("failed to recv, got 0 bytes"), True),
        (RuntimeError(f"[enforce fail at {GLOO}device.cc:84] Unable to find address for: eth9"), False),
        (RuntimeError(f"[enforce fail at {GLOO}pair.cc:446] op.preamble.length <= op.nbytes. 8 vs 4"), False),
        (RuntimeError(f"{GLOO}pair.cc:534] Read error [10.0.0.1]:404: No route to host"), True),
        (RuntimeError(f"{GLOO}pair.cc:547] writev [10.0.0.1]:404: Software caused connection abort"), True),
        (RuntimeError("NCCL communicator was aborted on rank 1."), True),
        (RuntimeError("Expected to have finished reduction in the prior iteration"), False),
        (ValueError("gloo: Connection closed by peer"), False),
    ],
)  # fmt: skip
def test_a_lost_rank_is_told_from_what_this_one_did(error: Exception, lost: bool) -> None:
    assert rank_lost(error) is lost


def test_a_lost_rank_is_found_behind_what_came_of_it() -> None:
    lost, own = RuntimeError(f"{GLOO}pair.cc:561] Connection closed by peer [::1]:4"), ValueError("no batch")
    caused, during = ValueError("my layer failed"), ValueError("nor could it be put away")
    caused.__cause__, during.__context__ = lost, lost
    assert rank_lost(caused)
    assert rank_lost(during)
    during.__cause__ = own
    assert not rank_lost(during), "which has another cause, as it says"
    own.__context__ = during
    assert not rank_lost(own), "and this one comes to an end"

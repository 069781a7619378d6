"""Ranks agree on stopping and on checkpoints without waiting for each other in a step: real ranks by gloo."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from regularize import effects
from regularize.distributed import Ranks
from regularize.vote import Vote
from tests.regularize.voting_ranks import STEPS

Found = dict[str, Any]


def tried(folder: Path, *what: str) -> list[Found]:
    """What each of two ranks has found that tried this."""
    command = [sys.executable, "-m", "tests.regularize.voting_ranks", str(folder), *what]
    subprocess.run(command, check=True, timeout=600, cwd=Path(__file__).parents[2])
    files = [folder / f"{rank}.json" for rank in (0, 1)]
    return [json.loads(file.read_text(encoding="utf-8")) for file in files if file.exists()]


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> list[Found]:
    """Of ranks that stay."""
    return tried(tmp_path_factory.mktemp("ranks"), "calls", "when", "checkpoints", "unheeded")


def test_a_step_of_several_ranks_waits_for_nothing_but_gradients(both: list[Found]) -> None:
    for found in both:
        steps = {int(step): noted for step, noted in found["calls"]["steps"].items() if step != "0"}
        assert len(steps) == STEPS - 1
        for step, noted in steps.items():
            waits = [each for each in noted if each != "all_reduce on its way"]
            assert len(noted) - len(waits) == 1, "one vote"
            assert bool(waits) == effects.due(step), "now and then what penalties do is measured"


def test_all_ranks_stop_after_the_step_that_follows_whichever_of_them_was_told_to(both: list[Found]) -> None:
    assert [found["when"]["stops"] for found in both] == [[4, 4], [4, 4]]


def test_a_checkpoint_that_one_rank_wants_is_of_the_next_step_and_training_goes_on_from_it(
    both: list[Found],
) -> None:
    first, other = (found["checkpoints"] for found in both)
    assert (first["kept"], other["kept"]) == ([2, 3, 4], [])
    assert first["differing"] == other["differing"] == []


def test_a_vote_of_the_last_step_is_heeded_although_no_step_follows(both: list[Found]) -> None:
    for found in both:
        assert found["unheeded"] == {"states": ["interrupted", "done"], "steps": [STEPS, STEPS]}


@pytest.mark.parametrize("what", ["gone", "silent"])
def test_a_vote_without_one_of_the_ranks_ends_with_an_error_that_says_so(what: str, tmp_path: Path) -> None:
    assert tried(tmp_path, what)[0][what]["lost"]


def test_alone_the_answer_is_there_at_once_and_one_is_put_at_a_time() -> None:
    vote = Vote(Ranks(rank=0, world=1, device=torch.device("cpu")))
    assert not vote.open
    vote.put(True, False)
    with pytest.raises(AssertionError):
        vote.put(False, False)
    assert vote.open
    assert vote.answers() == [True, False]
    assert not vote.open

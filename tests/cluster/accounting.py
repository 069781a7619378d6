"""Accounts, users' places in them and qualities of service, for the time of a test."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from tests.cluster.processes import wait_for
from tests.cluster.slurm import TestCluster

Words = Sequence[str]


@contextmanager
def added(slurm: TestCluster, *entities: Words) -> Iterator[None]:
    """Words after `sacctmgr add`, of which the first two name it; what was added last is deleted first.

    Before that the queue is emptied, as Slurm deletes no account that has jobs.
    """
    made: list[Words] = []
    try:
        for words in entities:
            slurm.run("sacctmgr", "-i", "add", *words)
            made.insert(0, words)
        yield
    finally:
        if jobs := slurm.queued():
            slurm.run("scancel", *jobs, check=False)
        slurm.wait_until_idle(60)
        for words in made:
            _delete(slurm, words)


def _delete(slurm: TestCluster, words: Words) -> None:
    where = [word for word in words[2:] if word.startswith("account=")] if words[0] == "user" else []

    def deleted() -> bool:
        said = slurm.run("sacctmgr", "-i", "delete", words[0], f"name={words[1]}", *where, check=False)
        return "Deleting" in said or "Nothing deleted" in said

    wait_for(f"{' '.join(words[:2])} to be deleted", deleted, 30)

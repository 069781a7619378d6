"""What the ranks of a pack agree on between two steps, without one waiting in a step for another."""

from __future__ import annotations

import torch
import torch.distributed as dist

from regularize.distributed import Ranks


class Vote:
    """Yes or no to some questions, of which each is answered yes if any rank says so; the same on all.

    It is put between two steps, and the answer is looked at after the next one, in which it has been on its
    way. All ranks put it and look at the same places, so that whatever they do together comes in one order on
    each; it is the hosts' own, by gloo, and no GPU has a part in it. Of one rank the answer is there at once.
    """

    def __init__(self, ranks: Ranks) -> None:
        self._ranks = ranks
        self._asked: tuple[torch.Tensor, dist.Work | None] | None = None

    @property
    def open(self) -> bool:
        """Whether one was put that has not been looked at."""
        return self._asked is not None

    def put(self, *flags: bool) -> None:
        """What this rank says."""
        assert not self.open, "one at a time"
        votes = torch.tensor(flags, dtype=torch.float32)
        self._asked = votes, dist.all_reduce(votes, async_op=True) if self._ranks.world > 1 else None

    def answers(self) -> list[bool]:
        """Of each question that was put last; waits until all ranks have put it.

        Raises:
            RuntimeError: another rank is gone, or silent for longer than the group waits.
        """
        assert self._asked, "none was put"
        (votes, work), self._asked = self._asked, None
        if work:
            work.wait()
        return [vote > 0 for vote in votes.tolist()]

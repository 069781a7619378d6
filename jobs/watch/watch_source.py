"""Where all that is shown comes from."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from jobs.watch.picture import Picture
from jobs.watch.run_detail import Detail, Piece

LEFT_OUT = 1
"""Exit code of a command that has done what it was told, and says which runs are left out all the same."""
COMMAND_SECONDS = 600.0
"""How long the end of a command is waited for."""


class Source(Protocol):
    """Every call may take long, or raise `UserError`; each is made in a thread of its own."""

    def look(self) -> Picture:
        """The sweep as it is now."""

    def detail(self, run_id: str) -> Detail:
        """One run, with its curves so far."""

    def log(self, run_id: str, offset: int | None) -> Piece:
        """What the run's log says from `offset` on; its end where that is None."""

    def cancel(self, run_ids: Sequence[str]) -> str:
        """Take runs out of the queue; says what was done."""

    def retry(self, run_ids: Sequence[str]) -> str:
        """Train runs again; says what was done."""

"""Packs that failed with a Python error, and those alike together."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jobs.store.pack_status import failure
from regularize.opened import read_end
from regularize.store import PackStatus, Store

MOST_HOSTS = 4  # named in a line
MOST_TRACEBACK = 20_000  # characters, from its end


@dataclass(frozen=True, kw_only=True)
class Failure:
    """A pack that failed, the last line of its error, and the file with the rest.

    `host` is where it was raised, for a pack of several ranks by one of them; empty on this machine.
    """

    pack_id: str
    runs: int
    message: str
    path: str
    host: str = ""


@dataclass(frozen=True, kw_only=True)
class Group:
    """Packs whose errors end in the same line, and one of their tracebacks."""

    message: str
    failures: tuple[Failure, ...]

    @property
    def runs(self) -> int:
        return sum(failed.runs for failed in self.failures)

    @property
    def where(self) -> str:
        """The hosts on which they failed, as far as these fit into a line; empty on this machine.

        >>> failures = [Failure(pack_id="", runs=1, message="", path="", host=h) for h in ("n2", "n1", "n2")]
        >>> Group(message="", failures=tuple(failures)).where
        ' on n1, n2'
        """
        hosts = sorted({failed.host for failed in self.failures if failed.host})
        more = f" and {len(hosts) - MOST_HOSTS} more" if len(hosts) > MOST_HOSTS else ""
        return f" on {', '.join(hosts[:MOST_HOSTS])}{more}" if hosts else ""

    @property
    def traceback(self) -> str:
        """The whole text of the first one that can be read."""
        for failed in self.failures:
            with suppress(OSError):
                return read_end(Path(failed.path))[-MOST_TRACEBACK:]
        return ""

    def to_json(self) -> dict[str, Any]:
        return {
            "message": self.message,
            "packs": len(self.failures),
            "runs": self.runs,
            "path": self.failures[0].path,
            "traceback": self.traceback,
        }


def failed_pack(pack_id: str, status: PackStatus, store: Store) -> Failure:
    paths = store.pack(pack_id)
    return Failure(
        pack_id=pack_id,
        runs=len(status.runs),
        message=failure(paths),
        path=str(paths.error),
        host=status.host if status.job and paths.error.exists() else "",
    )


def grouped(failures: Iterable[Failure]) -> list[Group]:
    """By the last line of their errors, most runs first."""
    found: dict[str, list[Failure]] = defaultdict(list)
    for failed in failures:
        found[failed.message].append(failed)
    groups = [Group(message=message, failures=tuple(alike)) for message, alike in found.items()]
    return sorted(groups, key=lambda group: -group.runs)

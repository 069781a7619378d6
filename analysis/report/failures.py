"""The packs that failed, grouped by the last line of their error, as the store tells them."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass

from analysis.notation.number_text import count
from analysis.notation.published_text import published
from regularize.opened import read_end
from regularize.store import PackPaths, PackStatus, Store

MOST_OF_ERROR = 100_000  # bytes


@dataclass(frozen=True, kw_only=True)
class Failure:
    """Packs that failed in the same way, and the traceback of one of them."""

    message: str
    packs: int
    runs: int
    traceback: str

    def __str__(self) -> str:
        return f"{count(self.runs, 'run')} in {count(self.packs, 'pack')} failed: {self.message}"


def failures(store: Store, finished: set[str]) -> list[Failure]:
    """Those of packs with a run that is not among the `finished`, most runs first."""
    found: dict[str, Failure] = {}
    for folder in sorted(store.packs.iterdir()) if store.packs.is_dir() else []:
        paths = PackPaths(folder)
        with suppress(OSError, ValueError, TypeError, KeyError):
            status = PackStatus.read(paths.status)
            if status.state == "failed" and not finished.issuperset(status.runs):
                text = _text(paths)
                message = text.splitlines()[-1]
                before = found.get(message)
                found[message] = Failure(
                    message=message,
                    packs=1 + (before.packs if before else 0),
                    runs=len(status.runs) + (before.runs if before else 0),
                    traceback=before.traceback if before else text,
                )
    return sorted(found.values(), key=lambda failure: -failure.runs)


def _text(paths: PackPaths) -> str:
    with suppress(OSError):
        if text := read_end(paths.error, MOST_OF_ERROR).strip():
            return published(text)
    return "its results are missing or damaged"

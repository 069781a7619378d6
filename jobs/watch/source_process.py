"""A source in a process of its own: while it reads ten thousand runs, the interface answers keys."""

from __future__ import annotations

import multiprocessing as mp
import os
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import wraps
from multiprocessing import resource_tracker
from multiprocessing.managers import BaseManager
from typing import Any, TypeVar, cast

import pyarrow as pa

from jobs.watch.picture import Picture
from jobs.watch.run_blocks import Seen, changed, changes
from jobs.watch.run_detail import Detail, Piece
from jobs.watch.watch_source import Source
from regularize.errors import UserError

T = TypeVar("T")


class Apart:
    """A source, copied to a process that is begun when something is asked, and anew if it was killed.

    To be made before the interface takes the terminal. Calls come from many threads, and one that takes
    long keeps no other waiting.
    """

    def __init__(self, source: Source) -> None:
        self._original = source
        self._copy: Source | None = None
        self._seen = Seen()
        self._lock = threading.Lock()
        resource_tracker.ensure_running()  # it inherits stderr, in whose place the interface puts its own

    def look(self) -> Picture:
        """Of ten thousands of runs those alone come from there that have changed since the last look."""
        seen = self._seen
        picture, self._seen = changed(
            self._ask(lambda source: cast(_Worded, source).changes(seen.digests)), seen
        )
        return picture

    def detail(self, run_id: str) -> Detail:
        return self._ask(lambda source: source.detail(run_id))

    def log(self, run_id: str, offset: int | None) -> Piece:
        return self._ask(lambda source: source.log(run_id, offset))

    def cancel(self, run_ids: Sequence[str]) -> str:
        return self._ask(lambda source: source.cancel(run_ids))

    def retry(self, run_ids: Sequence[str]) -> str:
        return self._ask(lambda source: source.retry(run_ids))

    def _ask(self, question: Callable[[Source], T]) -> T:
        copy: Source | None = None
        try:
            with self._lock:
                copy = self._copy = self._copy or _copy(self._original)
            return question(copy)
        except (EOFError, ConnectionError, FileNotFoundError):
            with self._lock:
                self._copy = None if self._copy is copy else self._copy
            raise UserError("the process that reads the store was ended; the next look begins one") from None


class _Manager(BaseManager):
    """The process with the source, in which each thread that asks has a thread of its own."""


@dataclass(frozen=True)
class _Worded:
    """A source whose errors of files are words: as they are, they would tell of the end of the process."""

    source: Source

    def changes(self, known: str) -> str:
        return changes(self._worded("look")(), known)

    def __getattr__(self, name: str) -> Callable[..., Any]:
        return self._worded(name)

    def _worded(self, name: str) -> Callable[..., Any]:
        ask = getattr(self.source, name)

        @wraps(ask)
        def worded(*given: object) -> Any:
            try:
                return ask(*given)
            except (EOFError, OSError) as error:
                raise UserError(f"{type(error).__name__}: {error}") from None

        return worded


_Manager.register("source", _Worded, exposed=("changes", "detail", "log", "cancel", "retry"))


def _copy(source: Source) -> Source:
    manager = _Manager(ctx=mp.get_context("spawn"))  # of this process, with its threads, no fork is safe
    manager.start(_begin)
    return cast(Source, manager.source(source))  # type: ignore[attr-defined]  # registered above


def _begin() -> None:
    _end_with_parent()
    pa.set_memory_pool(pa.system_memory_pool())  # which gives back what it has no use for


def _end_with_parent() -> None:
    """Also with one that is killed and cannot say so."""
    parent = mp.parent_process()
    assert parent is not None

    def wait() -> None:
        parent.join()
        os._exit(1)

    threading.Thread(target=wait, daemon=True).start()

"""A sweep that was stopped, as its runs all fail alike: noted by a worker, undone by `regularize retry`."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass

from jobs.store.journal import read_journal
from jobs.store.pack_status import failure, read_packs
from jobs.support.readable_numbers import plural
from regularize.store import PackStatus, Store, read_json, write_json
from regularize.typed import checked

_NUMBER = re.compile(r"0x[0-9a-f]+|\d+")


@dataclass(frozen=True, kw_only=True)
class Stopped:
    """How many runs had failed alike by then, with which error, and a pack that has its traceback."""

    runs: int
    message: str
    pack: str

    @property
    def reason(self) -> str:
        where = f"packs/{self.pack}/error.txt"
        return f"the last {plural(self.runs, 'run')} to end failed alike: {self.message} ({where})"


def stopped(store: Store) -> Stopped | None:
    """Why no further pack of a sweep is begun; None where nothing, or nothing that makes sense, says so."""
    with suppress(OSError, ValueError, TypeError):
        return checked(Stopped(**read_json(store.stopped)))
    return None


def stop_if_alike(store: Store, most: int) -> None:
    """Stop the sweep if the last runs to end, `most` or more, failed with one error, but for its numbers.

    What was before a retry does not count. To be called by a worker of which a pack has failed.
    """
    runs, kinds = 0, set[str]()
    for pack_id, status in _latest_first(store):
        message = failure(store.pack(pack_id))
        runs += len(status.runs)
        kinds.add(_NUMBER.sub("", message))
        if status.state == "done" or len(kinds) > 1:
            return
        if runs >= most:
            write_json(store.stopped, asdict(Stopped(runs=runs, message=message, pack=pack_id)))
            return


def _latest_first(store: Store) -> Iterator[tuple[str, PackStatus]]:
    """The packs that have ended since they were last retried, but for those whose files are damaged."""
    never, retried = (0, ""), read_journal(store.journal).retried
    statuses = read_packs(store).statuses

    def ended(pack: tuple[str, PackStatus]) -> tuple[str, bool]:  # of one second, what went well last
        return pack[1].updated_at, pack[1].state == "done"

    for pack_id, status in sorted(statuses.items(), key=ended, reverse=True):
        before = any(status.updated_at < retried.get(run_id, never)[1] for run_id in status.runs)
        raised = status.state == "failed" and store.pack(pack_id).error.exists()
        if (raised and not before) or status.state == "done":
            yield pack_id, status

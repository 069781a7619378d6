"""A sweep that was stopped, as its runs all fail alike: noted by a worker, undone by `regularize retry`."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass

from jobs.store.journal import read_journal
from jobs.store.pack_status import ended_order, failure, read_packs
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

    They are of several packs, unless `most` is 1; and of several hosts, unless no other is at work, or has
    been since the first of them began. What was before a retry does not count. To be called by a worker of
    which a pack has failed.
    """
    runs, kinds, alike = 0, set[str](), list[PackStatus]()
    statuses = read_packs(store).statuses
    for pack_id, status in _latest_first(store, statuses):
        message = failure(store.pack(pack_id))
        runs += len(status.runs)
        kinds.add(_NUMBER.sub("", message))
        alike.append(status)
        if status.state == "done" or len(kinds) > 1:
            return
        if runs >= most and len(alike) >= min(most, 2) and _everywhere(alike, statuses.values()):
            write_json(store.stopped, asdict(Stopped(runs=runs, message=message, pack=pack_id)))
            return


def _everywhere(alike: Iterable[PackStatus], statuses: Iterable[PackStatus]) -> bool:
    hosts, since = {status.host for status in alike}, min(status.started_at for status in alike)
    at_work = {status.host for status in statuses if status.state == "running" or status.updated_at >= since}
    return len(hosts) > 1 or at_work == hosts


def _latest_first(store: Store, statuses: Mapping[str, PackStatus]) -> Iterator[tuple[str, PackStatus]]:
    """The packs that have ended since they were last retried, but for those whose files are damaged."""
    never, retried = (0, ""), read_journal(store.journal).retried
    for pack_id, status in sorted(statuses.items(), key=lambda each: ended_order(each[1]), reverse=True):
        before = any(status.updated_at < retried.get(run_id, never)[1] for run_id in status.runs)
        raised = status.state == "failed" and store.pack(pack_id).error.exists()
        if (raised and not before) or status.state == "done":
            yield pack_id, status

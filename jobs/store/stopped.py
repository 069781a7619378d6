"""A sweep that was stopped, as its runs all fail alike: noted by a worker, undone by `regularize retry`."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
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
    """How many runs had failed alike by then, with which error, and a pack that has its traceback.

    `host` is the only one on which they did, where no other has failed so: there no further pack is begun.
    """

    runs: int
    message: str
    pack: str
    host: str = ""

    def holds(self, *, at_work: bool) -> bool:
        """Whether all runs wait; of one host's failures what follows the jobs at work has yet to judge."""
        return not self.host or not at_work

    @property
    def reason(self) -> str:
        where = f"packs/{self.pack}/error.txt"
        return f"the last {plural(self.runs, 'run')} to end failed alike: {self.message} ({where})"


def stopped(store: Store) -> Stopped | None:
    """Why no further pack is begun, at all or on one host; None where nothing that makes sense says so."""
    with suppress(OSError, ValueError, TypeError):
        return checked(Stopped(**read_json(store.stopped)))
    return None


def still_stopped(store: Store, most: int | None) -> Stopped | None:
    """As `stopped`, but what failed on one host is looked at again: others may have done well since."""
    why = stopped(store)
    return failing_alike(store, most) if why and why.host and most else why


def stop_if_alike(store: Store, most: int) -> None:
    """Stop the sweep if `failing_alike` finds so; to be called by a worker of which a pack has failed."""
    if found := failing_alike(store, most):
        write_json(store.stopped, asdict(found))


def failing_alike(store: Store, most: int) -> Stopped | None:
    """Whether the last runs to end, `most` or more, failed with one error, but for its numbers.

    They are of several packs, and where all are of one host it is of that host alone, unless `most` is 1.
    What was before a retry does not count.
    """
    runs, kinds, hosts, alike = 0, set[str](), set[str](), list[tuple[str, str]]()
    found = None
    for pack_id, status in _latest_first(store, read_packs(store).statuses):
        message = failure(store.pack(pack_id))
        kinds.add(_NUMBER.sub("", message))
        if status.state == "done" or len(kinds) > 1:
            break
        runs += len(status.runs)
        alike.append((pack_id, message))
        hosts.add(status.host)
        if runs >= most and len(alike) >= min(most, 2):
            pack, words = alike[0]
            everywhere = most == 1 or len(hosts) > 1
            found = Stopped(runs=runs, message=words, pack=pack, host="" if everywhere else status.host)
            if everywhere:
                break
    return found


def _latest_first(store: Store, statuses: Mapping[str, PackStatus]) -> Iterator[tuple[str, PackStatus]]:
    """The packs that have ended since they were last retried, but for those whose files are damaged."""
    never, retried = (0, ""), read_journal(store.journal).retried
    for pack_id, status in sorted(statuses.items(), key=lambda each: ended_order(each[1]), reverse=True):
        before = any(status.updated_at < retried.get(run_id, never)[1] for run_id in status.runs)
        raised = status.state == "failed" and store.pack(pack_id).error.exists()
        if (raised and not before) or status.state == "done":
            yield pack_id, status

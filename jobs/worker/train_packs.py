"""What one task executes: its packs one after the other, each to its end or to a checkpoint."""

from __future__ import annotations

import platform
import sys
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext, suppress
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from jobs.store.kept_inputs import keep_code
from jobs.store.lease import Fence, LeaseLostError, lease
from jobs.store.pack_status import read_pack
from jobs.store.runs_table import read_runs
from jobs.store.stopped import still_stopped, stop_if_alike, stopped
from jobs.store.submit_lock import Held
from jobs.worker.one_pack import HEARTBEAT, Ending, Train, attempt
from jobs.worker.stopping import never
from regularize.code_identity import code_of
from regularize.config import RunConfig, pack_id
from regularize.errors import UserError
from regularize.evaluation.measurement import meets
from regularize.store import PackPaths, Store

if TYPE_CHECKING:
    from regularize.distributed import Ranks


def train_packs(
    store: Store,
    packs: Sequence[Sequence[str]],
    train: Train,
    *,
    data_root: Path | None,
    stop: Callable[[], bool],
    late: Callable[[], bool] = never,
    cancelled: Callable[[Sequence[str]], bool] = never,
    job: str = "",
    max_failures: int | None = None,
    heartbeat_seconds: float = HEARTBEAT,
) -> bool:
    """Train packs (lists of run ids); False if some are left, but for those `cancelled`.

    A pack that raises is recorded as failed, with its traceback in `error.txt`, and the next one is
    begun; but ranks that train together end then, as they no longer know of each other where
    they are, unless they have found it out together. A pack that another worker has in hand is left to
    it. Once it is `late` no further pack is begun. Packs that failed in this `job` before it was requeued
    are not tried again. Within a pack runs are in the order of their ids, whoever planned it: the run axis
    of a checkpoint has no names. Leases are touched as often as packs say how far they are, or less often.
    Once `max_failures` runs on end have failed alike, whoever trained them, no further pack is begun, on this
    host where it is the only one, until one has ended well.

    Raises:
        LeaseLostError: another worker has taken over a pack of ranks that train together.
        NoSpaceError: the store's disk is full.
        RuntimeError: another rank is gone.
    """
    from regularize.distributed import Ranks

    ranks = Ranks.here()
    configs = _configs(store, packs)
    for sources in {config.sources for config in configs.values()}:
        code_of(*sources)  # now: what is edited while packs train is not what trains them
    hands = _Hands(store, ranks, train, data_root, stop, job, max_failures, heartbeat_seconds)
    begun = False
    for position, runs in enumerate(packs):
        paths = store.pack(pack_id(runs))
        mine = [configs[run_id] for run_id in sorted(runs)]
        if ranks.any(_ended(paths, mine, job) or cancelled(runs)):
            continue
        if ranks.any(stop() or (begun and late())):
            return False
        if why := _given_up(store, ranks, max_failures):
            print(f"no further pack is begun: {why}", file=sys.stderr, flush=True)
            return True
        begun = True
        ending = hands.take(paths, mine, partial(cancelled, runs))
        if (ending == Ending.FAILED and ranks.world > 1) or ranks.any(stop()):
            return all(
                _ended(store.pack(pack_id(left)), [configs[run_id] for run_id in left], job)
                for left in packs[position:]
            )
    return True


@dataclass(frozen=True)
class _Hands:
    """What takes a pack in hand: of all that may, one worker at a time, whose ranks go the same way."""

    store: Store
    ranks: Ranks
    train: Train
    data_root: Path | None
    stop: Callable[[], bool]
    job: str
    max_failures: int | None
    heartbeat_seconds: float
    kept: set[tuple[str, ...]] = field(default_factory=set)
    """The sources of code that the store has a copy of."""

    def take(self, paths: PackPaths, runs: Sequence[RunConfig], cancelled: Callable[[], bool]) -> Ending:
        """Try the pack; whole, too, where it is left to another worker or has ended with that one.

        Raises:
            LeaseLostError: another worker has taken over a pack of ranks that train together.
        """
        ranks = self.ranks
        if paths.folder.is_symlink():
            raise UserError(f"{paths.folder} is a link: nothing is written where it leads")
        with self._lease(paths) as held:
            if ranks.any(ranks.first and held is None) or ranks.any(_ended(paths, runs, self.job)):
                return Ending.WHOLE
            if ranks.first:
                paths.error.unlink(missing_ok=True)
                self._keep_code(runs)
            ranks.wait()
            fence = Fence(held) if held else None
            ends = partial(_any, fence or never, self.stop, cancelled)
            try:
                ending = attempt(self.train, runs, paths, self.data_root, ends, self.job, fence)
                knows = ranks.first or ending == Ending.FAILED  # on one rank, of which no other hears
                if knows and ending != Ending.WHOLE and self.max_failures:
                    stop_if_alike(self.store, self.max_failures)
                return ending
            except LeaseLostError as error:
                if ranks.world > 1:
                    raise
                _say(paths)(f"{error}: it is left alone")
                return Ending.WHOLE

    def _lease(self, paths: PackPaths) -> AbstractContextManager[Held | None]:
        if self.ranks.first:
            return lease(paths.lease, self.stop, _say(paths), self.heartbeat_seconds)
        return nullcontext()

    def _keep_code(self, runs: Sequence[RunConfig]) -> None:
        """The worker may have other libraries than who submitted the sweep."""
        if (sources := runs[0].sources) not in self.kept:
            keep_code(self.store, code_of(*sources))
            self.kept.add(sources)


def _given_up(store: Store, ranks: Ranks, max_failures: int | None) -> str:
    """Why no further pack is to be begun; empty where one is."""
    here = platform.node()
    why = stopped(store) if max_failures and ranks.first else None
    if why and why.host == here:
        why = still_stopped(store, max_failures)
    why = None if why and why.host not in ("", here) else why
    return (why.reason if why else "another rank has found why") if ranks.any(why is not None) else ""


def _any(*questions: Callable[[], bool]) -> bool:
    return any(question() for question in questions)


def _say(paths: PackPaths) -> Callable[[str], None]:
    return lambda text: print(f"pack {paths.folder.name}: {text}", file=sys.stderr, flush=True)


def _configs(store: Store, packs: Sequence[Sequence[str]]) -> dict[str, RunConfig]:
    """The packs' runs; those that are no longer planned are measured as the others of their pack."""
    from jobs.sweep.run_grid import from_table

    run_ids = {run_id for runs in packs for run_id in runs}
    table = read_runs(store, run_ids=run_ids)
    configs = from_table(table)
    planned = set(table.filter(table["planned"])["run_id"].to_pylist())
    for runs in packs:
        asked = [configs[run_id].evaluation for run_id in runs if run_id in planned]
        # Runs on tune seeds ask for less than others, beside which they are in packs of before.
        evaluation = min(asked or [configs[runs[0]].evaluation], key=lambda each: each.for_choice)
        for run_id in runs:
            configs[run_id] = replace(configs[run_id], evaluation=evaluation)
    return configs


def _ended(paths: PackPaths, runs: Sequence[RunConfig], job: str) -> bool:
    """Whether a pack is done and measured as is wanted, or failed in this very job."""
    with suppress(ValueError):
        if status := read_pack(paths):
            here = bool(job) and _without_process(status.job) == _without_process(job)
            if status.state == "done" and meets(status.evaluation, runs[0].evaluation.text):
                return True
            return here and (status.state == "failed" or status.measuring_failed)
    return False


def _without_process(job: str) -> str:
    return job.rpartition("_")[0]
